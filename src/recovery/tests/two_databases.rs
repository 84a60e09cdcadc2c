//! An instance with two databases, whose log is written here: no genuine set has more than one.

use super::super::in_place::{Durability, LockedSet, Writable};
use super::super::{InstanceFiles, Options, Places, Plan, Replayed};
use crate::error::{JetErr, JetResult};
use crate::format::log_record::{
    AttachDatabase, AttachFlags, Begin0, Commit0, Init2, Insert, Levels, LogRecord, LoggedPath,
    NodeOperation, OperationFlags, PageOperation, ParamBytes,
};
use crate::format::{
    ColumnType, DatabaseHeader, DbState, DbmsParam, LogHeader, LogPosition, LogTime, LogVersion, Page,
    PageSize, Signature,
};
use crate::io::{FileSystem, MemoryFileSystem, OpenMode, RealClock};
use crate::store::bulk_load::{self, BulkLoad, BulkLoadOptions, Cell};
use crate::store::log_reader::tests::version_7::seal;
use crate::store::log_reader::{LogFile, RecordCursor};
use crate::store::log_writer::{LogAppender, LogDigits, LogNaming};
use crate::store::{
    Database, FoundPage, Schema, SpillDirectory, read_database_header, write_database_header,
};
use std::path::Path;
use std::sync::Arc;

const SIZE: PageSize = PageSize::Kib4;
const SEGMENTS: u16 = 64;
const LOG: &str = "/i/edb.log";
/// Keys of the rows that the databases begin with.
const KEYS: [u32; 3] = [10, 20, 30];

fn time() -> LogTime {
    LogTime::utc(2026, 11, 25, 12, 0, 0, 0)
}

fn signature(random: u32) -> Signature {
    Signature {
        random,
        create: time(),
        ..Signature::default()
    }
}

/// A clean database with one table.
fn write_database(fs: &MemoryFileSystem, path: &Path, seed: u64) {
    let schema = bulk_load::TableSchema {
        name: "t".into(),
        columns: vec![bulk_load::ColumnSchema::new("k", ColumnType::Long).not_null()],
        primary: bulk_load::IndexSchema::primary("pk", &["k"]),
        secondary: Vec::new(),
    };
    let options = BulkLoadOptions {
        page_size: SIZE,
        time: time(),
        seed,
    };
    let mut load = BulkLoad::create(fs, path, options).unwrap();
    let rows = KEYS.map(|key| vec![Cell::One(key.to_le_bytes().to_vec())]);
    load.table(&schema, rows).unwrap();
    load.finish().unwrap();
}

/// A database of the instance and the leaf of its table.
struct Attached {
    path: &'static str,
    dbid: u8,
    root: u32,
    objid: u32,
    dbtime: u64,
    /// The record of the last row; the key stands at its end.
    record: Vec<u8>,
    header: DatabaseHeader,
}

impl Attached {
    fn open(fs: &MemoryFileSystem, path: &'static str, dbid: u8) -> Self {
        let file = fs.open(Path::new(path), OpenMode::ReadOnly).unwrap();
        let database = Database::open(file, Path::new(path)).unwrap();
        let schema = Schema::load(&database).unwrap();
        let table = schema.table("t").unwrap();
        let (root, objid) = (table.table.pgno_fdp, table.objid);
        let page = database.read_page(root).unwrap();
        let view = Page::of(&page).unwrap();
        Attached {
            path,
            dbid,
            root,
            objid,
            dbtime: view.dbtime(),
            record: view.node(KEYS.len() - 1).unwrap().data.to_vec(),
            header: database.header().clone(),
        }
    }

    /// The insertion of a row behind the others.
    fn insert(&mut self, log: &mut LogAppender, session: u16, line: u16, key: u32, rceid: u32) {
        let at = self.record.len() - 4;
        self.record[at..].copy_from_slice(&key.to_le_bytes());
        let before = self.dbtime;
        self.dbtime = self.header.dbtime_dirtied.max(before) + 1;
        self.header.dbtime_dirtied = self.dbtime;
        let normalised = [&[0x7f][..], &(key | 0x8000_0000).to_be_bytes()].concat();
        let insert = Insert {
            node: NodeOperation {
                page: PageOperation {
                    session,
                    database: self.dbid,
                    page: self.root,
                    dbtime: self.dbtime,
                    dbtime_before: before,
                    trx: 4,
                    level: 1,
                    line,
                    flags: OperationFlags::VERSIONED | OperationFlags::UNIQUE,
                },
                rceid,
                page_fdp: self.root,
                objid: self.objid,
            },
            prefix_len: 0,
            key: &normalised,
            data: &self.record,
        };
        log.append(&LogRecord::Insert(insert)).unwrap();
    }

    fn attach(&self, log: &mut LogAppender) -> LogPosition {
        let names: Vec<u8> = format!("C:{}\0", self.path.replace('/', "\\"))
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let record = AttachDatabase {
            session: 1,
            database: self.dbid,
            pages_most: 0,
            consistent: self.header.consistent,
            signature: self.header.signature,
            log_signature: self.header.log_signature,
            flags: AttachFlags::UNICODE,
            path: LoggedPath::new(&names, true),
        };
        log.append(&LogRecord::AttachDatabase(record)).unwrap()
    }

    /// The header as the engine leaves it while the database is attached; the pages are not written.
    fn make_dirty(&self, fs: &MemoryFileSystem, attach: LogPosition, log: Signature) {
        let file = fs.open(Path::new(self.path), OpenMode::ReadWrite).unwrap();
        let mut header = Database::open(
            fs.open(Path::new(self.path), OpenMode::ReadOnly).unwrap(),
            Path::new(""),
        )
        .unwrap()
        .header()
        .clone();
        header.state = DbState::DirtyShutdown;
        (header.attach, header.attach_time) = (attach, time());
        (header.detach, header.detach_time) = (LogPosition::default(), LogTime::default());
        header.log_signature = log;
        header.generation_min_required = 1;
        header.generation_min_consistent = 1;
        header.generation_max_required = 1;
        header.generation_max_committed = 1;
        header.generation_max_create_time = time();
        write_database_header(&*file, &header).unwrap();
    }
}

fn empty_log(fs: &MemoryFileSystem, param: &DbmsParam, log: Signature) -> LogAppender {
    let mut header = LogHeader::new(1, SEGMENTS, log, param.clone()).unwrap();
    header.create_time = time();
    let mut bytes = header.encode();
    bytes.resize(usize::from(SEGMENTS) * 4096, 0);
    fs.write_file(LOG, &bytes).unwrap();
    let file = fs.open(Path::new(LOG), OpenMode::ReadOnly).unwrap();
    let log = LogFile::load(file.as_ref(), Path::new(LOG)).unwrap();
    LogAppender::after(
        &log,
        LogNaming::of([Path::new(LOG)], LogDigits::Eight).unwrap(),
        time(),
    )
    .unwrap()
}

/// Two databases; one session committed a row in both, another one did not.
fn crashed_instance() -> Arc<MemoryFileSystem> {
    let fs = Arc::new(MemoryFileSystem::default());
    fs.create_dir_all(Path::new("/i")).unwrap();
    let paths = ["/i/a.edb", "/i/b.edb"];
    let mut databases: Vec<Attached> = paths
        .into_iter()
        .zip(1..)
        .map(|(path, dbid)| {
            write_database(&fs, Path::new(path), dbid.into());
            Attached::open(&fs, path, dbid)
        })
        .collect();
    let sequence = signature(77);
    let param = DbmsParam::new("C:\\i\\", "C:\\i\\", SEGMENTS.into()).unwrap();
    let mut log = empty_log(&fs, &param, sequence);
    let mut bytes = vec![0; DbmsParam::LEN];
    let header = log.header().encode();
    bytes.copy_from_slice(&header[72..72 + DbmsParam::LEN]);
    log.append(&LogRecord::Init2(Init2 {
        dbms_param: ParamBytes(&bytes),
        time: time(),
    }))
    .unwrap();
    let attached: Vec<LogPosition> = databases
        .iter()
        .map(|database| database.attach(&mut log))
        .collect();
    log.close_segment();
    let levels = Levels { from: 0, count: 1 };
    for session in [7, 8] {
        let begin = Begin0 {
            session,
            levels,
            trx: 4 * u32::from(session),
        };
        log.append(&LogRecord::Begin0(begin)).unwrap();
    }
    let [a, b] = databases.as_mut_slice() else {
        panic!("two databases")
    };
    a.insert(&mut log, 7, 3, 40, 1);
    b.insert(&mut log, 8, 3, 40, 3);
    b.insert(&mut log, 7, 4, 50, 5);
    a.insert(&mut log, 8, 4, 50, 7);
    let commit = Commit0 {
        session: 7,
        level: 0,
        trx: 64,
    };
    log.append(&LogRecord::Commit0(commit)).unwrap();
    log.close_segment();
    log.take_writes().write(&*fs).unwrap();
    for (database, attach) in databases.iter().zip(attached) {
        database.make_dirty(&fs, attach, sequence);
    }
    fs
}

/// The same instance with its log in version 7: no segments, sectors of 512 bytes, one checksum record over all.
fn crashed_instance_of_version_7() -> Arc<MemoryFileSystem> {
    const SECTOR: usize = 512;
    const FIRST: usize = LogHeader::LEN + 22;
    let fs = crashed_instance();
    let file = fs.open(Path::new(LOG), OpenMode::ReadOnly).unwrap();
    let log = LogFile::load(file.as_ref(), Path::new(LOG)).unwrap();
    let mut header = log.header().clone();
    (header.sector_size, header.header_sectors, header.file_sectors) = (512, 8, 64);
    header.set_version(LogVersion {
        major: 7,
        minor: 3704,
        update_major: 15,
        update_minor: 0,
    });
    let mut bytes = header.encode();
    bytes.resize(FIRST, 0);
    let mut attached = Vec::new();
    let mut cursor = RecordCursor::new();
    while let Some(logged) = cursor.next_record(&log).unwrap() {
        match logged.record {
            // Version 7 fills with zeros.
            LogRecord::Nop2(_) => continue,
            LogRecord::AttachDatabase(_) => attached.push(bytes.len()),
            _ => {}
        }
        bytes.extend(logged.bytes);
    }
    let end = bytes.len().next_multiple_of(SECTOR);
    bytes.resize(64 * SECTOR, 0);
    seal(&mut bytes, 1, LogHeader::LEN, end - FIRST, 0, 0x9A);
    fs.write_file(LOG, &bytes).unwrap();
    for (path, offset) in ["/i/a.edb", "/i/b.edb"].into_iter().zip(attached) {
        let small = |value: usize| u16::try_from(value).unwrap();
        let file = fs.open(Path::new(path), OpenMode::ReadWrite).unwrap();
        let mut header = read_database_header(&*file).unwrap();
        header.attach = LogPosition {
            generation: 1,
            sector: small(offset / SECTOR),
            byte: small(offset % SECTOR),
        };
        write_database_header(&*file, &header).unwrap();
    }
    fs
}

fn replay(fs: &Arc<MemoryFileSystem>) -> Replayed {
    try_replay(fs, None).unwrap()
}

fn try_replay(fs: &Arc<MemoryFileSystem>, new_generation_in: Option<&str>) -> JetResult<Replayed> {
    let places = Places {
        logs: "/i".into(),
        ..Places::default()
    };
    let files = InstanceFiles::find(&**fs, &places).unwrap();
    let spill = SpillDirectory {
        fs: Arc::clone(fs) as Arc<dyn FileSystem>,
        directory: "/i".into(),
    };
    let options = Options {
        new_generation_in: new_generation_in.map(Into::into),
        ..Options::new(spill)
    };
    Plan::new(&**fs, &files, options)?.replay(&mut |_| {})
}

/// The last byte of each key of a page, and whether the node is deleted.
fn keys(replayed: &mut Replayed, name: &str, root: u32) -> Vec<(u8, bool)> {
    let mut databases = replayed.databases.iter_mut();
    let database = databases.find(|database| database.path.ends_with(name)).unwrap();
    let FoundPage::Page(page) = database.overlay.page(root).unwrap() else {
        panic!("no page {root}")
    };
    let view = page.view().unwrap();
    let nodes = view.nodes().map(Result::unwrap);
    nodes
        .map(|node| (*node.key().last().unwrap(), node.is_deleted()))
        .collect()
}

#[test]
fn each_database_of_an_instance_gets_its_own_records_and_loses_what_was_not_committed() {
    let fs = crashed_instance();
    assert_recovered(&fs, replay(&fs));
}

fn assert_recovered(fs: &MemoryFileSystem, mut replayed: Replayed) {
    let root = Attached::open(fs, "/i/a.edb", 1).root;
    assert_eq!(replayed.databases.len(), 2);
    assert_eq!((replayed.undone.transactions, replayed.undone.operations), (1, 2));
    let begin = [(10, false), (20, false), (30, false)];
    let in_a = keys(&mut replayed, "a.edb", root);
    assert_eq!(in_a, [&begin[..], &[(40, false), (50, true)]].concat());
    let in_b = keys(&mut replayed, "b.edb", root);
    assert_eq!(in_b, [&begin[..], &[(40, true), (50, false)]].concat());
    for database in &replayed.databases {
        assert_eq!(database.header.state, DbState::CleanShutdown);
        assert_eq!(database.header.consistent, database.header.detach);
    }
}

#[test]
fn a_log_of_version_7_is_replayed_and_what_is_undone_goes_into_a_new_generation() {
    let fs = crashed_instance_of_version_7();
    let error = try_replay(&fs, None).unwrap_err();
    assert_eq!(error.code(), JetErr::BadLogVersion);
    let replayed = try_replay(&fs, Some("/i")).unwrap();
    let header = &replayed.tail.as_ref().unwrap().header;
    assert_eq!((header.generation, header.major), (2, 8));
    assert_recovered(&fs, replayed);
}

#[test]
fn a_recovered_copy_of_a_version_7_set_needs_nothing_any_more() {
    let fs = crashed_instance_of_version_7();
    let places = Places {
        logs: "/i".into(),
        ..Places::default()
    };
    let files = InstanceFiles::find(&*fs, &places).unwrap();
    assert!(files.end_with_version_7(&*fs).unwrap());
    let replayed = try_replay(&fs, Some("/i")).unwrap();
    let spill = SpillDirectory {
        fs: Arc::clone(&fs) as Arc<dyn FileSystem>,
        directory: "/i".into(),
    };
    let plan = Plan::new(&*fs, &files, Options::new(spill)).unwrap();
    let writable = Writable::new(&*fs, &files, plan.start.as_ref().unwrap(), replayed).unwrap();
    let paths = files.databases.iter().map(|path| path.as_path());
    let mut set = LockedSet::lock(&*fs, paths).unwrap();
    writable
        .write(&mut set, Durability::Copy, &RealClock, &mut |_| ())
        .unwrap();
    drop(set);
    let again = replay(&fs);
    assert!(again.databases.is_empty() && again.tail.is_none());
    assert!(
        again
            .untouched
            .iter()
            .all(|database| database.header.state.is_clean())
    );
    assert_eq!(again.untouched.len(), 2);
}
