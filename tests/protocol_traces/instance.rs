//! A running instance like the recorded one: two databases, small logs, a small checkpoint depth.

use jetfs::backup::{BackupSession, Severity};
use jetfs::engine::{
    ColumnDefinition, Database, Event, IndexDefinition, Instance, Parameters, Session, TableDefinition,
};
use jetfs::format::{Checkpoint, ColumnType, DatabaseHeader, LogHeader, Value};
use jetfs::io::{FileSystem, MemoryFileSystem, RealClock};
use jetfs::source::live::{LiveOptions, LiveSource};
use jetfs::store::read_database_header;
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where it is: as long as the recorded path, `C:\e\small4k`, so that lists of names have the recorded sizes.
pub(crate) const DIRECTORY: &str = "/the/small4k";
/// Its databases.
pub(crate) const DATABASES: [&str; 2] = ["a.edb", "b.edb"];
const BYTES_OF_ROW: i32 = 600;

pub(crate) struct Hosted {
    pub(crate) backup: BackupSession,
    fs: Arc<MemoryFileSystem>,
    events: Arc<Mutex<Vec<(u64, char)>>>,
    databases: Vec<Database>,
    session: Session,
    instance: Instance,
}

/// The path of a file of the instance.
pub(crate) fn path_of(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

impl Hosted {
    pub(crate) fn new() -> Self {
        let fs = Arc::new(MemoryFileSystem::new(Arc::new(RealClock)));
        fs.create_dir_all(Path::new(DIRECTORY)).unwrap();
        let events = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&events);
        let parameters = Parameters::new(DIRECTORY)
            .log_file_size(128)
            .checkpoint_depth_max(1 << 20)
            .background_thread(false)
            .event_sink(move |event| {
                if let Event::Backup { number, .. } = event {
                    heard
                        .lock()
                        .push((u64::from(*number), letter(Severity::of(*number))));
                }
            });
        let shared: Arc<dyn FileSystem> = fs.clone();
        let instance = Instance::init_on(parameters, shared, Arc::new(RealClock)).unwrap();
        let session = instance.session().unwrap();
        let databases = DATABASES.map(|name| {
            let database = instance.create_database(path_of(name)).unwrap();
            let definition = TableDefinition::new("t")
                .column(ColumnDefinition::new("k", ColumnType::Long).not_null())
                .column(ColumnDefinition::new("v", ColumnType::LongBinary))
                .index(IndexDefinition::primary("pk").ascending("k"));
            drop(database.create_table(&session, &definition).unwrap());
            database
        });
        let options = LiveOptions {
            retries: 0,
            ..LiveOptions::default()
        };
        Hosted {
            backup: BackupSession::new(Arc::new(LiveSource::new(&instance, options))),
            fs,
            events,
            databases: databases.into(),
            session,
            instance,
        }
    }

    /// Ids and severities of the events since this was asked last.
    pub(crate) fn events(&self) -> Vec<(u64, char)> {
        std::mem::take(&mut self.events.lock())
    }

    /// Inserts rows until each table has `rows`, and lets the instance write what is due.
    pub(crate) fn fill_to(&self, rows: i32) {
        let have = self.rows();
        self.insert(have + 1, rows - have);
    }

    /// Inserts rows into each table, a transaction for each.
    pub(crate) fn insert(&self, first: i32, count: i32) {
        for key in first..first + count {
            for database in &self.databases {
                let table = database.open_table(&self.session, "t").unwrap();
                let mut row = table.insert().unwrap();
                row.set(table.column("k").unwrap(), &Value::Long(key)).unwrap();
                let bytes = (0..BYTES_OF_ROW).map(|at| u8::try_from((at + key) % 251).unwrap());
                row.set(table.column("v").unwrap(), &Value::Binary(bytes.collect()))
                    .unwrap();
                row.save().unwrap();
            }
            self.instance.work().unwrap();
        }
    }

    fn rows(&self) -> i32 {
        let mut table = self.databases[0].open_table(&self.session, "t").unwrap();
        match table.move_last().unwrap() {
            true => match table.value(table.column("k").unwrap()).unwrap() {
                Value::Long(key) => key,
                other => panic!("{other:?}"),
            },
            false => 0,
        }
    }

    /// The header of a database as it is on disk.
    pub(crate) fn header(&self, name: &str) -> DatabaseHeader {
        let file = self
            .fs
            .open(&path_of(name), jetfs::io::OpenMode::ReadOnly)
            .unwrap();
        read_database_header(&*file).unwrap()
    }

    /// The checkpoint as it is on disk.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint::read(&self.bytes("edb.chk")).unwrap().checkpoint
    }

    /// The generation that is written.
    pub(crate) fn current_generation(&self) -> u32 {
        LogHeader::read(&self.bytes("edb.log")).unwrap().generation
    }

    /// Generations and sizes of the archived logs.
    pub(crate) fn archived(&self) -> Vec<(u32, u64)> {
        let mut archived = Vec::new();
        for entry in self.fs.list(Path::new(DIRECTORY)).unwrap() {
            let name = entry.name.to_str().unwrap();
            let digits = name
                .strip_prefix("edb")
                .and_then(|rest| rest.strip_suffix(".log"));
            if let Some(Ok(generation)) = digits.map(|digits| u32::from_str_radix(digits, 16)) {
                archived.push((generation, self.bytes(name).len() as u64));
            }
        }
        archived.sort_unstable();
        archived
    }

    /// Bytes of a file.
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        self.fs.read_file(path_of(name)).unwrap()
    }
}

fn letter(severity: Severity) -> char {
    match severity {
        Severity::Information => 'I',
        Severity::Warning => 'W',
        Severity::Error => 'E',
    }
}
