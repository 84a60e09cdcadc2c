//! `jetfs info DIRECTORY`: the inventory of files at rest.

use super::shown;
use crate::exit::Exit;
use crate::output::Output;
use anyhow::Result;
use jetfs::io::RealFileSystem;
use jetfs::source::at_rest::{AtRestPaths, DatabaseEntry, Inventory, LogSequence};
use serde_json::{Value, json};
use std::path::Path;

/// Prints what belongs together, then a warning for everything that is missing, foreign or damaged.
pub(super) fn show(directory: &Path, output: &Output) -> Result<Exit> {
    let paths = AtRestPaths {
        sources: vec![directory.to_path_buf()],
        ..AtRestPaths::default()
    };
    let inventory = Inventory::take(&RealFileSystem, &paths)?;
    if output.json {
        output.json(&as_json(&inventory))?;
    } else {
        print(&inventory, output)?;
    }
    for warning in &inventory.warnings {
        output.warning(warning);
    }
    let exits = inventory
        .warnings
        .iter()
        .map(|warning| Exit::of_jet_err(warning.code));
    Ok(if exits.into_iter().any(|exit| exit == Exit::Damaged) {
        Exit::Damaged
    } else {
        Exit::Done
    })
}

fn print(inventory: &Inventory, output: &Output) -> Result<()> {
    for database in &inventory.databases {
        output.line(format_args!(
            "database    {}   {} bytes, {}",
            shown(database.entry.file.name.as_ref()),
            database.entry.file.len,
            state(database)
        ))?;
    }
    for sequence in &inventory.sequences {
        output.line(format_args!(
            "logs        {}*   {} files, generations {}, signature {}",
            sequence.base,
            sequence.logs.len(),
            generations(sequence),
            sequence.signature
        ))?;
    }
    for checkpoint in &inventory.checkpoints {
        let place = match &checkpoint.checkpoint {
            Ok(chosen) => format!("checkpoint at {}", chosen.checkpoint.checkpoint),
            Err(error) => error.to_string(),
        };
        output.line(format_args!(
            "checkpoint  {}   {place}",
            shown(checkpoint.entry.file.name.as_ref())
        ))?;
    }
    for log in &inventory.stray_logs {
        output.line(format_args!(
            "stray log   {}",
            shown(log.entry.file.name.as_ref())
        ))?;
    }
    for other in &inventory.others {
        let name = shown(other.file.name.as_ref());
        output.line(format_args!("other       {name}   {} bytes", other.file.len))?;
    }
    if !inventory.ignored.is_empty() {
        output.line(format_args!(
            "not ESE     {} entries, not shown",
            inventory.ignored.len()
        ))?;
    }
    Ok(())
}

fn state(database: &DatabaseEntry) -> String {
    match &database.facts {
        Ok(facts) => {
            let header = &facts.header;
            let needs = match header.required_generations() {
                Some((min, max)) => format!(", needs logs {min} to {max}"),
                None => String::new(),
            };
            format!(
                "{}, {} pages, {}{needs}",
                header.version_text(),
                header.page_size,
                header.state
            )
        }
        Err(error) => error.to_string(),
    }
}

fn generations(sequence: &LogSequence) -> String {
    let gaps = sequence.gaps();
    let range = sequence
        .range()
        .map_or_else(String::new, |range| format!("{} to {}", range.low, range.high));
    if gaps.is_empty() {
        return range;
    }
    let gaps: Vec<String> = gaps
        .iter()
        .map(|gap| format!("{} to {}", gap.low, gap.high))
        .collect();
    format!("{range} without {}", gaps.join(", "))
}

fn as_json(inventory: &Inventory) -> Value {
    let range = |range: &jetfs::backup::LogRange| json!({ "low": range.low, "high": range.high });
    let ranges = |all: &[jetfs::backup::LogRange]| all.iter().map(range).collect::<Vec<_>>();
    json!({
        "databases": inventory.databases.iter().map(|database| json!({
            "name": shown(database.entry.file.name.as_ref()),
            "path": shown(&database.entry.file.path),
            "length": database.entry.file.len,
            "state": database.facts.as_ref().ok().map(|facts| facts.header.state.to_string()),
            "page-size": database.facts.as_ref().ok().map(|facts| facts.header.page_size.bytes()),
            "error": database.facts.as_ref().err().map(ToString::to_string),
            "missing-required": ranges(&database.missing_required),
            "missing-committed": ranges(&database.missing_committed),
        })).collect::<Vec<_>>(),
        "logs": inventory.sequences.iter().map(|sequence| json!({
            "base": sequence.base,
            "signature": sequence.signature.to_string(),
            "files": sequence.logs.len(),
            "range": sequence.range().as_ref().map(range),
            "gaps": ranges(&sequence.gaps()),
        })).collect::<Vec<_>>(),
        "stray-logs": inventory.stray_logs.iter().map(|log| shown(&log.entry.file.path)).collect::<Vec<_>>(),
        "checkpoints": inventory.checkpoints.iter().map(|found| shown(&found.entry.file.path)).collect::<Vec<_>>(),
        "others": inventory.others.iter().map(|other| shown(&other.file.path)).collect::<Vec<_>>(),
        "ignored": inventory.ignored.len(),
        "warnings": inventory.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}
