//! A recovery in place that is interrupted, by a power cut or by an error of the disk, at any of its operations: run again it
//! finishes, and meanwhile no database says that it is clean and is not.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use jetfs::format::DbState;
use jetfs::io::{FaultFileSystem, FileSystem, Which};
use jetfs::store::Database;
use std::io::ErrorKind;
use std::sync::Arc;
use support::{MemorySet, Samples, measured, recover_in_place, row_differences};

/// Eight sessions with open work.
const CRASH: &str = "genuine-scenarios/p4096_e8920_crash_dirty";
const DATABASE: &str = "test.edb";

/// Sets, and what the genuine engine made of them.
struct Case {
    set: MemorySet,
    twin: Database,
}

impl Case {
    fn new(test: &str) -> Option<Case> {
        let samples = Samples::find(test)?;
        let twin = MemorySet::read(&samples.set(&format!("{CRASH}_recovered")));
        Some(Case {
            set: MemorySet::read(&samples.set(CRASH)),
            twin: twin.database(DATABASE),
        })
    }

    #[track_caller]
    fn assert_recovered(&self, set: &MemorySet, what: &str) {
        let database = set.database(DATABASE);
        assert_eq!(database.header().state, DbState::CleanShutdown, "{what}");
        let differences = row_differences(&database, &self.twin);
        assert!(differences.is_empty(), "{what}: {differences:#?}");
    }

    /// Interrupts a recovery as `arm` says at every operation; then runs it again.
    fn interrupt(&self, what: &str, arm: impl Fn(&FaultFileSystem, u64)) {
        let mut interrupted = 0;
        for at in 1.. {
            let fault = FaultFileSystem::new(Arc::new(self.set.file_system()));
            let fs: Arc<dyn FileSystem> = Arc::new(fault.clone());
            arm(&fault, at);
            let first = recover_in_place(&fs);
            let what = format!("{what} at {at}");
            let reached = fault.reached();
            fault.disarm();
            if !reached {
                first.unwrap_or_else(|error| panic!("{what}: {error}"));
                self.assert_recovered(&MemorySet::read_back(&fault), &what);
                break;
            }
            fault.restart();
            let between = MemorySet::read_back(&fault);
            if between.database(DATABASE).header().state == DbState::CleanShutdown {
                self.assert_recovered(&between, &what);
            }
            recover_in_place(&fs).unwrap_or_else(|error| panic!("{what}, again: {error}"));
            self.assert_recovered(&MemorySet::read_back(&fault), &what);
            interrupted += 1;
        }
        measured(&format!("{interrupted} recoveries in place interrupted: {what}"));
        assert!(interrupted > 20, "{what}: {interrupted}");
    }
}

#[test]
fn a_power_cut_at_any_write_or_sync_leaves_a_set_that_is_recovered() {
    if let Some(case) = Case::new("a_power_cut_at_any_write_or_sync_leaves_a_set_that_is_recovered") {
        case.interrupt("power cut", |fs, at| fs.cut_power_at(at, Which::Changing, at));
    }
}

#[test]
fn an_error_of_the_disk_at_any_operation_leaves_a_set_that_is_recovered() {
    if let Some(case) = Case::new("an_error_of_the_disk_at_any_operation_leaves_a_set_that_is_recovered") {
        case.interrupt("failure", |fs, at| {
            fs.fail(at, Which::Any, ErrorKind::StorageFull)
        });
    }
}

#[test]
fn a_recovered_set_is_left_as_it_is() {
    let Some(case) = Case::new("a_recovered_set_is_left_as_it_is") else {
        return;
    };
    let fs: Arc<dyn FileSystem> = Arc::new(case.set.file_system());
    recover_in_place(&fs).unwrap();
    let once = MemorySet::read_back(fs.as_ref());
    case.assert_recovered(&once, "once");
    recover_in_place(&fs).unwrap();
    assert!(
        MemorySet::read_back(fs.as_ref()) == once,
        "the second recovery changed something"
    );
}
