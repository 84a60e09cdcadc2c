//! What is in a generation.

use super::line::position;
use jetfs::format::log_record::LogRecordType;
use jetfs::format::{LogPosition, LogTime};
use jetfs::store::log_reader::{LogFile, Logged};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};

/// Counts of the records of a generation; of those that passed the filters.
#[derive(Debug)]
pub(super) struct Summary {
    file: String,
    generation: u32,
    version: String,
    created: LogTime,
    previous_created: LogTime,
    first: Option<LogPosition>,
    last: Option<LogPosition>,
    end: LogPosition,
    types: BTreeMap<LogRecordType, Count>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    records: u64,
    bytes: u64,
}

impl Summary {
    /// That of a log of which no record was seen yet.
    pub(super) fn new(log: &LogFile) -> Self {
        let header = log.header();
        Summary {
            file: log.path().to_string_lossy().into_owned(),
            generation: header.generation,
            version: header.version().to_string(),
            created: header.create_time,
            previous_created: header.previous_create_time,
            first: None,
            last: None,
            end: log.end_position(),
            types: BTreeMap::new(),
        }
    }

    /// Whether it is that of `log`.
    pub(super) fn is_of(&self, log: &LogFile) -> bool {
        self.generation == log.header().generation && log.path().as_os_str() == self.file.as_str()
    }

    /// Whether nothing was counted.
    pub(super) fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// Counts a record.
    pub(super) fn add(&mut self, logged: &Logged<'_>) {
        self.first.get_or_insert(logged.position);
        self.last = Some(logged.position);
        let count = self.types.entry(logged.record.record_type()).or_default();
        count.records += 1;
        count.bytes += logged.bytes.len() as u64;
    }

    fn total(&self) -> Count {
        self.types.values().fold(Count::default(), |sum, count| Count {
            records: sum.records + count.records,
            bytes: sum.bytes + count.bytes,
        })
    }

    /// All of it, for a person.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let total = self.total();
        writeln!(out, "generation {0:#x} ({0}): {1}", self.generation, self.file)?;
        writeln!(out, "  version {}, created {}", self.version, self.created)?;
        writeln!(out, "  generation before created {}", self.previous_created)?;
        if let (Some(first), Some(last)) = (self.first, self.last) {
            writeln!(out, "  records from {} to {}", position(first), position(last))?;
        }
        writeln!(out, "  end {}", position(self.end))?;
        writeln!(out, "  {:10} {:>10} {:>12}", "type", "records", "bytes")?;
        for (record_type, count) in &self.types {
            writeln!(
                out,
                "  {record_type:10} {:>10} {:>12}",
                count.records, count.bytes
            )?;
        }
        writeln!(out, "  {:10} {:>10} {:>12}", "all", total.records, total.bytes)
    }

    /// All of it, for a script.
    pub(super) fn as_json(&self) -> Value {
        let time = |time: LogTime| time.is_set().then(|| time.to_string());
        let total = self.total();
        let types = self.types.iter().map(|(record_type, count)| {
            json!({
                "type": record_type.0,
                "name": record_type.to_string(),
                "records": count.records,
                "bytes": count.bytes,
            })
        });
        json!({
            "file": self.file,
            "generation": self.generation,
            "version": self.version,
            "created": time(self.created),
            "previous-created": time(self.previous_created),
            "first": self.first.map(position),
            "last": self.last.map(position),
            "end": position(self.end),
            "records": total.records,
            "bytes": total.bytes,
            "types": types.collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Summary {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total();
        write!(
            f,
            "generation {:#x}, created {}: {} records, {} bytes, end {}",
            self.generation,
            self.created,
            total.records,
            total.bytes,
            position(self.end)
        )
    }
}
