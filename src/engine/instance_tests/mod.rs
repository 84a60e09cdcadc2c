//! Instances that live, die and fail, on a disk that can lose its power.

mod crashes;
mod failures;
mod lives;

use super::bookmark::TreeId;
use super::change::Change;
use super::open_transaction::OpenTransaction;
use super::state::AttachedDatabase;
use super::tree;
use super::{Instance, Parameters, Term};
use crate::error::{JetErr, JetResult};
use crate::format::log_record::{Commit0, LogRecord, Rollback};
use crate::format::{ColumnType, DatabaseHeader, DbState, LogPosition, LogTime, PageFlags, PageSize, Value};
use crate::io::{FaultFileSystem, File, FileSystem, MemoryFileSystem, OpenMode, SettableClock};
use crate::store::bulk_load::{BulkLoad, BulkLoadOptions, Cell, ColumnSchema, IndexSchema, TableSchema};
use crate::store::{Database, Schema, Table, read_database_header};
use crate::verify::deep;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SIZE: PageSize = PageSize::Kib4;
const A: &str = "/d/a.edb";
const B: &str = "/i/b.edb";
const CHECKPOINT: &str = "/i/edb.chk";
/// Rows that a database begins with.
const ROWS: u32 = 300;

/// What a table holds, by key.
type Rows = BTreeMap<u32, u32>;

/// A disk with databases.
struct Disk {
    memory: MemoryFileSystem,
    fs: FaultFileSystem,
    clock: Arc<SettableClock>,
}

/// The table of an attached database.
struct Live {
    database: Arc<AttachedDatabase>,
    tree: TreeId,
    /// A record: key and value stand before its last byte.
    record: Vec<u8>,
}

impl Disk {
    /// A disk with these databases, clean.
    fn new(paths: &[&str]) -> Self {
        let memory = MemoryFileSystem::default();
        for (path, seed) in paths.iter().zip(1..) {
            memory.create_dir_all(Path::new(path).parent().unwrap()).unwrap();
            write_database(&memory, Path::new(path), seed);
        }
        Self::on(memory)
    }

    fn on(memory: MemoryFileSystem) -> Self {
        Disk {
            fs: FaultFileSystem::new(Arc::new(memory.clone())),
            memory,
            clock: Arc::default(),
        }
    }

    /// The same files once more, as another disk.
    fn copy(&self) -> Self {
        let copy = MemoryFileSystem::default();
        for directory in ["/d", "/i"] {
            copy.create_dir_all(Path::new(directory)).unwrap();
            for entry in self.memory.list(Path::new(directory)).unwrap_or_default() {
                let path = Path::new(directory).join(entry.name);
                copy.write_file(&path, &self.memory.read_file(&path).unwrap())
                    .unwrap();
            }
        }
        Self::on(copy)
    }

    fn init(&self) -> JetResult<Instance> {
        self.init_with(parameters())
    }

    fn init_with(&self, parameters: Parameters) -> JetResult<Instance> {
        Instance::init_on(
            parameters,
            Arc::new(self.fs.clone()),
            Arc::clone(&self.clock) as _,
        )
    }

    fn header(&self, path: &str) -> DatabaseHeader {
        read_database_header(&*self.open(path)).unwrap()
    }

    fn open(&self, path: &str) -> Arc<dyn File> {
        self.memory.open(Path::new(path), OpenMode::ReadOnly).unwrap()
    }

    /// The rows of a clean database, whose pages are all as they should be.
    fn rows(&self, path: &str) -> Rows {
        let database = Database::open(self.open(path), Path::new(path)).unwrap();
        let report = deep::check(&database, deep::Limits::default(), &|| ()).unwrap();
        assert_eq!(report.damage, 0, "{path}: {report:?}");
        let schema = Schema::load(&database).unwrap();
        let table = Table::open(&database, &schema, "t").unwrap();
        let row = |values: Vec<Value>| match values.as_slice() {
            [Value::Long(key), Value::Long(value)] => {
                (u32::try_from(*key).unwrap(), u32::try_from(*value).unwrap())
            }
            other => panic!("{other:?}"),
        };
        let rows = table.rows().unwrap();
        rows.map(|found| row(found.unwrap().values.into_iter().map(Result::unwrap).collect()))
            .collect()
    }

    /// The generations of the archived logs.
    fn archived(&self) -> Vec<String> {
        let names = self.memory.list(Path::new("/i")).unwrap();
        let names = names.into_iter().map(|entry| entry.name.into_string().unwrap());
        names
            .filter(|name| name.starts_with("edb0") && name.ends_with(".log"))
            .collect()
    }

    fn exists(&self, path: &str) -> bool {
        self.memory.stat(Path::new(path)).is_ok()
    }
}

fn parameters() -> Parameters {
    Parameters::new("/i")
        .log_file_size(64)
        .background_thread(false)
        .checkpoint_depth_max(64 << 10)
}

/// A clean database with one table.
fn write_database(fs: &MemoryFileSystem, path: &Path, seed: u64) {
    let schema = TableSchema {
        name: "t".into(),
        columns: vec![
            ColumnSchema::new("k", ColumnType::Long).not_null(),
            ColumnSchema::new("v", ColumnType::Long).not_null(),
        ],
        primary: IndexSchema::primary("pk", &["k"]),
        secondary: Vec::new(),
    };
    let time = LogTime::utc(2026, 11, 25, 12, 0, 0, 0);
    let options = BulkLoadOptions {
        page_size: SIZE,
        time,
        seed,
    };
    let mut load = BulkLoad::create(fs, path, options).unwrap();
    let rows = first_rows().into_iter().map(|(key, value)| {
        let cells = [key, value].map(|number| Cell::One(number.to_le_bytes().to_vec()));
        cells.to_vec()
    });
    load.table(&schema, rows).unwrap();
    load.finish().unwrap();
}

/// Even keys.
fn first_rows() -> Rows {
    (0..ROWS).map(|number| (2 * number, 0)).collect()
}

fn key_of(key: u32) -> Vec<u8> {
    [&[0x7f][..], &(key | 0x8000_0000).to_be_bytes()].concat()
}

impl Live {
    /// Attaches a database and finds its table.
    fn attach(disk: &Disk, instance: &Instance, path: &str) -> JetResult<Live> {
        let attached = instance.core().attach(Path::new(path))?;
        let database = Database::open(disk.open(path), Path::new(path)).unwrap();
        let schema = Schema::load(&database).unwrap();
        let table = Table::open(&database, &schema, "t").unwrap();
        let record = table
            .tree()
            .scan()
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .data()
            .to_vec();
        let (fdp, objid) = {
            let table = schema.table("t").unwrap();
            (table.table.pgno_fdp, table.objid)
        };
        Ok(Live {
            database: attached,
            tree: TreeId {
                fdp,
                root: fdp,
                objid,
                is_unique: true,
                kind: PageFlags::empty(),
            },
            record,
        })
    }

    /// Gives a key a value, in a row that is there or in a new one; without one, the row is deleted.
    fn set(&self, work: &mut Work<'_>, key: u32, value: Option<u32>) -> JetResult<()> {
        let mut record = self.record.clone();
        // A byte that says which columns are NULL comes last.
        let at = record.len() - 9;
        record[at..at + 4].copy_from_slice(&key.to_le_bytes());
        record[at + 4..at + 8].copy_from_slice(&value.unwrap_or(0).to_le_bytes());
        let key = key_of(key);
        work.change(&self.database, |change| {
            let bookmark = self.tree.bookmark(&key, &[]);
            if value.is_none() {
                return tree::delete(change, self.tree, bookmark);
            }
            match tree::replace(change, self.tree, bookmark, &record) {
                Err(error) if error.code() == JetErr::RecordNotFound => {
                    tree::insert(change, self.tree, &key, &record)
                }
                other => other,
            }
        })
    }
}

/// A transaction.
struct Work<'i> {
    instance: &'i Instance,
    session: u16,
    transaction: OpenTransaction,
}

impl<'i> Work<'i> {
    fn begin(instance: &'i Instance) -> Self {
        let shared = &instance.core().shared;
        let session = shared.sessions.take().unwrap();
        Work {
            instance,
            session,
            transaction: OpenTransaction::new(shared.transactions.begin(session)),
        }
    }

    fn change<T>(
        &mut self,
        database: &AttachedDatabase,
        change: impl FnOnce(&mut Change<'_>) -> JetResult<T>,
    ) -> JetResult<T> {
        let shared = &self.instance.core().shared;
        let mut state = database.write(shared)?;
        change(&mut Change {
            shared,
            database,
            state: &mut state,
            transaction: &mut self.transaction,
        })
    }

    fn commit(self) -> JetResult<()> {
        let shared = Arc::clone(&self.instance.core().shared);
        let end = self.commit_lazily()?;
        shared.log.flush_to(end).map_err(|error| shared.fail(error))
    }

    fn commit_lazily(self) -> JetResult<LogPosition> {
        let shared = &self.instance.core().shared;
        let (session, level) = (self.session, 0);
        let appended = shared.transactions.log_commit0(|trx| {
            let commit = LogRecord::Commit0(Commit0 { session, level, trx });
            shared.log.append(&[commit])
        });
        let appended = appended.map_err(|error| shared.fail(error))?;
        shared.transactions.commit(self.transaction.state());
        for database in shared.databases() {
            database.write_anyway().versions.commit(self.transaction.state());
        }
        shared.sessions.give_back(self.session);
        Ok(appended.end)
    }

    fn roll_back(mut self) -> JetResult<()> {
        let shared = &self.instance.core().shared;
        for database in shared.databases() {
            tree::roll_back(shared, &database, &mut self.transaction, 1)?;
        }
        let (session, levels) = (self.session, 1);
        shared
            .log
            .append(&[LogRecord::Rollback(Rollback { session, levels })])?;
        shared.transactions.roll_back(self.transaction.state());
        for database in shared.databases() {
            database
                .write_anyway()
                .versions
                .roll_back(self.transaction.state());
        }
        shared.sessions.give_back(self.session);
        Ok(())
    }
}
