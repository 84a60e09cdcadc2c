//! The recorded traces: lines of JSON (README.md beside them).

use serde_json::Value;
use std::path::{Path, PathBuf};

/// A trace.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) name: String,
    pub(crate) lines: Vec<Value>,
}

/// Where the traces are; `None` without samples, which is told.
pub(crate) fn directory() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let samples = std::env::var_os("JETFS_SAMPLES").unwrap_or_else(|| "../shared/samples".into());
    let directory = root.join(samples).join("protocol-traces/small4k");
    if directory.exists() {
        return Some(directory);
    }
    let required = std::env::var_os("JETFS_REQUIRE_SAMPLES").is_some_and(|value| value == "1");
    assert!(!required, "no traces at {}", directory.display());
    println!("skipped: no traces at {}", directory.display());
    None
}

impl Trace {
    pub(crate) fn read(directory: &Path, name: &str) -> Self {
        let text = std::fs::read_to_string(directory.join(format!("trace_{name}.jsonl"))).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        Trace {
            name: name.to_owned(),
            lines: lines.collect(),
        }
    }

    /// Ids and severities of the events that the line after `index` says were caused.
    pub(crate) fn events_after(&self, index: usize) -> Vec<(u64, char)> {
        let next = self.lines.get(index + 1).filter(|next| next["type"] == "events");
        let events = next.map_or(&[][..], |next| next["events"].as_array().unwrap());
        let event = |event: &Value| {
            let severity = event["severity"].as_str().unwrap().chars().next().unwrap();
            (event["id"].as_u64().unwrap(), severity)
        };
        events.iter().map(event).collect()
    }
}

/// The last part of a recorded path.
pub(crate) fn file_name(path: &Value) -> &str {
    path.as_str().unwrap().rsplit('\\').next().unwrap()
}

/// A number.
pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}
