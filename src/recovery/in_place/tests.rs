//! A power cut, or a failure, in every single operation: the set is always in one of the states that the order
//! allows, and a second recovery finishes. What a recovery computes is played by [`recovery`].

use super::*;
use crate::format::checksum::{PageState, check_page, stamp_page};
use crate::format::log_record::{LogRecord, Marker, RecoveryUndo2, Term2};
use crate::format::{DbState, DbmsParam, LogHeader, LogPosition, PageSize};
use crate::io::{CutReport, FaultFileSystem, MemoryFileSystem, OpenMode, SettableClock, Which, count_up};
use crate::store::log_reader::{LogFile, LogPlace, LogReader};
use crate::store::log_writer::{LogAppender, LogDigits, LogNaming};
use crate::store::read_database_header;
use std::time::Duration;

const SIZE: PageSize = PageSize::Kib4;
const CURRENT: &str = "/s/edb.log";
const DATABASES: [&str; 2] = ["/s/a.edb", "/s/b.edb"];
const CREATED: &str = "/s/new.edb";
const CHECKPOINT: &str = "/s/edb.chk";
const SLOTS: u16 = 8;
/// Pages before, pages after, and those that change.
const BEFORE: u32 = 12;
const AFTER: u32 = 20;

fn time(second: u8) -> LogTime {
    LogTime::utc(2026, 11, 25, 1, 2, second, 3)
}

/// A page with this content.
fn page(pgno: u32, content: u8) -> Vec<u8> {
    let mut page = vec![content; SIZE.bytes()];
    page[..40].fill(0);
    stamp_page(&mut page, SIZE, pgno);
    page
}

#[derive(Debug)]
struct Pages(Vec<u32>);

impl ChangedPages for Pages {
    fn count(&self) -> u64 {
        self.0.len() as u64
    }

    fn for_each(&self, take: &mut dyn FnMut(u32, &[u8]) -> JetResult<()>) -> JetResult<()> {
        self.0.iter().try_for_each(|pgno| take(*pgno, &page(*pgno, 0xBB)))
    }
}

fn changed() -> Pages {
    Pages(vec![1, 2, 3, 7, 12, 13, 20])
}

fn log_header(generation: u32) -> LogHeader {
    let param = DbmsParam::new("C:\\", "C:\\", SLOTS.into()).unwrap();
    let mut header = LogHeader::new(generation, SLOTS, Signature::default(), param).unwrap();
    header.create_time = time(0);
    header
}

fn database_header(state: DbState) -> DatabaseHeader {
    let mut header = DatabaseHeader::new(SIZE, Signature::default()).unwrap();
    header.state = state;
    if state == DbState::DirtyShutdown {
        (header.generation_min_required, header.generation_max_required) = (5, 5);
        header.generation_max_committed = 5;
    }
    header
}

/// A dirty set: two databases, a log with one record, a checkpoint.
fn dirty_set() -> FaultFileSystem {
    let memory = MemoryFileSystem::new(Arc::new(SettableClock::new(UNIX_EPOCH)));
    for path in DATABASES {
        let mut bytes = database_header(DbState::DirtyShutdown).encode().repeat(2);
        (1..=BEFORE).for_each(|pgno| bytes.extend(page(pgno, 0xAA)));
        memory.write_file(path, &bytes).unwrap();
    }
    let mut bytes = log_header(5).encode();
    bytes.resize(usize::from(SLOTS) * 4096, 0);
    memory.write_file(CURRENT, &bytes).unwrap();
    let checkpoint = checkpoint(position(5, 1));
    memory
        .write_file(CHECKPOINT, &checkpoint.encode_copy().repeat(2))
        .unwrap();
    FaultFileSystem::new(Arc::new(memory))
}

fn position(generation: u32, sector: u16) -> LogPosition {
    LogPosition {
        generation,
        sector,
        byte: 0,
    }
}

fn checkpoint(at: LogPosition) -> Checkpoint {
    let param = DbmsParam::new("C:\\", "C:\\", SLOTS.into()).unwrap();
    Checkpoint::new(at, Signature::default(), param).unwrap()
}

/// The types of all records but fill.
fn record_types(fs: &dyn FileSystem) -> Vec<u8> {
    let mut places = logs(fs);
    places.sort_by_key(|place| place.generation);
    let mut reader = LogReader::new(fs, places);
    let mut types = Vec::new();
    while let Some(logged) = reader.next_record().unwrap() {
        types.push(logged.record.record_type().0);
    }
    types.retain(|record_type| *record_type != 71);
    types
}

fn logs(fs: &dyn FileSystem) -> Vec<LogPlace> {
    let names = fs.list(Path::new("/s")).unwrap();
    let names = names.into_iter().map(|entry| entry.name.into_string().unwrap());
    let logs = names.filter(|name| name.ends_with(".log") && !name.contains("tmp"));
    logs.map(|name| {
        let path = Path::new("/s").join(name);
        let generation = load(fs, &path).header().generation;
        LogPlace { path, generation }
    })
    .collect()
}

fn load(fs: &dyn FileSystem, path: &Path) -> LogFile {
    LogFile::load(&*fs.open(path, OpenMode::ReadOnly).unwrap(), path).unwrap()
}

fn naming() -> LogNaming {
    LogNaming::new(Path::new("/s"), "edb", "log", LogDigits::Eight)
}

fn mark() -> LogRecord<'static> {
    LogRecord::ShutDownMark(Marker {})
}

/// What a recovery of this set computes: records enough for a second generation, seven pages of each database, a
/// third database.
fn recover(fs: &dyn FileSystem, durability: Durability) -> JetResult<()> {
    let paths = DATABASES.iter().chain([&CHECKPOINT]).map(Path::new);
    let mut set = LockedSet::lock(fs, paths)?;
    set.finish_interrupted()?;
    let dirty: Vec<&str> = DATABASES
        .into_iter()
        .filter(|path| header_of(fs, path).is_some_and(|header| header.state != DbState::CleanShutdown))
        .collect();
    let mut last = logs(fs).into_iter().max_by_key(|place| place.generation).unwrap();
    if fs.stat(Path::new(CURRENT)).is_ok() {
        last.path = PathBuf::from(CURRENT);
    }
    let mut appender = LogAppender::after(&load(fs, &last.path), naming(), time(1))?;
    appender.append(&LogRecord::RecoveryUndo2(RecoveryUndo2 { time: time(1) }))?;
    let filler = [&[82], &20_000_u32.to_le_bytes()[..], &[1; 20_000]].concat();
    for _ in 0..2 {
        appender.append(&LogRecord::decode(&filler).unwrap())?;
    }
    let mut logs = RecoveredLogs {
        undo: appender.take_writes(),
        last: (appender.header().generation, appender.header().create_time),
        ..RecoveredLogs::default()
    };
    let shut_down = appender.append(&mark())?;
    appender.close_segment();
    logs.shut_down = appender.take_writes();
    let quit = LogRecord::RecoveryQuit2(Term2 {
        start: shut_down,
        redo_from: shut_down,
        hard: 0,
        time: time(2),
    });
    let end = appender.append(&quit)?;
    appender.close_segment();
    logs.quit = appender.take_writes();
    let pages = changed();
    let all = Pages((1..=AFTER).collect());
    let database = |path: &str, is_created: bool| RecoveredDatabase {
        path: PathBuf::from(path),
        is_created,
        page_last: AFTER,
        pages: if is_created { &all } else { &pages },
        header: header_of(fs, path).unwrap_or_else(|| database_header(DbState::DirtyShutdown)),
        clean_header: database_header(DbState::CleanShutdown),
    };
    let mut databases: Vec<_> = dirty.into_iter().map(|path| database(path, false)).collect();
    if header_of(fs, CREATED).is_none_or(|header| header.state == DbState::JustCreated) {
        databases.push(database(CREATED, true));
    }
    let recovered = RecoveredSet {
        databases,
        logs,
        checkpoint: Some(RecoveredCheckpoint {
            path: PathBuf::from(CHECKPOINT),
            checkpoint: checkpoint(end),
        }),
    };
    let clock = SettableClock::new(UNIX_EPOCH + Duration::from_secs(1));
    let mut written = 0;
    set.write(&recovered, durability, &clock, &mut |bytes| written += bytes)?;
    let expected: u64 = recovered
        .databases
        .iter()
        .map(RecoveredDatabase::byte_count)
        .sum();
    assert_eq!(written, expected);
    Ok(())
}

fn header_of(fs: &dyn FileSystem, path: &str) -> Option<DatabaseHeader> {
    let file = fs.open(Path::new(path), OpenMode::ReadOnly).ok()?;
    read_database_header(&*file).ok()
}

/// What the pages of a database are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contents {
    Old,
    /// Some are new, and some may be torn, but all new ones are in a journal.
    InJournal,
    New,
}

fn contents(fs: &dyn FileSystem, path: &str) -> Contents {
    let file = fs.open(Path::new(path), OpenMode::ReadOnly).unwrap();
    let mut bytes = vec![0; usize::try_from(file.stat().unwrap().len).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    let pages: Vec<&[u8]> = bytes.chunks(SIZE.bytes()).skip(2).collect();
    let is = |pgno: u32, content: u8| {
        pages
            .get(pgno as usize - 1)
            .is_some_and(|found| *found == page(pgno, content))
    };
    let others = (1..=BEFORE).filter(|pgno| !changed().0.contains(pgno));
    assert!(
        others.into_iter().all(|pgno| is(pgno, 0xAA)),
        "a page changed that does not change"
    );
    let is_new = changed().0.into_iter().all(|pgno| is(pgno, 0xBB)) && pages.len() == AFTER as usize;
    let is_old = (1..=BEFORE).all(|pgno| is(pgno, 0xAA));
    let journal = PageJournal::find(fs, Path::new(path)).unwrap();
    match journal {
        Some(_) => Contents::InJournal,
        None if is_new => Contents::New,
        None => {
            assert!(
                is_old && pages.len() == BEFORE as usize,
                "neither old nor new, and no journal"
            );
            Contents::Old
        }
    }
}

fn checkpoint_of(fs: &dyn FileSystem) -> LogPosition {
    let file = fs.open(Path::new(CHECKPOINT), OpenMode::ReadOnly).unwrap();
    let mut bytes = [0; Checkpoint::FILE_LEN];
    file.read_exact_at(&mut bytes, 0).unwrap();
    Checkpoint::read(&bytes).unwrap().checkpoint.checkpoint
}

/// Each state implies those that must have been durable before it.
fn assert_allowed(fs: &dyn FileSystem) {
    let types = record_types(fs);
    let last = logs(fs).iter().map(|place| place.generation).max().unwrap();
    let has = |record_type: u8| types.contains(&record_type);
    for path in DATABASES {
        let (header, contents) = (header_of(fs, path).unwrap(), contents(fs, path));
        assert!(header.generation_max_required <= last && header.generation_max_committed <= last);
        if contents != Contents::Old {
            assert!(has(51), "pages before their log records");
            assert!(header.state == DbState::CleanShutdown || header.generation_max_required > 5);
        }
        if header.state == DbState::CleanShutdown {
            assert!(contents == Contents::New && has(23), "clean too early");
        }
        if has(52) {
            assert!(
                header.state == DbState::CleanShutdown,
                "an end before the databases are clean"
            );
        }
        if checkpoint_of(fs) != position(5, 1) {
            assert!(has(52), "a checkpoint before the end");
        }
    }
    if header_of(fs, CREATED).is_some_and(|header| header.state == DbState::CleanShutdown) {
        assert!(has(23));
        for pgno in 1..=AFTER {
            assert_page(fs, CREATED, pgno);
        }
    }
}

fn assert_page(fs: &dyn FileSystem, path: &str, pgno: u32) {
    let file = fs.open(Path::new(path), OpenMode::ReadOnly).unwrap();
    let mut found = vec![0; SIZE.bytes()];
    file.read_exact_at(&mut found, (u64::from(pgno) + 1) * 4096)
        .unwrap();
    assert_eq!(check_page(&found, SIZE, pgno), PageState::Good);
}

fn assert_finished(fs: &dyn FileSystem) {
    assert_allowed(fs);
    for path in DATABASES {
        assert_eq!(contents(fs, path), Contents::New);
    }
    for path in DATABASES.iter().chain([&CREATED]) {
        assert_eq!(header_of(fs, path).unwrap().state, DbState::CleanShutdown);
    }
    assert_eq!(record_types(fs).last(), Some(&52));
    assert_ne!(checkpoint_of(fs), position(5, 1));
    let names = fs.list(Path::new("/s")).unwrap();
    let left = names
        .iter()
        .filter(|entry| entry.name.to_str().unwrap().contains("jetfs"));
    assert_eq!(left.count(), 0);
}

#[test]
fn a_recovery_leaves_a_clean_set() {
    for durability in [Durability::InPlace, Durability::Copy] {
        let fs = dirty_set();
        recover(&fs, durability).unwrap();
        assert_finished(&fs);
    }
}

/// Cuts the power in the k-th operation; tells whether the recovery got so far.
fn cut_and_recover_again(k: u64, seed: u64) -> (bool, Option<CutReport>) {
    let fs = dirty_set();
    fs.cut_power_at(k, Which::Changing, seed);
    let done = recover(&fs, Durability::InPlace).is_ok();
    let reached = fs.reached();
    if !reached {
        fs.cut_power(seed).unwrap();
    }
    fs.restart();
    assert_allowed(&fs);
    if done {
        assert_finished(&fs);
    }
    recover(&fs, Durability::InPlace).unwrap();
    assert_finished(&fs);
    (reached, fs.last_cut())
}

#[test]
fn a_power_cut_at_any_moment_leaves_a_set_that_another_recovery_finishes() {
    let mut cuts = 0;
    for seed in 0..8 {
        cuts = count_up(|k| cut_and_recover_again(k, seed).0);
    }
    assert!(cuts > 60, "only {cuts} operations");
}

#[test]
fn a_power_cut_in_the_second_recovery_does_no_harm_either() {
    for seed in 0..2 {
        for first in (3..70).step_by(9) {
            count_up(|k| {
                let fs = dirty_set();
                fs.cut_power_at(first, Which::Changing, seed);
                let _ = recover(&fs, Durability::InPlace);
                fs.restart();
                fs.cut_power_at(k, Which::Changing, seed + 100);
                let _ = recover(&fs, Durability::InPlace);
                let reached = fs.reached();
                fs.restart();
                assert_allowed(&fs);
                recover(&fs, Durability::InPlace).unwrap();
                assert_finished(&fs);
                reached && k < 40
            });
        }
    }
}

#[test]
fn a_full_disk_is_an_error_and_the_set_can_be_recovered_later() {
    for for_ever in [false, true] {
        let met = count_up(|k| {
            let fs = dirty_set();
            let kind = io::ErrorKind::StorageFull;
            if for_ever {
                fs.fail_from(k, Which::Changing, kind);
            } else {
                fs.fail(k, Which::Changing, kind);
            }
            let result = recover(&fs, Durability::InPlace);
            let reached = fs.reached();
            if reached {
                let error = result.unwrap_err();
                assert_eq!(error.code(), JetErr::DiskFull);
                assert!(error.place().file.is_some(), "{error}");
            }
            fs.disarm();
            fs.restart();
            assert_allowed(&fs);
            recover(&fs, Durability::InPlace).unwrap();
            assert_finished(&fs);
            reached
        });
        assert!(met > 60);
    }
}

#[test]
fn a_journal_of_another_time_is_not_applied() {
    let fs = dirty_set();
    let header = {
        let mut header = database_header(DbState::DirtyShutdown);
        header.objid_last = 77;
        header.encode()
    };
    PageJournal::write(&fs, Path::new(DATABASES[0]), &header, AFTER, &changed()).unwrap();
    let set = LockedSet::lock(&fs, DATABASES.map(Path::new)).unwrap();
    assert!(set.finish_interrupted().unwrap().is_empty());
    assert_eq!(contents(&fs, DATABASES[0]), Contents::Old);
}

#[test]
fn a_set_in_use_is_left_alone() {
    let fs = dirty_set();
    let _engine = open_exclusively(&fs, Path::new(DATABASES[1])).unwrap();
    let error = recover(&fs, Durability::InPlace).unwrap_err();
    assert_eq!(error.code(), JetErr::DatabaseInUse);
    assert_eq!(contents(&fs, DATABASES[0]), Contents::Old);
}

#[test]
fn a_page_without_its_checksum_and_a_database_that_looks_clean_are_never_written() {
    #[derive(Debug)]
    struct Unstamped;
    impl ChangedPages for Unstamped {
        fn count(&self) -> u64 {
            1
        }
        fn for_each(&self, take: &mut dyn FnMut(u32, &[u8]) -> JetResult<()>) -> JetResult<()> {
            take(3, &[7; 4096])
        }
    }
    for (pages, state) in [
        (&Unstamped as &dyn ChangedPages, DbState::DirtyShutdown),
        (&changed(), DbState::CleanShutdown),
    ] {
        let fs = dirty_set();
        let recovered = RecoveredSet {
            databases: vec![RecoveredDatabase {
                path: PathBuf::from(DATABASES[0]),
                is_created: false,
                page_last: BEFORE,
                pages,
                header: database_header(state),
                clean_header: database_header(DbState::CleanShutdown),
            }],
            logs: RecoveredLogs::default(),
            checkpoint: Some(RecoveredCheckpoint {
                path: PathBuf::from(CHECKPOINT),
                checkpoint: checkpoint(position(5, 1)),
            }),
        };
        let mut set = LockedSet::lock(&fs, DATABASES.map(Path::new)).unwrap();
        let clock = SettableClock::new(UNIX_EPOCH);
        let error = set
            .write(&recovered, Durability::InPlace, &clock, &mut |_| ())
            .unwrap_err();
        assert_eq!(error.code(), JetErr::InternalError);
        assert_eq!(contents(&fs, DATABASES[0]), Contents::Old);
    }
}

#[test]
fn a_database_is_never_replaced_by_one_that_the_logs_create() {
    let fs = dirty_set();
    let pages = changed();
    let recovered = RecoveredSet {
        databases: vec![RecoveredDatabase {
            path: PathBuf::from(DATABASES[0]),
            is_created: true,
            page_last: AFTER,
            pages: &pages,
            header: database_header(DbState::DirtyShutdown),
            clean_header: database_header(DbState::CleanShutdown),
        }],
        logs: RecoveredLogs::default(),
        checkpoint: Some(RecoveredCheckpoint {
            path: PathBuf::from(CHECKPOINT),
            checkpoint: checkpoint(position(5, 1)),
        }),
    };
    let mut set = LockedSet::lock(&fs, DATABASES.map(Path::new)).unwrap();
    let clock = SettableClock::new(UNIX_EPOCH);
    let error = set
        .write(&recovered, Durability::InPlace, &clock, &mut |_| ())
        .unwrap_err();
    assert_eq!(error.code(), JetErr::DatabaseDuplicate);
    assert_eq!(contents(&fs, DATABASES[0]), Contents::Old);
}
