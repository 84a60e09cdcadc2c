//! Indexes made of tables with records.

use super::rows::{fill, made, rows};
use super::{PATH, memory, parameters, start};
use crate::engine::{IndexDefinition, Instance, Term};
use crate::io::{FaultFileSystem, FileSystem, OpenMode, RealClock, Which};
use crate::store;
use crate::verify::deep;
use std::path::Path;
use std::sync::Arc;

#[test]
fn an_index_whose_making_loses_the_power_at_any_moment_is_there_whole_or_not_at_all() {
    let prepared = memory();
    let instance = start(&prepared, 4096);
    let session = instance.session().unwrap();
    let database = made(&instance, &session);
    let mut table = database.open_table(&session, "orders").unwrap();
    fill(&session, &table, 400);
    let before = rows(&mut table);
    drop((table, database));
    instance.term(Term::Complete).unwrap();

    for at in (1..60).step_by(3) {
        let memory = prepared.fork();
        let fs = FaultFileSystem::new(Arc::new(memory));
        let parameters = parameters(4096).cache_size_max(70 * 4096);
        let start = || Instance::init_on(parameters.clone(), Arc::new(fs.clone()), Arc::new(RealClock));
        let instance = start().unwrap();
        let session = instance.session().unwrap();
        let database = instance.attach_database(PATH).unwrap();
        fs.cut_power_at(at, Which::Changing, at);
        let index = IndexDefinition::new("later")
            .ascending("customer")
            .descending("id");
        let made = database.create_index(&session, "orders", &index);
        let _ = made.and_then(|()| instance.flush());
        drop(database);
        drop(session);
        drop(instance);
        if !fs.reached() {
            fs.cut_power(at).unwrap();
        }
        fs.restart();

        let instance = start().unwrap();
        let session = instance.session().unwrap();
        let database = instance.attach_database(PATH).unwrap();
        let mut table = database.open_table(&session, "orders").unwrap();
        assert_eq!(rows(&mut table), before, "{at}");
        if table.set_current_index(Some("later")).is_ok() {
            assert_eq!(rows(&mut table).len(), before.len(), "{at}");
        }
        drop((table, database));
        instance.term(Term::Complete).unwrap();
        let file = fs.open(Path::new(PATH), OpenMode::ReadOnly).unwrap();
        let database = store::Database::open(file, Path::new(PATH)).unwrap();
        let report = deep::check(&database, deep::Limits::default(), &|| ()).unwrap();
        assert_eq!(report.damage, 0, "{at}: {:#?}", report.findings);
    }
}
