//! What is wrong with a set: missing generations, foreign files, damaged headers, broken sequences
//! (log-and-recovery.md sections 2.4 and 5.4; external-backup.md section 7.1).

use super::inventory::{CheckpointEntry, DatabaseEntry, Entry, Inventory, LogEntry, LogSequence, Warning};
use crate::backup::{FileRole, LogRange};
use crate::error::JetErr;
use crate::format::{FormatError, HeaderCopy, OtherCopy, Signature};
use std::collections::BTreeSet;

/// Fills in what each database misses, and the warnings.
pub(super) fn judge(inventory: &mut Inventory) {
    let mut databases = std::mem::take(&mut inventory.databases);
    for database in &mut databases {
        find_missing(database, &inventory.sequences);
    }
    let mut warnings = Vec::new();
    for database in &databases {
        judge_header(database, &mut warnings);
        judge_size(database, &mut warnings);
        judge_logs_of(database, inventory, &mut warnings);
    }
    inventory.databases = databases;
    for sequence in &inventory.sequences {
        judge_sequence(sequence, &mut warnings);
    }
    judge_foreign_sequences(inventory, &mut warnings);
    for log in &inventory.stray_logs {
        judge_stray(log, &mut warnings);
    }
    for checkpoint in &inventory.checkpoints {
        judge_checkpoint(checkpoint, &inventory.sequences, &mut warnings);
    }
    inventory.warnings = warnings;
}

/// The generations of `range` that are not in `present`, as ranges. Takes as long as `present`, not as the range.
pub(super) fn absent(range: LogRange, present: &BTreeSet<u32>) -> Vec<LogRange> {
    let mut gaps = Vec::new();
    let mut next = range.low;
    if range.low > range.high {
        return gaps;
    }
    for &generation in present.range(range.low..=range.high) {
        if generation > next {
            gaps.push(LogRange {
                low: next,
                high: generation - 1,
            });
        }
        match generation.checked_add(1) {
            Some(after) => next = after,
            None => return gaps,
        }
    }
    if next <= range.high {
        gaps.push(LogRange {
            low: next,
            high: range.high,
        });
    }
    gaps
}

fn find_missing(database: &mut DatabaseEntry, sequences: &[LogSequence]) {
    let Ok(facts) = &database.facts else {
        return;
    };
    let Some((low, high)) = facts.header.required_generations() else {
        return;
    };
    let present = generations_of(facts.header.log_signature, sequences);
    let committed = facts.header.generation_max_committed;
    database.missing_required = absent(LogRange { low, high }, &present);
    if let Some(after) = high.checked_add(1) {
        database.missing_committed = absent(
            LogRange {
                low: after,
                high: committed,
            },
            &present,
        );
    }
}

fn generations_of(signature: Signature, sequences: &[LogSequence]) -> BTreeSet<u32> {
    let own = sequences
        .iter()
        .filter(|sequence| sequence.signature == signature);
    own.flat_map(LogSequence::generations).collect()
}

fn judge_header(database: &DatabaseEntry, warnings: &mut Vec<Warning>) {
    match &database.facts {
        Err(error) => warnings.push(about(&database.entry, error.jet_err(), error.to_string())),
        Ok(facts) => {
            let bad = match (facts.used, &facts.other) {
                (HeaderCopy::Shadow, OtherCopy::Damaged(error)) => ("first", "second", error),
                (HeaderCopy::Primary, OtherCopy::Damaged(error)) => ("second", "first", error),
                (_, OtherCopy::Same | OtherCopy::Different) => return,
            };
            let (bad, good, error) = bad;
            let what = format!("the {bad} copy of the header is damaged ({error}); the {good} one is good");
            warnings.push(about(&database.entry, JetErr::ReadVerifyFailure, what));
        }
    }
}

fn judge_size(database: &DatabaseEntry, warnings: &mut Vec<Warning>) {
    let Ok(facts) = &database.facts else {
        return;
    };
    let entry = &database.entry;
    let pages = (entry.file.len / facts.header.page_size.bytes_u64()).saturating_sub(2);
    match facts.last_owned_page {
        None => {
            let what = "the space tree that tells the size of the database is damaged";
            warnings.push(about(entry, JetErr::DatabaseCorrupted, what));
        }
        Some(last) if u64::from(last) > pages => {
            let what = format!("the file was cut: it has {pages} pages, the database owns {last}");
            warnings.push(about(entry, JetErr::FileIOBeyondEOF, what));
        }
        Some(_) => {}
    }
}

fn judge_logs_of(database: &DatabaseEntry, inventory: &Inventory, warnings: &mut Vec<Warning>) {
    let Ok(facts) = &database.facts else {
        return;
    };
    let header = &facts.header;
    let recovers = header.required_generations().is_some();
    if !recovers && !header.state.is_clean() {
        let what = format!(
            "the state of the database is {}, which its logs cannot mend",
            header.state
        );
        warnings.push(about(&database.entry, JetErr::DatabaseDirtyShutdown, what));
    }
    if recovers {
        let what = format!("the database was not shut down cleanly ({})", header.state);
        warnings.push(about(&database.entry, JetErr::DatabaseDirtyShutdown, what));
    }
    let own = inventory
        .sequences
        .iter()
        .find(|sequence| Some(sequence.signature) == database.log_signature());
    match own {
        None if !inventory.sequences.is_empty() && header.log_signature.is_set() => {
            let what = "the logs belong to another instance (their signature is not the database's)";
            warnings.push(about(&database.entry, JetErr::BadLogSignature, what));
        }
        Some(sequence) if header.state.is_clean() => judge_join(database, sequence, warnings),
        _ => {}
    }
    if !database.missing_required.is_empty() {
        let what = format!(
            "recovery needs logs that are missing: {}",
            in_words(&database.missing_required)
        );
        warnings.push(about(&database.entry, JetErr::RequiredLogFilesMissing, what));
    }
    if !database.missing_committed.is_empty() {
        let what = format!(
            "committed work is lost without logs that are missing: {}",
            in_words(&database.missing_committed)
        );
        warnings.push(about(&database.entry, JetErr::CommittedLogFilesMissing, what));
    }
}

/// Logs of the same instance that begin after a clean database ended, or end before it did, are not its logs.
fn judge_join(database: &DatabaseEntry, sequence: &LogSequence, warnings: &mut Vec<Warning>) {
    let (Ok(facts), Some(range)) = (&database.facts, sequence.range()) else {
        return;
    };
    let ended = facts.header.consistent.generation;
    if ended > 0 && !range.contains(ended) {
        let what = format!(
            "the logs do not join: the database was last consistent in generation {ended:#x}, they are {}",
            in_words(&[range])
        );
        warnings.push(about(&database.entry, JetErr::DatabaseLogSetMismatch, what));
    }
}

fn judge_sequence(sequence: &LogSequence, warnings: &mut Vec<Warning>) {
    for gap in sequence.gaps() {
        let what = format!(
            "the sequence {} has a gap: {} missing",
            sequence.base,
            in_words(&[gap])
        );
        warnings.push(Warning {
            file: None,
            code: JetErr::MissingLogFile,
            what,
        });
    }
    for log in &sequence.logs {
        judge_length(log, warnings);
    }
    for (before, log) in sequence.logs.iter().zip(sequence.logs.iter().skip(1)) {
        judge_neighbours(before, log, warnings);
    }
}

fn judge_length(log: &LogEntry, warnings: &mut Vec<Warning>) {
    let (Ok(header), len) = (&log.header, log.entry.file.len) else {
        return;
    };
    if header.file_len() != len {
        let what = format!("the log has {len} bytes, its header says {}", header.file_len());
        warnings.push(about(&log.entry, JetErr::LogFileSizeMismatch, what));
    }
}

fn judge_neighbours(before: &LogEntry, log: &LogEntry, warnings: &mut Vec<Warning>) {
    let (Ok(previous), Ok(header)) = (&before.header, &log.header) else {
        return;
    };
    let other = before.entry.file.name.display();
    if header.generation == previous.generation {
        let what = format!("the log has the same generation as {other}");
        warnings.push(about(&log.entry, JetErr::InvalidLogSequence, what));
    } else if previous.generation.checked_add(1) == Some(header.generation)
        && let Err(code) = header.check_follows(previous, None)
    {
        let what = format!("the log does not continue {other}, although its generation does");
        warnings.push(about(&log.entry, code, what));
    }
}

/// Logs of another instance beside those of the databases.
fn judge_foreign_sequences(inventory: &Inventory, warnings: &mut Vec<Warning>) {
    let is_used = |sequence: &&LogSequence| {
        inventory
            .databases
            .iter()
            .any(|database| database.log_signature() == Some(sequence.signature))
    };
    if !inventory.sequences.iter().any(|sequence| is_used(&sequence)) && inventory.sequences.len() < 2 {
        return;
    }
    for sequence in inventory
        .sequences
        .iter()
        .skip(1)
        .filter(|sequence| !is_used(sequence))
    {
        for log in &sequence.logs {
            let what = "the log belongs to another instance (another signature)";
            warnings.push(about(&log.entry, JetErr::BadLogSignature, what));
        }
    }
}

fn judge_stray(log: &LogEntry, warnings: &mut Vec<Warning>) {
    let (code, what) = match (&log.header, log.entry.file.role) {
        (Err(error), _) => (error.jet_err(), damage(error, &log.entry)),
        (Ok(header), FileRole::ArchivedLog { generation }) => (
            JetErr::LogGenerationMismatch,
            format!(
                "the name says generation {generation:#x}, the header {:#x}",
                header.generation
            ),
        ),
        (Ok(_), _) => return,
    };
    warnings.push(about(&log.entry, code, what));
}

fn damage(error: &FormatError, entry: &Entry) -> String {
    match entry.file.len {
        0 => "the file is empty".to_owned(),
        _ => format!("the header is damaged ({error})"),
    }
}

fn judge_checkpoint(checkpoint: &CheckpointEntry, sequences: &[LogSequence], warnings: &mut Vec<Warning>) {
    let entry = &checkpoint.entry;
    let chosen = match &checkpoint.checkpoint {
        Err(error) => return warnings.push(about(entry, error.jet_err(), damage(error, entry))),
        Ok(chosen) => chosen,
    };
    if let OtherCopy::Damaged(error) = &chosen.other {
        let what = format!("one of the two copies is damaged ({error})");
        warnings.push(about(entry, JetErr::CheckpointCorrupt, what));
    }
    let signature = chosen.checkpoint.log_signature;
    if !sequences.is_empty() && !sequences.iter().any(|sequence| sequence.signature == signature) {
        let what = "the checkpoint belongs to another instance (another signature)";
        warnings.push(about(entry, JetErr::BadCheckpointSignature, what));
    }
}

fn about(entry: &Entry, code: JetErr, what: impl Into<String>) -> Warning {
    Warning {
        file: Some(entry.file.name.clone()),
        code,
        what: what.into(),
    }
}

/// `generations 0x3, 0x5 to 0x9`; at most the first eight ranges.
pub(super) fn in_words(ranges: &[LogRange]) -> String {
    const MOST: usize = 8;
    let mut words: Vec<String> = ranges
        .iter()
        .take(MOST)
        .map(|range| match range.low == range.high {
            true => format!("{:#x}", range.low),
            false => format!("{:#x} to {:#x}", range.low, range.high),
        })
        .collect();
    if ranges.len() > MOST {
        words.push(format!("and {} ranges more", ranges.len() - MOST));
    }
    let noun = if matches!(ranges, [range] if range.low == range.high) {
        "generation"
    } else {
        "generations"
    };
    format!("{noun} {}", words.join(", "))
}
