//! Where unit tests find genuine ESE files (`JETFS_SAMPLES`, by default `../shared/samples` beside the repository).
//!
//! A test that misses its sample is counted in `target/skipped-tests.txt`, and fails under `JETFS_REQUIRE_SAMPLES=1`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The sample of this name below the folder, "" for the folder; `None`, after saying so, where it is absent.
pub(crate) fn sample(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::var_os("JETFS_SAMPLES").unwrap_or_else(|| "../shared/samples".into());
    let path = root.join(folder).join(name);
    if path.exists() {
        return Some(path);
    }
    let required = std::env::var_os("JETFS_REQUIRE_SAMPLES").is_some_and(|value| value == "1");
    assert!(
        !required,
        "no genuine files at {} (JETFS_REQUIRE_SAMPLES=1)",
        path.display()
    );
    let thread = std::thread::current();
    let line = format!(
        "{}: no genuine files at {}\n",
        thread.name().unwrap_or("?"),
        path.display()
    );
    print!("skipped: {line}");
    let list = OpenOptions::new()
        .create(true)
        .append(true)
        .open(root.join("target/skipped-tests.txt"));
    let _ = list.and_then(|mut list| list.write_all(line.as_bytes()));
    None
}
