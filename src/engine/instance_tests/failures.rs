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
