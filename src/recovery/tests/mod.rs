//! Recovery of genuine sets, page by page against what the genuine engine made of them.

mod torn_logs;
mod two_databases;

use super::{InstanceFiles, Options, Places, Plan, Replayed};
use crate::error::JetErr;
use crate::format::log_record::LogRecord;
use crate::format::{DbState, LogPosition, Page, PageFlags, PageSize, Verified, VerifiedPage};
use crate::io::{File, FileSystem, MemoryFileSystem, OpenMode, RealFileSystem};
use crate::store::log_reader::{LogPlace, LogReader};
use crate::store::{FoundPage, SpillDirectory};
use std::path::Path;
use std::sync::Arc;

/// Flags that tell of writes, not of contents: the flush type and what the engine recomputes.
const FLUSH_FLAGS: u32 = 0x1_A800;

fn files_of(directory: &Path) -> InstanceFiles {
    let places = Places {
        logs: directory.to_path_buf(),
        ..Places::default()
    };
    InstanceFiles::find(&RealFileSystem, &places).unwrap()
}

fn options() -> Options {
    Options::new(SpillDirectory {
        fs: Arc::new(RealFileSystem),
        directory: std::env::temp_dir(),
    })
}

fn replay(directory: &Path) -> Replayed {
    let files = files_of(directory);
    let plan = Plan::new(&RealFileSystem, &files, options()).unwrap();
    plan.replay(&mut |_| {})
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
}

fn page_of(file: &dyn File, size: PageSize, pgno: u32) -> Option<VerifiedPage> {
    let mut bytes = vec![0; size.bytes()];
    file.read_exact_at(&mut bytes, size.offset_of(pgno)).ok()?;
    match VerifiedPage::verify(bytes, size, pgno).unwrap() {
        Verified::Good(page) => Some(page),
        Verified::Repaired { page, .. } => Some(page),
        Verified::Uninitialised => None,
    }
}

/// What differs between two pages, apart from where on the page things lie.
fn difference(ours: &Page<'_>, theirs: &Page<'_>) -> Option<String> {
    let flags = |page: &Page<'_>| page.flags().bits() & !FLUSH_FLAGS;
    if (ours.dbtime(), ours.objid(), flags(ours)) != (theirs.dbtime(), theirs.objid(), flags(theirs)) {
        return Some(format!("header {:?} for {:?}", ours.header, theirs.header));
    }
    if (ours.prev(), ours.next()) != (theirs.prev(), theirs.next()) {
        return Some("links".into());
    }
    if ours.flags().contains(PageFlags::PRE_INIT) {
        return None;
    }
    if ours.external_header().unwrap() != theirs.external_header().unwrap() {
        return Some("external header".into());
    }
    let nodes = |page: &Page<'_>| -> Vec<_> {
        let nodes = page.nodes().map(|node| node.unwrap());
        nodes
            .map(|node| (node.flags.bits() & !1, node.key(), node.data.to_vec()))
            .collect()
    };
    let (mine, genuine) = (nodes(ours), nodes(theirs));
    if mine.len() != genuine.len() {
        return Some(format!("{} nodes for {}", mine.len(), genuine.len()));
    }
    let line = mine
        .iter()
        .zip(&genuine)
        .position(|(mine, genuine)| mine != genuine)?;
    Some(format!("node {line}: {:?} for {:?}", mine[line], genuine[line]))
}

fn assert_equals_twin(set: &str, twin: &str) {
    let (Some(set), Some(twin)) = (
        crate::genuine_samples::sample(set),
        crate::genuine_samples::sample(twin),
    ) else {
        return;
    };
    let mut replayed = replay(&set);
    assert!(
        !replayed.databases.is_empty(),
        "{set:?}: {:?}",
        replayed.untouched
    );
    for database in &mut replayed.databases {
        assert_eq!(database.header.state, DbState::CleanShutdown);
        let path = twin.join(database.path.file_name().unwrap());
        let genuine = RealFileSystem.open(&path, OpenMode::ReadOnly).unwrap();
        let size = database.header.page_size;
        let mut wrong = Vec::new();
        for pgno in 1..=database.overlay.last_page() {
            let theirs = page_of(genuine.as_ref(), size, pgno);
            let ours = match database.overlay.page(pgno).unwrap() {
                FoundPage::Page(page) => Some(&*page),
                FoundPage::Blank | FoundPage::BeyondEnd => None,
            };
            let problem = match (ours, &theirs) {
                (None, None) => None,
                (Some(ours), Some(theirs)) => difference(&ours.view().unwrap(), &Page::of(theirs).unwrap()),
                (ours, _) => Some(format!(
                    "only {} has it",
                    if ours.is_some() { "ours" } else { "theirs" }
                )),
            };
            wrong.extend(problem.map(|problem| format!("page {pgno}: {problem}")));
        }
        assert!(
            wrong.is_empty(),
            "{}: {} pages: {:#?}",
            set.display(),
            wrong.len(),
            &wrong[..wrong.len().min(5)]
        );
    }
}

#[test]
fn crashed_sets_of_the_genuine_engine_become_what_it_made_of_them() {
    for scenario in ["crash", "lv", "grow", "types", "moves", "circular", "reattach"] {
        let set = format!("genuine-scenarios/p4096_e8920_{scenario}_dirty");
        assert_equals_twin(&set, &format!("{set}_recovered"));
    }
    assert_equals_twin("genuine-4k/dirty", "genuine-4k/dirty_recovered");
}

/// The records from `RecoveryUndo2` to `RecoveryQuit2`, without their times.
fn undo_records(fs: &dyn FileSystem, logs: Vec<LogPlace>) -> Vec<(LogPosition, Vec<u8>)> {
    let mut reader = LogReader::new(fs, logs);
    let mut records = Vec::new();
    while let Some(logged) = reader.next_record().unwrap() {
        match logged.record {
            LogRecord::RecoveryUndo2(_) => records = vec![(logged.position, Vec::new())],
            LogRecord::Nop2(_) => {}
            LogRecord::RecoveryQuit2(quit) => {
                records.push((quit.start, Vec::new()));
                records.push((logged.position, Vec::new()));
                return records;
            }
            _ if records.is_empty() => {}
            _ => records.push((logged.position, logged.bytes.to_vec())),
        }
    }
    panic!("no RecoveryQuit2 in {} records", records.len());
}

#[test]
fn the_undo_phase_writes_the_records_that_the_genuine_engine_wrote() {
    for scenario in ["crash", "lv", "grow", "types", "moves", "circular"] {
        let name = format!("genuine-scenarios/p4096_e8920_{scenario}_dirty");
        let (Some(set), Some(twin)) = (
            crate::genuine_samples::sample(&name),
            crate::genuine_samples::sample(&format!("{name}_recovered")),
        ) else {
            return;
        };
        let tail = replay(&set).tail.unwrap();
        let fs = MemoryFileSystem::new(Arc::new(crate::io::RealClock));
        let (path, bytes) = tail.end.files().last().unwrap();
        let path = Path::new("/").join(path.file_name().unwrap());
        fs.write_file(&path, bytes).unwrap();
        let generation = tail.header.generation;
        let ours = undo_records(&fs, vec![LogPlace { path, generation }]);
        let files = files_of(&twin);
        let genuine = files.logs.range(generation..).map(|(_, log)| log.clone());
        let genuine = undo_records(&RealFileSystem, genuine.collect());
        for (ours, genuine) in ours.iter().zip(&genuine) {
            assert_eq!(ours.0, genuine.0, "{scenario}");
            let decode = |bytes: &'_ [u8]| format!("{:?}", LogRecord::decode(bytes));
            assert_eq!(decode(&ours.1), decode(&genuine.1), "{scenario} at {}", genuine.0);
        }
        assert_eq!(ours.len(), genuine.len(), "{scenario}");
    }
}

/// A copy of a set, without the files that `drop` names.
fn copy_without(set: &Path, drop: impl Fn(&str) -> bool) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(set).unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        if entry.path().is_file() && !drop(name.to_str().unwrap()) {
            std::fs::copy(entry.path(), copy.path().join(&name)).unwrap();
        }
    }
    copy
}

#[test]
fn a_database_that_is_attached_at_the_end_and_not_there_is_missed() {
    let Some(set) = crate::genuine_samples::sample("genuine-scenarios/p4096_e8920_circular_dirty") else {
        return;
    };
    let copy = copy_without(&set, |name| name == "test.edb");
    let files = files_of(copy.path());
    let plan = Plan::new(&RealFileSystem, &files, options()).unwrap();
    let error = plan.replay(&mut |_| {}).unwrap_err();
    assert_eq!(error.code(), JetErr::AttachedDatabaseMismatch);
    let options = Options {
        ignore_missing: true,
        ..options()
    };
    let plan = Plan::new(&RealFileSystem, &files, options).unwrap();
    assert!(plan.replay(&mut |_| {}).unwrap().databases.is_empty());
}

#[test]
fn crashed_sets_of_windows_become_what_the_genuine_engine_made_of_them() {
    for set in ["srum-win10-dirty", "srum-win11-dirty"] {
        assert_equals_twin(set, &format!("{set}-recovered"));
    }
}
