//! An instance in memory with writers, copies of its backups, and their restore.

use crate::backup::{BackupSession, FileRole, SourceFile};
use crate::engine::{
    ColumnDefinition, Database, IndexDefinition, Instance, Parameters, Session, Table, TableDefinition,
};
use crate::format::{ColumnType, Value};
use crate::io::{Clock, FileSystem, MemoryFileSystem, OpenMode, RealClock};
use crate::restore::{RestoreOptions, RestorePlan, RestoreRequest};
use crate::source::live::{LiveOptions, LiveSource};
use crate::store::{self, Schema, SpillDirectory};
use crate::verify::deep;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) const DATABASE: &str = "/instance/orders.edb";
const RESTORED: &str = "/restored";

/// An instance that logs to memory, with small logs so that many of them are needed.
pub(super) struct Rig {
    pub(super) fs: Arc<MemoryFileSystem>,
    pub(super) instance: Instance,
    pub(super) database: Database,
}

impl Rig {
    pub(super) fn new(configure: impl FnOnce(Parameters) -> Parameters) -> Self {
        Self::with(configure, Arc::new(RealClock), |fs| fs)
    }

    /// On what `seen` makes of the file system in memory, with a clock.
    pub(super) fn with(
        configure: impl FnOnce(Parameters) -> Parameters,
        clock: Arc<dyn Clock>,
        seen: impl FnOnce(Arc<dyn FileSystem>) -> Arc<dyn FileSystem>,
    ) -> Self {
        let fs = Arc::new(MemoryFileSystem::new(Arc::new(RealClock)));
        fs.create_dir_all(Path::new("/instance")).unwrap();
        let parameters = Parameters::new("/instance")
            .log_file_size(128)
            .background_thread(false);
        let instance = Instance::init_on(configure(parameters), seen(fs.clone()), clock).unwrap();
        let database = instance.create_database(DATABASE).unwrap();
        let session = instance.session().unwrap();
        let transaction = session.begin().unwrap();
        let definition = TableDefinition::new("rows")
            .column(ColumnDefinition::new("writer", ColumnType::Long).not_null())
            .column(ColumnDefinition::new("number", ColumnType::Long).not_null())
            .column(ColumnDefinition::new("bytes", ColumnType::LongBinary))
            .index(
                IndexDefinition::primary("by_number")
                    .ascending("writer")
                    .ascending("number"),
            );
        drop(database.create_table(&session, &definition).unwrap());
        transaction.commit().unwrap();
        drop(session);
        Rig {
            fs,
            instance,
            database,
        }
    }

    /// A session of the protocol that never waits for a damaged page to mend.
    pub(super) fn backup(&self) -> BackupSession {
        let options = LiveOptions {
            retries: 0,
            ..LiveOptions::default()
        };
        BackupSession::new(Arc::new(LiveSource::new(&self.instance, options)))
    }

    pub(super) fn session(&self) -> Session {
        self.instance.session().unwrap()
    }

    /// A transaction of `writer` that inserts rows from `first` on, and changes one before.
    pub(super) fn commit(&self, session: &Session, writer: i32, first: i32, count: i32) {
        let transaction = session.begin().unwrap();
        let mut table = self.database.open_table(session, "rows").unwrap();
        for number in first..first + count {
            insert(&table, writer, number);
        }
        let before = [Value::Long(writer), Value::Long(first / 2)];
        if table.seek(&before, crate::engine::Seek::Equal).unwrap() {
            let bytes = table.column("bytes").unwrap();
            let mut update = table.replace().unwrap();
            update.set(bytes, &Value::Binary(vec![9; 700])).unwrap();
            update.save().unwrap();
        }
        transaction.commit().unwrap();
    }

    /// Copies all files of a frozen backup, in the given order of the list.
    pub(super) fn copy_frozen(&self, backup: &BackupSession, to: &str, order: impl Fn(&mut Vec<SourceFile>)) {
        let mut files = backup.get_log_info().unwrap().files;
        files.extend(backup.get_attach_info().unwrap_or_default());
        order(&mut files);
        self.fs.create_dir_all(Path::new(to)).unwrap();
        for file in files {
            let (handle, len) = backup.open_file(&file.name).unwrap();
            assert_eq!(len, file.len, "{:?}", file.name);
            let mut bytes = vec![0; usize::try_from(len).unwrap()];
            assert_eq!(backup.read_at(handle, &mut bytes, 0).unwrap(), bytes.len());
            backup.close_file(handle).unwrap();
            self.write(&Path::new(to).join(&file.name), &bytes);
        }
    }

    /// Copies all files as the published protocol has it.
    pub(super) fn copy_streamed(&self, backup: &BackupSession, to: &str) {
        self.fs.create_dir_all(Path::new(to)).unwrap();
        let databases = backup.get_attach_info().unwrap_or_default();
        databases.iter().for_each(|file| self.stream(backup, file, to));
        let logs = backup.get_log_info().unwrap().files;
        logs.iter().for_each(|file| self.stream(backup, file, to));
    }

    fn stream(&self, backup: &BackupSession, file: &SourceFile, to: &str) {
        let (handle, len) = backup.open_file(&file.name).unwrap();
        let mut bytes = Vec::new();
        let mut buf = vec![0; 64 << 10];
        loop {
            match backup.read_file(handle, &mut buf).unwrap() {
                0 => break,
                read => bytes.extend_from_slice(&buf[..read]),
            }
        }
        assert_eq!(bytes.len() as u64, len);
        backup.close_file(handle).unwrap();
        self.write(&Path::new(to).join(&file.name), &bytes);
    }

    pub(super) fn read(&self, path: &Path) -> Vec<u8> {
        let file = self.fs.open(path, OpenMode::ReadOnly).unwrap();
        let mut bytes = vec![0; usize::try_from(file.stat().unwrap().len).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    fn write(&self, path: &Path, bytes: &[u8]) {
        let file = self.fs.open(path, OpenMode::CreateNew).unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file.sync().unwrap();
    }

    /// Restores sets, checks the database, and answers the numbers of the rows of each writer.
    pub(super) fn restored(&self, sets: &[&str]) -> Vec<(i32, i32)> {
        let destination = PathBuf::from(format!("{RESTORED}{}", sets.len()));
        self.fs.create_dir_all(Path::new("/spill")).unwrap();
        let request = RestoreRequest {
            sets: sets.iter().map(PathBuf::from).collect(),
            destination: destination.clone(),
            ..RestoreRequest::default()
        };
        let plan = RestorePlan::new(&*self.fs, &request).unwrap();
        let options = RestoreOptions {
            memory: 1 << 20,
            spill: SpillDirectory {
                fs: self.fs.clone(),
                directory: "/spill".into(),
            },
            time: None,
        };
        let set = plan.replay(options, &mut |_| Ok(())).unwrap();
        set.write(&*self.fs, &RealClock, &mut |_| Ok(())).unwrap();
        self.rows_in(&destination.join("orders.edb"))
    }

    fn rows_in(&self, path: &Path) -> Vec<(i32, i32)> {
        let file = self.fs.open(path, OpenMode::ReadOnly).unwrap();
        let database = store::Database::open(file, path).unwrap();
        let report = deep::check(&database, deep::Limits::default(), &|| ()).unwrap();
        assert_eq!(report.damage, 0, "{:#?}", report.findings);
        let schema = Schema::load(&database).unwrap();
        let table = store::Table::open(&database, &schema, "rows").unwrap();
        let rows = table
            .rows()
            .unwrap()
            .map(|row| match row.unwrap().values.as_slice() {
                [Ok(Value::Long(writer)), Ok(Value::Long(number)), ..] => (*writer, *number),
                other => panic!("{other:?}"),
            });
        rows.collect()
    }

    pub(super) fn is_log(file: &SourceFile) -> bool {
        matches!(file.role, FileRole::ArchivedLog { .. })
    }
}

fn insert(table: &Table<'_>, writer: i32, number: i32) {
    let mut update = table.insert().unwrap();
    let bytes = vec![u8::try_from(number % 251).unwrap(); usize::try_from(number % 40).unwrap() * 60];
    let values = [Value::Long(writer), Value::Long(number), Value::Binary(bytes)];
    for (name, value) in ["writer", "number", "bytes"].into_iter().zip(values) {
        update.set(table.column(name).unwrap(), &value).unwrap();
    }
    update.save().unwrap();
}
