//! Operations that fail.

use super::*;
use crate::io::{Operation, Which, count_up};
use std::io::ErrorKind;

/// A life in which everything happens once. Returns the rows of which it was told that they are committed.
fn live(disk: &Disk, rows: &mut Rows) -> JetResult<()> {
    let instance = disk.init()?;
    let live = Live::attach(disk, &instance, A)?;
    for round in 1..12 {
        let mut work = Work::begin(&instance);
        let keys: Vec<u32> = (round..800).step_by(13).collect();
        for key in &keys {
            live.set(&mut work, *key, Some(round))?;
        }
        work.commit()?;
        rows.extend(keys.into_iter().map(|key| (key, round)));
        instance.work()?;
    }
    instance.detach_database(A)?;
    instance.attach_database(A)?;
    instance.term(Term::Complete)
}

/// Whatever failed: the next start recovers all that was committed, and perhaps what was being committed.
fn check(disk: &Disk, rows: &Rows, k: u64) {
    disk.fs.disarm();
    disk.fs.restart();
    let instance = disk.init().unwrap_or_else(|error| panic!("{k}: {error}"));
    instance
        .attach_database(A)
        .unwrap_or_else(|error| panic!("{k}: {error}"));
    instance.term(Term::Complete).unwrap();
    let found = disk.rows(A);
    assert!(
        rows.iter().all(|(key, value)| found[key] >= *value),
        "{k}: a commit is lost"
    );
}

fn fail(which: Which, kind: ErrorKind, for_ever: bool, step: u64) {
    let new = Disk::new(&[A]);
    let met = count_up(|k| {
        let k = 1 + (k - 1) * step;
        let disk = new.copy();
        if for_ever {
            disk.fs.fail_from(k, which, kind);
        } else {
            disk.fs.fail(k, which, kind);
        }
        let mut rows = Rows::new();
        let lived = live(&disk, &mut rows);
        let reached = disk.fs.reached();
        assert!(reached || lived.is_ok(), "{k}: {lived:?}");
        check(&disk, &rows, k);
        reached
    });
    assert!(met > 5, "{met}");
}

#[test]
fn an_operation_that_fails_once_stops_the_instance_and_loses_nothing_committed() {
    fail(Which::Any, ErrorKind::Other, false, 5);
}

#[test]
fn a_disk_that_becomes_full_stops_the_instance_and_loses_nothing_committed() {
    fail(Which::Only(Operation::Write), ErrorKind::StorageFull, true, 3);
}

#[test]
fn a_sync_that_fails_stops_the_instance_for_good() {
    fail(Which::Only(Operation::Sync), ErrorKind::Other, false, 1);
}

#[test]
fn an_instance_that_failed_says_why_to_everybody_and_ends_dirty() {
    let disk = Disk::new(&[A]);
    let told = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let hear = Arc::clone(&told);
    let instance = disk.init_with(parameters().event_sink(move |event| hear.lock().push(event.clone())));
    let instance = instance.unwrap();
    let live = Live::attach(&disk, &instance, A).unwrap();
    let mut work = Work::begin(&instance);
    live.set(&mut work, 2, Some(1)).unwrap();
    disk.fs.fail(1, Which::Only(Operation::Sync), ErrorKind::Other);
    assert!(work.commit().is_err());
    assert!(disk.fs.reached());
    let mut work = Work::begin(&instance);
    let error = live.set(&mut work, 4, Some(1)).unwrap_err();
    assert_eq!(error.code(), JetErr::InstanceUnavailable);
    assert_eq!(instance.work().unwrap_err().code(), JetErr::InstanceUnavailable);
    let failures = || {
        let told = told.lock();
        let failed = told
            .iter()
            .filter(|event| matches!(event, super::super::Event::Failed { .. }));
        failed.count()
    };
    assert_eq!(failures(), 1);
    assert_eq!(
        instance.term(Term::Complete).unwrap_err().code(),
        JetErr::TooManyActiveUsers
    );
    assert_eq!(
        instance.term(Term::Dirty).unwrap_err().code(),
        JetErr::DirtyShutdown
    );
    assert_eq!(failures(), 1);
    assert_eq!(disk.header(A).state, DbState::DirtyShutdown);
}

const NEW: &str = "/d/new.edb";

/// Whatever is called like the new database: its file, and its journal.
fn left_of_new(disk: &Disk) -> Vec<String> {
    let names = disk.memory.list(Path::new("/d")).unwrap().into_iter();
    let names = names.map(|entry| entry.name.into_string().unwrap());
    names.filter(|name| name.contains("new")).collect()
}

/// A creation in which one operation fails. Answers whether it was met, and whether the instance went on.
fn create_with_a_failure(new: &Disk, k: u64, which: Which, kind: ErrorKind, for_ever: bool) -> (bool, bool) {
    let disk = new.copy();
    let instance = disk.init().unwrap();
    let live = Live::attach(&disk, &instance, A).unwrap();
    if for_ever {
        disk.fs.fail_from(k, which, kind);
    } else {
        disk.fs.fail(k, which, kind);
    }
    let created = instance.create_database(NEW);
    let reached = disk.fs.reached();
    disk.fs.disarm();
    assert_eq!(reached, created.is_err(), "{k}: {:?}", created.err());
    let set = || {
        let mut work = Work::begin(&instance);
        live.set(&mut work, 2, Some(7))?;
        work.commit()
    };
    let goes_on = set().is_ok();
    let mut end = Term::Complete;
    if goes_on && reached {
        assert!(left_of_new(&disk).is_empty(), "{k}: {:?}", left_of_new(&disk));
        if k.is_multiple_of(2) {
            // The same again, as if nothing had been.
            instance.create_database(NEW).unwrap();
        } else {
            end = Term::Dirty;
        }
    }
    let _ = instance.term(end);
    drop(instance);
    disk.fs.restart();
    let instance = disk.init().unwrap_or_else(|error| panic!("{k}: {error}"));
    if goes_on && reached && k % 2 == 1 {
        // Nor does the log know of it.
        assert!(left_of_new(&disk).is_empty(), "{k}: {:?}", left_of_new(&disk));
    }
    let attached = instance.attach_database(NEW);
    if attached.is_err() {
        assert!(reached, "{k}: {attached:?}");
        instance
            .create_database(NEW)
            .unwrap_or_else(|error| panic!("{k}: {error}"));
    }
    instance.attach_database(A).unwrap();
    instance.term(Term::Complete).unwrap();
    assert_eq!(disk.rows(A)[&2], if goes_on { 7 } else { 0 });
    let database = Database::open(disk.open(NEW), Path::new(NEW)).unwrap();
    let report = deep::check(&database, deep::Limits::default(), &|| ()).unwrap();
    assert_eq!(report.damage, 0, "{k}: {report:?}");
    (reached, goes_on)
}

#[test]
fn a_creation_that_fails_before_the_log_knows_of_it_leaves_nothing_and_the_instance_goes_on() {
    let new = Disk::new(&[A]);
    let full = Which::Only(Operation::SetLen);
    for (which, kind, for_ever, least) in [
        (Which::Any, ErrorKind::Other, false, 15),
        (Which::Changing, ErrorKind::StorageFull, false, 10),
        (full, ErrorKind::StorageFull, true, 1),
        (Which::Only(Operation::Write), ErrorKind::StorageFull, true, 2),
    ] {
        let mut went_on = 0;
        count_up(|k| {
            let (reached, goes_on) = create_with_a_failure(&new, k, which, kind, for_ever);
            went_on += u32::from(reached && goes_on);
            reached
        });
        assert!(went_on >= least, "{which:?} {kind:?}: {went_on}");
    }
}

#[test]
fn a_name_that_exists_is_refused_and_the_file_stays() {
    let disk = Disk::new(&[A]);
    let instance = disk.init().unwrap();
    let before = disk.memory.read_file(Path::new(A)).unwrap();
    for _ in 0..2 {
        assert_eq!(
            instance.create_database(A).unwrap_err().code(),
            JetErr::DatabaseDuplicate
        );
    }
    assert!(disk.memory.read_file(Path::new(A)).unwrap() == before);
    instance.attach_database(A).unwrap();
    assert_eq!(
        instance.create_database(A).unwrap_err().code(),
        JetErr::DatabaseDuplicate
    );
    instance.term(Term::Complete).unwrap();
}
