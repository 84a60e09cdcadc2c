//! Restores whose power goes in every operation, and whose disk fails in every operation.

use super::{DATABASE, Sets, header_of, options};
use crate::error::JetErr;
use crate::format::choose_copy;
use crate::io::{FaultFileSystem, FileSystem, OpenMode, SettableClock, Which, count_up};
use crate::restore::{MARKER, RestorePlan};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

const DESTINATION: &str = "/dest";

fn restore(fs: &FaultFileSystem, sets: &Sets) -> crate::JetResult<()> {
    let plan = RestorePlan::new(fs, &sets.request)?;
    let restorable = plan.replay(options(Arc::new(fs.clone())), &mut |_| Ok(()))?;
    restorable.write(fs, &SettableClock::default(), &mut |_| Ok(()))
}

/// What lies in the destination; nothing if it does not exist.
fn left(fs: &dyn FileSystem) -> BTreeMap<String, Vec<u8>> {
    let entries = fs.list(Path::new(DESTINATION)).unwrap_or_default();
    let files = entries.into_iter().map(|entry| {
        let path = Path::new(DESTINATION).join(&entry.name);
        let file = fs.open(&path, OpenMode::ReadOnly).unwrap();
        let mut bytes = vec![0; usize::try_from(file.stat().unwrap().len).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        (entry.name.into_string().unwrap(), bytes)
    });
    files.collect()
}

fn sets() -> Option<(Sets, FaultFileSystem)> {
    let sets = Sets::full()?;
    let fs = FaultFileSystem::new(Arc::new(sets.fs.clone()));
    Some((sets, fs))
}

#[test]
fn after_a_power_cut_no_database_looks_clean_that_is_not() {
    let Some((whole_sets, whole)) = sets() else { return };
    restore(&whole, &whole_sets).unwrap();
    let expected = left(&whole);
    let mut marked = 0;
    for seed in 0..3 {
        count_up(|k| {
            let (sets, fs) = sets().unwrap();
            // Each seed takes another third of the operations.
            let k = k * 3 - seed;
            fs.cut_power_at(k, Which::Changing, seed);
            let _ = restore(&fs, &sets);
            let reached = fs.reached();
            if !reached {
                fs.cut_power(seed).unwrap();
            }
            fs.restart();
            let what = format!("operation {k}: {}", fs.last_cut().unwrap());
            let found = left(&fs);
            if found.contains_key(MARKER) {
                marked += 1;
                let error = RestorePlan::new(&fs, &sets.request).unwrap_err();
                assert_eq!(error.code(), JetErr::FileAlreadyExists, "{what}");
            } else {
                assert!(
                    found.is_empty() || found == expected,
                    "{what}: {:?}",
                    found.keys()
                );
            }
            if let Some(database) = found.get("test.edb")
                && choose_copy(database).is_ok()
                && header_of(database).state.is_clean()
            {
                // Of the two copies of the header one may be older.
                assert!(database[8192..] == expected["test.edb"][8192..], "{what}");
            }
            reached
        });
    }
    assert!(marked > 20, "only {marked} cuts in the middle");
}

#[test]
fn after_an_error_of_the_disk_nothing_is_left_and_the_restore_can_be_run_again() {
    let Some((whole_sets, whole)) = sets() else { return };
    restore(&whole, &whole_sets).unwrap();
    let expected = left(&whole);
    let met = count_up(|k| {
        let (sets, fs) = sets().unwrap();
        let before = sets.read(DATABASE);
        let k = k * 2;
        fs.fail(k, Which::Changing, io::ErrorKind::StorageFull);
        let result = restore(&fs, &sets);
        let reached = fs.reached();
        fs.disarm();
        fs.restart();
        if let Err(error) = result {
            assert_eq!(error.code(), JetErr::DiskFull, "operation {k}");
            let found = left(&fs);
            assert!(found.is_empty(), "operation {k}: {:?}", found.keys());
            restore(&fs, &sets).unwrap();
        }
        assert!(left(&fs) == expected, "operation {k}");
        assert!(sets.read(DATABASE) == before, "operation {k}");
        reached
    });
    assert!(met > 20, "only {met} operations");
}
