//! What is done to a schema is done again by recovery, also onto nothing.

use super::ddl::{fill, orders};
use crate::engine::definition::{ColumnDefinition, IndexDefinition, TableDefinition};
use crate::engine::{Instance, Parameters, Term, catalog};
use crate::format::{ColumnType, PageSize};
use crate::io::{FileSystem, MemoryFileSystem, OpenMode, SettableClock};
use crate::store::{Database, Schema};
use crate::verify::deep::{self, Limits};
use std::path::Path;
use std::sync::Arc;

const DATABASE: &str = "/i/a.edb";

fn start(fs: &MemoryFileSystem, page_size: PageSize) -> Instance {
    let size = u32::try_from(page_size.bytes()).unwrap();
    let parameters = Parameters::new("/i")
        .database_page_size(size)
        .log_file_size(256)
        .background_thread(false);
    Instance::init_on(
        parameters,
        Arc::new(fs.clone()),
        Arc::new(SettableClock::default()),
    )
    .unwrap()
}

/// A database with tables made, filled, changed, deleted and rolled back; one transaction is open at the end. Returns the
/// files as they are then, and the logs alone.
fn live(instance: &Instance, fs: &MemoryFileSystem) -> [MemoryFileSystem; 2] {
    instance.create_database(DATABASE).unwrap();
    let session = instance.session().unwrap();
    let database = session.shared().databases().remove(0);
    let other = |name: &str| TableDefinition::new(name).column(ColumnDefinition::new("a", ColumnType::Long));
    let transaction = session.begin().unwrap();
    session
        .change(&database, |change| {
            let objid = catalog::create_table(change, &orders())?.schema.objid;
            fill(change, 0..300)?;
            let index = IndexDefinition::new("by_count").ascending("count");
            super::rig::create_index(change, objid, &index)?;
            catalog::delete_column(change, objid, "note")?;
            catalog::create_table(change, &other("gone")).map(drop)
        })
        .unwrap();
    transaction.commit().unwrap();
    let transaction = session.begin().unwrap();
    session
        .change(&database, |change| {
            catalog::create_table(change, &other("never")).map(drop)
        })
        .unwrap();
    transaction.roll_back().unwrap();
    let transaction = session.begin().unwrap();
    session
        .change(&database, |change| catalog::delete_table(change, "gone"))
        .unwrap();
    transaction.commit().unwrap();
    instance.work().unwrap();
    let open = session.begin().unwrap();
    session
        .change(&database, |change| {
            fill(change, 300..400)?;
            catalog::create_table(change, &other("open")).map(drop)
        })
        .unwrap();
    let log = &session.shared().log;
    log.flush_to(log.end()).unwrap();
    let copies = [copy(fs, |_| true), copy(fs, |name| name.ends_with(".log"))];
    open.roll_back().unwrap();
    copies
}

fn copy(fs: &MemoryFileSystem, wanted: impl Fn(&str) -> bool) -> MemoryFileSystem {
    let to = MemoryFileSystem::default();
    for entry in fs.list(Path::new("/i")).unwrap() {
        let path = Path::new("/i").join(&entry.name);
        if wanted(path.to_str().unwrap())
            && let Ok(bytes) = fs.read_file(&path)
        {
            to.write_file(&path, &bytes).unwrap();
        }
    }
    to
}

fn names_after_recovery(fs: &MemoryFileSystem, page_size: PageSize) -> (Vec<String>, Vec<u8>) {
    let instance = start(fs, page_size);
    instance.term(Term::Complete).unwrap();
    let file = fs.open(Path::new(DATABASE), OpenMode::ReadOnly).unwrap();
    let database = Database::open(file, Path::new(DATABASE)).unwrap();
    let report = deep::check(&database, Limits::default(), &|| ()).unwrap();
    assert_eq!(report.damage, 0, "{page_size:?}: {:#?}", report.findings);
    let tables = Schema::load(&database).unwrap().tables;
    let names = tables.into_iter().map(|table| table.name).collect();
    (names, fs.read_file(DATABASE).unwrap())
}

#[test]
fn recovery_makes_the_same_schema_from_the_file_and_from_nothing() {
    for page_size in [PageSize::Kib4, PageSize::Kib32] {
        let fs = MemoryFileSystem::default();
        let instance = start(&fs, page_size);
        let [whole, alone] = live(&instance, &fs);
        let (names, file) = names_after_recovery(&whole, page_size);
        let wanted = [
            "MSysObjects",
            "MSysObjectsShadow",
            "MSysObjids",
            "MSysLocales",
            "orders",
        ];
        assert_eq!(names, wanted, "{page_size:?}");
        let (again, made) = names_after_recovery(&alone, page_size);
        assert_eq!(again, wanted, "{page_size:?}");
        let pages = 2 * page_size.bytes();
        assert!(file[pages..] == made[pages..], "{page_size:?}");
    }
}
