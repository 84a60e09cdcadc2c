//! Operations that fail, once or for ever, at every place of seeded work; disks that get full. The instance stops or
//! goes on, never with a lie; after a restart everything committed is there.

use super::disk::{Disk, Shape};
use super::model::Promise;
use super::skipped::measured;
use super::world::{Done, Plan, Promised, live};
use super::{full, number, recovered};
use jetfs::io::{Operation, Seeded, Which};
use jetfs::{JetErr, JetResult};
use std::collections::BTreeMap;
use std::io::ErrorKind;

fn plan(seed: u64) -> Plan {
    Plan {
        seed: number("JETFS_SEED").unwrap_or(seed),
        shape: Shape {
            page_size: 4096,
            is_circular: seed % 2 == 1,
            cache: 64,
        },
        lives: 2,
        operations: 150,
    }
}

/// What failures did, by what failed.
#[derive(Debug, Default)]
struct Outcomes {
    runs: u64,
    /// What stopped the instance.
    stopped: BTreeMap<String, u64>,
    /// Operations that failed while the instance went on.
    went_on: u64,
    /// Failures that nobody noticed, as that of a file that could not be removed.
    unnoticed: u64,
}

impl Outcomes {
    fn add(&mut self, lived: &JetResult<()>, done: &Done) {
        self.runs += 1;
        self.went_on += done.failed;
        match (lived, done.stopped_by) {
            (_, Some(code)) => *self.stopped.entry(format!("{code:?}")).or_default() += 1,
            (Err(error), None) => {
                *self
                    .stopped
                    .entry(format!("start or end: {:?}", error.code()))
                    .or_default() += 1
            }
            (Ok(()), None) if done.failed == 0 => self.unnoticed += 1,
            (Ok(()), None) => {}
        }
    }
}

/// After a restart, with or without a power cut before it, everything is there.
fn check(disk: &Disk, shape: Shape, promise: &Promise, hint: &str, random: &mut Seeded) {
    disk.fs.disarm();
    if random.one_in(2) {
        disk.fs.cut_power(random.next_u64()).unwrap();
    }
    disk.fs.restart();
    let image = disk.fork();
    recovered::check(disk, shape, promise).unwrap_or_else(|error| {
        let saved = image.save("failure");
        panic!(
            "{hint}: {error}\nthe files as they were are in {}",
            saved.display()
        );
    });
}

fn fail_at(
    plan: Plan,
    k: u64,
    which: Which,
    kind: ErrorKind,
    for_ever: bool,
    outcomes: &mut Outcomes,
) -> bool {
    let hint = format!(
        "{plan:?}, failure {k} of {which:?}, {kind:?}, for ever {for_ever}\nagain: JETFS_SEED={} JETFS_CUT={k} cargo test --test engine failures",
        plan.seed
    );
    let disk = Disk::new();
    if for_ever {
        disk.fs.fail_from(k, which, kind);
    } else {
        disk.fs.fail(k, which, kind);
    }
    let promised = Promised::default();
    let mut done = Done {
        may_fail: true,
        ..Done::default()
    };
    let lived = live(&disk, plan, &promised, &mut done);
    let reached = disk.fs.reached();
    if !reached {
        assert!(lived.is_ok() && done.failed == 0, "{hint}: {lived:?}");
        return false;
    }
    if matches!(which, Which::Only(Operation::Sync)) {
        assert!(lived.is_err(), "{hint}: went on after a failed fsync ({done:?})");
    }
    outcomes.add(&lived, &done);
    let promise = promised.lock().clone();
    check(&disk, plan.shape, &promise, &hint, &mut Seeded::new(k));
    true
}

/// Fails the operations that `which` counts, one in each run: every `step`-th of them, all if everything is wanted.
fn fail_each(plan: Plan, which: Which, kind: ErrorKind, for_ever: bool, step: u64) {
    let mut outcomes = Outcomes::default();
    if let Some(k) = number("JETFS_CUT") {
        fail_at(plan, k, which, kind, for_ever, &mut outcomes);
        return;
    }
    let step = if full() { 1 } else { step };
    let mut k = 1 + plan.seed % step;
    while fail_at(plan, k, which, kind, for_ever, &mut outcomes) {
        k += step;
    }
    measured(&format!(
        "engine failures of {which:?} {kind:?}, up to the {k}th: {outcomes:?}"
    ));
    assert!(outcomes.runs > 3 || full());
}

#[test]
fn failures_of_reads() {
    fail_each(plan(1), Which::Only(Operation::Read), ErrorKind::Other, false, 29);
}

#[test]
fn failures_of_writes() {
    fail_each(
        plan(2),
        Which::Only(Operation::Write),
        ErrorKind::Other,
        false,
        17,
    );
}

#[test]
fn failures_of_syncs() {
    fail_each(plan(3), Which::Only(Operation::Sync), ErrorKind::Other, false, 11);
}

#[test]
fn failures_of_what_is_done_to_names() {
    for (seed, operation) in (4..).zip([
        Operation::Open,
        Operation::CreateNew,
        Operation::Rename,
        Operation::Remove,
        Operation::SyncDir,
        Operation::SetLen,
    ]) {
        fail_each(plan(seed), Which::Only(operation), ErrorKind::Other, false, 3);
    }
}

#[test]
fn failures_of_anything_for_ever() {
    fail_each(plan(10), Which::Any, ErrorKind::Other, true, 97);
}

#[test]
fn failures_of_writes_on_a_disk_that_is_full_from_then_on() {
    fail_each(
        plan(11),
        Which::Only(Operation::Write),
        ErrorKind::StorageFull,
        true,
        23,
    );
}

/// A disk that has room for so many bytes only. Files that are made are refused, and writes that make one longer.
#[test]
fn failures_of_disks_that_get_full() {
    let plan = plan(12);
    let (mut outcomes, mut codes) = (Outcomes::default(), Vec::new());
    let step = if full() { 4096 } else { 52 << 10 };
    let mut capacity = number("JETFS_CUT").unwrap_or(136 << 10);
    loop {
        let hint = format!(
            "{plan:?}, room for {capacity} bytes\nagain: JETFS_SEED={} JETFS_CUT={capacity} cargo test --test engine full",
            plan.seed
        );
        let disk = Disk::new();
        disk.memory.set_capacity(capacity);
        let promised = Promised::default();
        let mut done = Done {
            may_fail: true,
            ..Done::default()
        };
        let lived = live(&disk, plan, &promised, &mut done);
        outcomes.add(&lived, &done);
        let is_enough = lived.is_ok() && done.failed == 0;
        codes.extend(lived.err().map(|error| error.code()));
        disk.memory.set_capacity(1 << 32);
        let promise = promised.lock().clone();
        check(&disk, plan.shape, &promise, &hint, &mut Seeded::new(capacity));
        if is_enough || number("JETFS_CUT").is_some() {
            break;
        }
        capacity += step;
    }
    let is_clear = |code: &JetErr| {
        matches!(
            code,
            JetErr::DiskFull | JetErr::LogDiskFull | JetErr::DirtyShutdown
        )
    };
    assert!(codes.iter().all(is_clear), "{codes:?}");
    measured(&format!(
        "engine on full disks, up to {capacity} bytes: {outcomes:?}"
    ));
}
