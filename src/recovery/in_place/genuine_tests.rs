//! Genuine crashed sets, recovered with a power cut in every operation, and then again.

use super::*;
use crate::format::{DbState, PageSize};
use crate::genuine_samples::sample;
use crate::io::{FaultFileSystem, MemoryFileSystem, OpenMode, SettableClock, Which, count_up};
use crate::recovery::{InstanceFiles, Options, Places, Plan};
use crate::store::log_reader::LogReader;
use crate::store::{SpillDirectory, read_database_header};
use std::time::Duration;

const DIRECTORY: &str = "/s";
const DATABASE: &str = "/s/test.edb";

/// The files of a set, in memory.
fn in_memory(set: &Path) -> MemoryFileSystem {
    let memory = MemoryFileSystem::default();
    for entry in std::fs::read_dir(set).unwrap() {
        let path = entry.unwrap().path();
        let wanted = ["edb", "log", "chk", "jfm"];
        if path
            .extension()
            .is_some_and(|found| wanted.iter().any(|extension| found == *extension))
        {
            let to = Path::new(DIRECTORY).join(path.file_name().unwrap());
            memory.write_file(to, &std::fs::read(&path).unwrap()).unwrap();
        }
    }
    memory
}

/// Recovers in place.
fn recover(fs: &dyn FileSystem) -> JetResult<()> {
    let places = Places {
        logs: DIRECTORY.into(),
        ..Places::default()
    };
    let files = InstanceFiles::find(fs, &places)?;
    let paths = files.databases.iter().chain(&files.checkpoint);
    let mut set = LockedSet::lock(fs, paths.map(PathBuf::as_path))?;
    set.finish_interrupted()?;
    let options = Options {
        memory: 64 << 20,
        ..Options::new(SpillDirectory {
            fs: Arc::new(MemoryFileSystem::default()),
            directory: "/".into(),
        })
    };
    let plan = Plan::new(fs, &files, options)?;
    let replayed = plan.replay(&mut |_| ())?;
    let writable = Writable::new(fs, &files, plan.start.as_ref().unwrap(), replayed)?;
    let clock = SettableClock::new(UNIX_EPOCH + Duration::from_secs(1));
    writable.write(&mut set, Durability::InPlace, &clock, &mut |_| ())
}

/// State and pages of the database.
fn outcome(fs: &dyn FileSystem) -> (DbState, Vec<u8>) {
    let file = fs.open(Path::new(DATABASE), OpenMode::ReadOnly).unwrap();
    let header = read_database_header(&*file).unwrap();
    let mut bytes = vec![0; usize::try_from(file.stat().unwrap().len).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    let pages = bytes.split_off(2 * header.page_size.bytes());
    (header.state, pages)
}

/// Pages that are not the same.
fn different(one: &[u8], other: &[u8], size: PageSize) -> Vec<usize> {
    let pages = one.chunks(size.bytes()).zip(other.chunks(size.bytes()));
    let different = pages.enumerate().filter(|(_, (one, other))| one != other);
    different.map(|(index, _)| index + 1).collect()
}

fn assert_clean(fs: &dyn FileSystem, expected: &[u8], what: &str) {
    let (state, pages) = outcome(fs);
    assert_eq!(state, DbState::CleanShutdown, "{what}");
    assert_eq!(pages.len(), expected.len(), "{what}");
    let pages = different(&pages, expected, PageSize::Kib4);
    assert!(pages.is_empty(), "{what}: pages {pages:?}");
    // The logs are whole, and a recovery finds nothing to do.
    let files = InstanceFiles::find(
        fs,
        &Places {
            logs: DIRECTORY.into(),
            ..Places::default()
        },
    )
    .unwrap();
    let mut reader = LogReader::new(fs, files.logs.values().cloned());
    while reader.next_record().unwrap().is_some() {}
    let before = everything(fs);
    recover(fs).unwrap();
    assert!(everything(fs) == before, "{what}: recovered again though clean");
}

/// Every file and its bytes.
fn everything(fs: &dyn FileSystem) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs.list(Path::new(DIRECTORY)).unwrap();
    let files = entries.into_iter().map(|entry| {
        let path = Path::new(DIRECTORY).join(entry.name);
        let file = fs.open(&path, OpenMode::ReadOnly).unwrap();
        let mut bytes = vec![0; usize::try_from(file.stat().unwrap().len).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        (path, bytes)
    });
    files.collect()
}

fn pages_of(fs: &dyn FileSystem) -> Vec<u8> {
    outcome(fs).1
}

/// A cut in every `step`th operation of the recovery of a set.
fn cut_everywhere(set: &str, seeds: std::ops::Range<u64>, step: u64) {
    let Some(set) = sample(set) else { return };
    let whole = in_memory(&set);
    recover(&whole).unwrap();
    let (state, expected) = outcome(&whole);
    assert_eq!(state, DbState::CleanShutdown);
    for seed in seeds {
        count_up(|k| {
            let fs = FaultFileSystem::new(Arc::new(in_memory(&set)));
            let k = k * step + seed % step;
            fs.cut_power_at(k, Which::Changing, seed);
            let _ = recover(&fs);
            let reached = fs.reached();
            if !reached {
                fs.cut_power(seed).unwrap();
            }
            fs.restart();
            let what = format!("operation {k}: {}", fs.last_cut().unwrap());
            recover(&fs).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_clean(&fs, &expected, &what);
            reached
        });
    }
}

#[test]
fn a_set_with_open_work_of_eight_sessions_survives_a_cut_in_every_operation() {
    cut_everywhere("genuine-scenarios/p4096_e8920_crash_dirty", 0..6, 1);
}

#[test]
fn a_set_with_merges_survives_cuts() {
    cut_everywhere("genuine-scenarios/p4096_e8920_moves_dirty", 10..13, 3);
}

#[test]
fn a_set_that_was_attached_again_survives_cuts() {
    cut_everywhere("genuine-scenarios/p4096_e8920_reattach_dirty", 20..23, 3);
}

#[test]
fn a_database_that_the_logs_create_survives_cuts() {
    let Some(set) = sample("genuine-scenarios/p4096_e8920_crash_dirty") else {
        return;
    };
    let without_database = || {
        let memory = in_memory(&set);
        for path in [DATABASE, "/s/edb.chk"] {
            memory.remove(Path::new(path)).unwrap();
        }
        memory
    };
    let whole = without_database();
    recover(&whole).unwrap();
    let expected = pages_of(&whole);
    for seed in 0..2 {
        count_up(|k| {
            let fs = FaultFileSystem::new(Arc::new(without_database()));
            let k = k * 3 - seed;
            fs.cut_power_at(k, Which::Changing, seed);
            let _ = recover(&fs);
            let reached = fs.reached();
            fs.restart();
            let what = format!("operation {k}: {:?}", fs.last_cut());
            recover(&fs).unwrap();
            let (state, pages) = outcome(&fs);
            assert_eq!(state, DbState::CleanShutdown, "{what}");
            assert!(pages == expected, "{what}");
            reached
        });
    }
}

#[test]
fn a_full_disk_at_any_moment_is_an_error_and_nothing_is_lost() {
    let Some(set) = sample("genuine-scenarios/p4096_e8920_crash_dirty") else {
        return;
    };
    let whole = in_memory(&set);
    recover(&whole).unwrap();
    let expected = pages_of(&whole);
    count_up(|k| {
        let fs = FaultFileSystem::new(Arc::new(in_memory(&set)));
        fs.fail_from(k, Which::Changing, io::ErrorKind::StorageFull);
        let result = recover(&fs);
        let reached = fs.reached();
        if reached {
            assert_eq!(result.unwrap_err().code(), JetErr::DiskFull);
        }
        fs.disarm();
        fs.restart();
        recover(&fs).unwrap();
        assert_clean(&fs, &expected, &format!("operation {k}"));
        reached
    });
}
