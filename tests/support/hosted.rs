//! A running instance that is backed up by mounting it, and what becomes of the copies.

use super::{Mount, MountOptions, jetfs, program, run, temp_dir};
use jetfs::engine::{
    ColumnDefinition, Database, IndexDefinition, Instance, Parameters, Session, TableDefinition,
};
use jetfs::format::{ColumnType, Value};
use jetfs::io::{FileSystem, OpenMode, RealFileSystem};
use jetfs::service::Service;
use jetfs::source::live::LiveOptions;
use jetfs::store::{self, Schema};
use jetfs::verify::deep;
use std::path::Path;
use tempfile::TempDir;

/// A running instance with a table `rows`, and the socket by which it is found.
pub(crate) struct Hosted {
    pub(crate) service: Option<Service>,
    pub(crate) database: Database,
    pub(crate) instance: Instance,
    directory: TempDir,
}

impl Hosted {
    pub(crate) fn new() -> Self {
        let directory = temp_dir();
        let parameters = Parameters::new(directory.path())
            .log_file_size(256)
            .cache_size_max(4 << 20);
        let instance = Instance::init(parameters).unwrap();
        let database = instance
            .create_database(directory.path().join("orders.edb"))
            .unwrap();
        let session = instance.session().unwrap();
        let transaction = session.begin().unwrap();
        let definition = TableDefinition::new("rows")
            .column(ColumnDefinition::new("number", ColumnType::Long).not_null())
            .column(ColumnDefinition::new("bytes", ColumnType::LongBinary))
            .index(IndexDefinition::primary("by_number").ascending("number"));
        drop(database.create_table(&session, &definition).unwrap());
        transaction.commit().unwrap();
        drop(session);
        Hosted {
            service: Some(Service::start(&instance, LiveOptions::default()).unwrap()),
            database,
            instance,
            directory,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A transaction with rows of these numbers.
    pub(crate) fn insert(&self, session: &Session, first: i32, count: i32) {
        let transaction = session.begin().unwrap();
        let table = self.database.open_table(session, "rows").unwrap();
        for number in first..first + count {
            let mut update = table.insert().unwrap();
            update
                .set(table.column("number").unwrap(), &Value::Long(number))
                .unwrap();
            let bytes = vec![7; usize::try_from(number % 3000).unwrap()];
            update
                .set(table.column("bytes").unwrap(), &Value::Binary(bytes))
                .unwrap();
            update.save().unwrap();
        }
        transaction.commit().unwrap();
    }

    pub(crate) fn mount(&self, arguments: &[&str]) -> Mount {
        let options = MountOptions::new(self.path());
        arguments
            .iter()
            .fold(options, |options, argument| options.arg(*argument))
            .mount()
    }
}

/// Copies a directory.
pub(crate) fn rsync(from: &Path, to: &Path) {
    let from = format!("{}/", from.display());
    run(program("rsync").arg("-a").arg(from).arg(to)).succeeds();
}

/// Restores sets and answers how many rows there are; they must be those of a prefix.
pub(crate) fn restored(sets: &[&Path], directory: &Path) -> i32 {
    let destination = directory.join(format!("restored-{}", sets.len()));
    run(jetfs().arg("restore").args(sets).arg(&destination)).succeeds();
    let path = destination.join("orders.edb");
    let file = RealFileSystem.open(&path, OpenMode::ReadOnly).unwrap();
    let database = store::Database::open(file, &path).unwrap();
    let report = deep::check(&database, deep::Limits::default(), &|| ()).unwrap();
    assert_eq!(report.damage, 0, "{:#?}", report.findings);
    let schema = Schema::load(&database).unwrap();
    let table = store::Table::open(&database, &schema, "rows").unwrap();
    let numbers = table
        .rows()
        .unwrap()
        .map(|row| match row.unwrap().values.as_slice() {
            [Ok(Value::Long(number)), ..] => *number,
            other => panic!("{other:?}"),
        });
    let numbers: Vec<i32> = numbers.collect();
    let count = i32::try_from(numbers.len()).unwrap();
    assert_eq!(
        numbers,
        (0..count).collect::<Vec<_>>(),
        "the rows are not those of a prefix"
    );
    count
}
