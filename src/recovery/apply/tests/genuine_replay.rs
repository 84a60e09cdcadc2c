//! Whole databases, made again from nothing by applying every record of their logs, byte for byte.

use super::genuine_logs::each_record_of;
use super::memory::MemoryPages;
use crate::error::JetResult;
use crate::format::log_record::{LogRecord, Merge, OperationFlags, Split, Undo, UndoneOperation};
use crate::format::{Node, Page, PageFlags, PageSize};
use crate::genuine_samples::sample;
use crate::recovery::pages::{Decision, PageChange, RedoPages};
use crate::recovery::{
    Undoing, apply_convert_fdp, apply_create_multiple_extent, apply_create_single_extent, apply_empty_tree,
    apply_merge, apply_new_page, apply_node, apply_split, check_key, undo_node,
};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What a version remembers for its undoing.
enum Before {
    Insert,
    Replace(Vec<u8>),
    FlagDelete,
    Delta(u16, i32),
    Delta64(u16, i64),
}

struct Replay {
    pages: MemoryPages,
    /// The records of open macros, by session and dbtime.
    macros: HashMap<(u16, u64), Vec<Vec<u8>>>,
    versions: HashMap<u32, Before>,
    applied: usize,
}

impl Replay {
    fn new(size: PageSize) -> Self {
        Replay {
            pages: MemoryPages::new(size),
            macros: HashMap::new(),
            versions: HashMap::new(),
            applied: 0,
        }
    }

    fn record(&mut self, record: &LogRecord<'_>, bytes: &[u8]) -> JetResult<()> {
        match record {
            LogRecord::Init2(_) => self.versions.clear(),
            LogRecord::MacroBegin(begin) => {
                self.macros.insert((begin.session, begin.dbtime), Vec::new());
            }
            LogRecord::MacroAbort(end) => {
                self.macros.remove(&(end.session, end.dbtime));
            }
            LogRecord::MacroCommit(end) => {
                let records = self.macros.remove(&(end.session, end.dbtime)).unwrap();
                self.applied += records.len();
                return self.apply_macro(&records);
            }
            LogRecord::UndoInfo(_) => {}
            LogRecord::NewPage(record) => apply_new_page(&mut self.pages, record)?,
            _ => {
                let Some(operation) = record.page_operation().copied() else {
                    return Ok(());
                };
                if let Some(buffered) = self.macros.get_mut(&(operation.session, operation.dbtime)) {
                    buffered.push(bytes.to_vec());
                    return Ok(());
                }
                self.applied += 1;
                return self.apply(record);
            }
        }
        Ok(())
    }

    fn apply_macro(&mut self, records: &[Vec<u8>]) -> JetResult<()> {
        let records: Vec<LogRecord<'_>> = records
            .iter()
            .map(|bytes| LogRecord::decode(bytes).unwrap())
            .collect();
        let splits: Vec<Split<'_>> = records
            .iter()
            .filter_map(|record| match record {
                LogRecord::Split(split) => Some(*split),
                _ => None,
            })
            .collect();
        let merges: Vec<Merge<'_>> = records
            .iter()
            .filter_map(|record| match record {
                LogRecord::Merge(merge) => Some(*merge),
                _ => None,
            })
            .collect();
        if !merges.is_empty() {
            return apply_merge(&mut self.pages, &merges);
        }
        let leaf = records
            .iter()
            .find(|record| !matches!(record, LogRecord::Split(_) | LogRecord::Merge(_)));
        let before = apply_split(&mut self.pages, &splits, leaf)?;
        match leaf {
            Some(LogRecord::Insert(record)) => {
                self.versions.insert(record.node.rceid, Before::Insert);
            }
            Some(LogRecord::Replace(record) | LogRecord::ReplaceDiff(record)) => {
                let before = Before::Replace(before.unwrap().data);
                self.versions.insert(record.node.rceid, before);
            }
            _ => {}
        }
        Ok(())
    }

    fn apply(&mut self, record: &LogRecord<'_>) -> JetResult<()> {
        match record {
            LogRecord::CreateMultipleExtentFdp(record) => {
                return apply_create_multiple_extent(&mut self.pages, record);
            }
            LogRecord::CreateSingleExtentFdp(record) => {
                return apply_create_single_extent(&mut self.pages, record);
            }
            LogRecord::ConvertFdp(record) => return apply_convert_fdp(&mut self.pages, record),
            LogRecord::EmptyTree(record) => return apply_empty_tree(&mut self.pages, record),
            LogRecord::ScrubPage(_) | LogRecord::PageMove(_) => panic!("no such record in these sets"),
            _ => {}
        }
        let operation = record.page_operation().unwrap();
        let change = PageChange {
            page: operation.page,
            dbtime: operation.dbtime,
            dbtime_before: operation.dbtime_before,
        };
        if self.pages.decide(change)? != Decision::Apply {
            return Ok(());
        }
        if let LogRecord::Undo(record) = record {
            return self.undo(record);
        }
        self.note_version(record)?;
        let page = self.pages.page(operation.page)?;
        Ok(apply_node(page, record)?)
    }

    fn note_version(&mut self, record: &LogRecord<'_>) -> JetResult<()> {
        let operation = *record.page_operation().unwrap();
        if !operation.flags.contains(OperationFlags::VERSIONED) {
            return Ok(());
        }
        let page = self.pages.page(operation.page)?.view()?;
        let data = || page.node(operation.line.into()).unwrap().data.to_vec();
        let (rceid, before) = match record {
            LogRecord::Insert(record) => (record.node.rceid, Before::Insert),
            LogRecord::FlagInsert(record) => (record.node.rceid, Before::Insert),
            LogRecord::FlagInsertAndReplaceData(record) => {
                self.versions.insert(record.node.rceid, Before::Insert);
                (record.rceid_replace, Before::Replace(data()))
            }
            LogRecord::FlagDelete(record) => (record.node.rceid, Before::FlagDelete),
            LogRecord::Replace(record) | LogRecord::ReplaceDiff(record) => {
                (record.node.rceid, Before::Replace(data()))
            }
            LogRecord::Delta(record) => (record.node.rceid, Before::Delta(record.offset, record.delta)),
            LogRecord::Delta64(record) => (record.node.rceid, Before::Delta64(record.offset, record.delta)),
            _ => return Ok(()),
        };
        self.versions.insert(rceid, before);
        Ok(())
    }

    fn undo(&mut self, record: &Undo<'_>) -> JetResult<()> {
        let operation = &record.node.page;
        let before = self.versions.remove(&record.node.rceid).unwrap();
        let (undoing, kind) = match &before {
            Before::Insert => (Undoing::Insert, UndoneOperation::Insert),
            Before::Replace(before) => (Undoing::Replace { before }, UndoneOperation::Replace),
            Before::FlagDelete => (Undoing::FlagDelete, UndoneOperation::FlagDelete),
            &Before::Delta(offset, delta) => (Undoing::Delta { offset, delta }, UndoneOperation::Delta),
            &Before::Delta64(offset, delta) => (Undoing::Delta64 { offset, delta }, UndoneOperation::Delta64),
        };
        assert_eq!(kind, record.operation);
        let page = self.pages.page(operation.page)?;
        check_key(page, operation.line.into(), record.key)?;
        undo_node(page, operation.line.into(), undoing)?;
        page.dirty(operation.dbtime);
        Ok(())
    }
}

/// The logs of a set in the order of their generations.
fn logs_of(directory: &Path) -> Vec<PathBuf> {
    let mut logs: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .filter(|path| !path.to_string_lossy().ends_with("tmp.log"))
        .collect();
    // The current generation has the shortest name.
    logs.sort_by_key(|path| (path.file_name().unwrap().len() == 7, path.clone()));
    logs
}

fn replay(directory: &Path) -> Replay {
    let mut replay: Option<Replay> = None;
    for log in logs_of(directory) {
        each_record_of(&log, &mut |path, size, logged| {
            let replay = replay.get_or_insert_with(|| Replay::new(size));
            if let Err(error) = replay.record(&logged.record, logged.bytes) {
                panic!(
                    "{} at {}: {error}: {:?}",
                    path.display(),
                    logged.position,
                    logged.record
                );
            }
        });
    }
    replay.unwrap()
}

/// How two pages differ in what they say, but for checksums, flush type, version flags, cbUncommittedFree and
/// ibMicFree.
fn difference(made: &Page<'_>, stored: &Page<'_>) -> Option<String> {
    let header = |page: &Page<'_>| {
        let mut header = page.header;
        (header.uncommitted_free, header.mic_free) = (0, 0);
        header.flags -= PageFlags::FLUSH_TYPE_LOW
            | PageFlags::FLUSH_TYPE_HIGH
            | PageFlags::NEW_CHECKSUM_FORMAT
            | PageFlags::SCRUBBED;
        header
    };
    if header(made) != header(stored) {
        return Some(format!("{:?}, not {:?}", header(made), header(stored)));
    }
    if made.external_header() != stored.external_header() {
        return Some("another external header".into());
    }
    let says = |node: Node<'_>| {
        (
            node.is_deleted(),
            node.prefix.len(),
            node.key(),
            node.data.to_vec(),
        )
    };
    (0..made.node_count())
        .map(|line| {
            (
                line,
                says(made.node(line).unwrap()),
                says(stored.node(line).unwrap()),
            )
        })
        .find(|(_, made, stored)| made != stored)
        .map(|(line, made, stored)| format!("line {line}: {made:?}, not {stored:?}"))
}

/// Whether the bytes of all nodes lie at the same places. That of an empty external header is the luck of a sort.
fn lies_the_same(a: &Page<'_>, b: &Page<'_>) -> bool {
    let places = |page: &Page<'_>| -> Vec<_> {
        (0..usize::from(page.header.tags))
            .map(|index| page.tag(index).unwrap())
            .filter(|tag| !tag.bytes.is_empty())
            .map(|tag| (tag.offset, tag.bytes.len()))
            .collect()
    };
    places(a) == places(b)
}

/// Replays a set and compares every page that it made with that of the database. Returns how many pages there are, and
/// how many are the same in every byte behind the header, unused ones and version flags included.
fn replay_gives(directory: &Path, database: &Path) -> (usize, usize) {
    let replay = replay(directory);
    let size = replay.pages.size;
    let bytes = std::fs::read(database).unwrap();
    let (mut same_bytes, mut elsewhere, mut different) = (0, Vec::new(), Vec::new());
    for (&pgno, made) in &replay.pages.pages {
        let start = usize::try_from(size.offset_of(pgno)).unwrap();
        let stored = Page::new(size, pgno, &bytes[start..start + size.bytes()]).unwrap();
        let made = made.view().unwrap();
        made.check().unwrap();
        if let Some(what) = difference(&made, &stored) {
            different.push(format!("page {pgno}: {what}"));
        }
        // A running engine moves the nodes of large pages together when it wants memory back.
        if size.is_small() && !lies_the_same(&made, &stored) {
            elsewhere.push(pgno);
        }
        let body = size.header_len();
        same_bytes += usize::from(made.bytes()[body..] == stored.bytes()[body..]);
    }
    println!(
        "{}: {} records, {} pages, {same_bytes} of them with the same bytes",
        database.display(),
        replay.applied,
        replay.pages.pages.len()
    );
    assert!(replay.applied > 0);
    assert!(different.is_empty(), "{different:#?}");
    assert!(elsewhere.is_empty(), "nodes elsewhere on pages {elsewhere:?}");
    (replay.pages.pages.len(), same_bytes)
}

#[test]
fn the_logs_of_a_windows_database_make_it_again() {
    let (Some(set), Some(made)) = (
        sample("srum-server2022-day0"),
        sample("srum-server2022-day0-fromlogs"),
    ) else {
        return;
    };
    let (pages, same_bytes) = replay_gives(&set, &made.join("SRUDB.dat"));
    assert_eq!(
        pages, same_bytes,
        "it was made by a recovery, which does what we do"
    );
}

#[test]
fn the_logs_of_clean_sets_make_their_databases_again() {
    for set in ["genuine-4k/clean", "genuine-scenarios/p4096_e8920_types_clean"] {
        let Some(set) = sample(set) else { return };
        replay_gives(&set, &set.join("test.edb"));
    }
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/samples-cache");
    for archive in std::fs::read_dir(unpacked).into_iter().flatten().flatten() {
        for set in [
            "clean",
            "genuine-32k/clean",
            "p16384_e8920_types_clean",
            "p32768_e8920_types_clean",
        ] {
            let set = archive.path().join(set);
            if set.join("test.edb").exists() {
                replay_gives(&set, &set.join("test.edb"));
            }
        }
    }
}
