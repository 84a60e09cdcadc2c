//! The lines of the fault model, shown.

use super::*;
use crate::io::{LockKind, count_up};
use std::io::ErrorKind;

const OLD: &[u8] = &[b'o'; 3000];
const NEW: &[u8] = &[b'n'; 5000];

/// Ways to replace `/d/file` by new contents.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Right,
    WithoutSync,
    WithoutDirectorySync,
    InPlace,
}

fn with_old_file() -> FaultFileSystem {
    let fs = FaultFileSystem::in_memory();
    fs.create_dir_all(Path::new("/d")).unwrap();
    let file = fs.open(Path::new("/d/file"), OpenMode::CreateNew).unwrap();
    file.write_all_at(OLD, 0).unwrap();
    file.sync().unwrap();
    fs.sync_dir(Path::new("/d")).unwrap();
    fs
}

fn replace(fs: &FaultFileSystem, protocol: Protocol) -> io::Result<()> {
    let (target, new) = (Path::new("/d/file"), Path::new("/d/new"));
    if protocol == Protocol::InPlace {
        let file = fs.open(target, OpenMode::ReadWrite)?;
        file.write_all_at(NEW, 0)?;
        return file.sync();
    }
    match fs.remove(new) {
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        other => other?,
    }
    let file = fs.open(new, OpenMode::CreateNew)?;
    file.write_all_at(NEW, 0)?;
    if protocol != Protocol::WithoutSync {
        file.sync()?;
    }
    fs.rename(new, target)?;
    if protocol != Protocol::WithoutDirectorySync {
        fs.sync_dir(Path::new("/d"))?;
    }
    Ok(())
}

fn read(fs: &FaultFileSystem, path: &str) -> io::Result<Vec<u8>> {
    let file = fs.open(Path::new(path), OpenMode::ReadOnly)?;
    let mut bytes = vec![0; usize::try_from(file.stat()?.len).unwrap()];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Cuts the power in every operation of the protocol and after it; returns what a cut broke.
fn broken_by_a_cut(protocol: Protocol, seed: u64) -> Option<String> {
    let mut broken = None;
    count_up(|k| {
        let fs = with_old_file();
        fs.cut_power_at(k, Which::Any, seed);
        let done = replace(&fs, protocol).is_ok();
        let cut_in_time = fs.reached();
        if !cut_in_time {
            fs.cut_power(seed).unwrap();
        }
        fs.restart();
        let bytes = read(&fs, "/d/file").unwrap_or_default();
        if !(bytes == NEW || (bytes == OLD && !done)) {
            broken = Some(format!("operation {k}, {}", fs.last_cut().unwrap()));
        }
        cut_in_time
    });
    broken
}

#[test]
fn write_sync_rename_and_sync_of_the_directory_survive_every_cut() {
    for seed in 0..3000 {
        assert_eq!(broken_by_a_cut(Protocol::Right, seed), None);
    }
}

#[test]
fn protocols_that_lack_a_step_are_caught() {
    for protocol in [
        Protocol::WithoutSync,
        Protocol::WithoutDirectorySync,
        Protocol::InPlace,
    ] {
        assert!((0..50).any(|seed| broken_by_a_cut(protocol, seed).is_some()));
    }
}

#[test]
fn the_same_seed_does_the_same() {
    for seed in 0..50 {
        let outcome = || {
            let fs = with_old_file();
            let file = fs.open(Path::new("/d/file"), OpenMode::ReadWrite).unwrap();
            for i in 0..20 {
                file.write_all_at(&[i; 700], u64::from(i) * 300).unwrap();
            }
            let cut = fs.cut_power(seed).unwrap();
            fs.restart();
            (cut, read(&fs, "/d/file").unwrap())
        };
        assert_eq!(outcome(), outcome());
    }
}

#[test]
fn a_sector_is_whole_and_every_kind_of_cut_comes_up() {
    let mut kinds = Vec::new();
    for seed in 0..200 {
        let fs = with_old_file();
        let file = fs.open(Path::new("/d/file"), OpenMode::ReadWrite).unwrap();
        file.write_all_at(&[1; 2560], 0).unwrap();
        file.write_all_at(&[2; 2560], 0).unwrap();
        let cut = fs.cut_power(seed).unwrap();
        fs.restart();
        let bytes = read(&fs, "/d/file").unwrap();
        for sector in bytes[..2560].chunks(512) {
            assert!(sector.iter().all(|byte| *byte == sector[0]), "{cut}");
        }
        assert_eq!(&bytes[2560..], &OLD[2560..], "{cut}");
        kinds.push(cut.kind);
        match cut.kind {
            CutKind::Lost => assert_eq!(bytes, OLD),
            CutKind::Kept => assert_eq!(bytes[..2560], [2; 2560]),
            CutKind::Torn | CutKind::Reordered => {}
        }
    }
    for kind in [CutKind::Lost, CutKind::Torn, CutKind::Reordered, CutKind::Kept] {
        assert!(kinds.contains(&kind), "{kind:?} never came up");
    }
}

#[test]
fn a_shrunk_file_comes_back_whole_or_shrunk() {
    for seed in 0..100 {
        let fs = with_old_file();
        let file = fs.open(Path::new("/d/file"), OpenMode::ReadWrite).unwrap();
        file.set_len(100).unwrap();
        let cut = fs.cut_power(seed).unwrap();
        fs.restart();
        let bytes = read(&fs, "/d/file").unwrap();
        assert!(bytes == OLD || bytes == OLD[..100], "{cut}");
    }
}

#[test]
fn a_removed_file_is_gone_for_good_only_after_its_directory_is_synced() {
    let mut came_back = 0;
    for seed in 0..100 {
        let fs = with_old_file();
        fs.remove(Path::new("/d/file")).unwrap();
        assert!(fs.list(Path::new("/d")).unwrap().is_empty());
        if seed % 2 == 0 {
            fs.sync_dir(Path::new("/d")).unwrap();
        }
        let cut = fs.cut_power(seed).unwrap();
        fs.restart();
        match read(&fs, "/d/file") {
            Ok(bytes) => {
                assert!(seed % 2 == 1 && bytes == OLD, "{cut}");
                came_back += 1;
            }
            Err(e) => assert_eq!(e.kind(), ErrorKind::NotFound, "{cut}"),
        }
    }
    assert!(came_back > 0);
}

#[test]
fn after_a_cut_everything_fails_until_restart_and_old_handles_and_locks_are_gone() {
    let fs = with_old_file();
    let path = Path::new("/d/file");
    let file = fs.open(path, OpenMode::ReadWrite).unwrap();
    assert!(file.try_lock(LockKind::Exclusive).unwrap());
    fs.cut_power(1).unwrap();
    assert!(file.stat().is_err() && fs.open(path, OpenMode::ReadOnly).is_err());
    assert!(fs.list(Path::new("/d")).is_err() && fs.cut_power(2).is_err());
    fs.restart();
    assert!(file.read_at(&mut [0], 0).is_err());
    let again = fs.open(path, OpenMode::ReadWrite).unwrap();
    assert!(again.try_lock(LockKind::Exclusive).unwrap());
}

#[test]
fn a_process_that_dies_loses_no_writes_but_they_are_still_unsynced() {
    let fs = with_old_file();
    fs.open(Path::new("/d/file"), OpenMode::ReadWrite)
        .unwrap()
        .write_all_at(NEW, 0)
        .unwrap();
    fs.restart();
    assert_eq!(read(&fs, "/d/file").unwrap(), NEW);
    let unsynced = fs.cut_power(1).unwrap().unsynced;
    assert_eq!(unsynced, 1);
}

#[test]
fn the_k_th_operation_fails_once_and_counting_up_ends_with_success() {
    let met = count_up(|k| {
        let fs = with_old_file();
        fs.fail(k, Which::Any, ErrorKind::StorageFull);
        let result = replace(&fs, Protocol::Right);
        assert_eq!(result.is_err(), fs.reached());
        fs.disarm();
        replace(&fs, Protocol::Right).unwrap();
        assert_eq!(read(&fs, "/d/file").unwrap(), NEW);
        result.is_err()
    });
    assert_eq!(
        met, 6,
        "remove, create, write, sync, rename, sync of the directory"
    );
}

#[test]
fn a_disk_that_stays_full_fails_every_later_write() {
    let fs = with_old_file();
    fs.fail_from(2, Which::Only(Operation::Write), ErrorKind::StorageFull);
    let file = fs.open(Path::new("/d/file"), OpenMode::ReadWrite).unwrap();
    file.write_all_at(b"x", 0).unwrap();
    for _ in 0..3 {
        let error = file.write_all_at(b"x", 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }
    fs.disarm();
    file.write_all_at(b"x", 0).unwrap();
}

#[test]
fn a_failed_write_may_have_written_a_part() {
    let fs = with_old_file();
    fs.fail(1, Which::Only(Operation::Write), ErrorKind::StorageFull);
    let file = fs.open(Path::new("/d/file"), OpenMode::ReadWrite).unwrap();
    assert!(file.write_all_at(&NEW[..2048], 0).is_err());
    let bytes = read(&fs, "/d/file").unwrap();
    assert_eq!((bytes[1023], bytes[1024]), (b'n', b'o'));
}

#[test]
fn after_a_failed_sync_later_syncs_keep_nothing() {
    let lost = (0..20).any(|seed| {
        let fs = with_old_file();
        fs.fail(1, Which::Only(Operation::Sync), ErrorKind::Other);
        let file = fs.open(Path::new("/d/file"), OpenMode::ReadWrite).unwrap();
        file.write_all_at(NEW, 0).unwrap();
        assert!(file.sync().is_err());
        file.sync().unwrap();
        fs.cut_power(seed).unwrap();
        fs.restart();
        read(&fs, "/d/file").unwrap() == OLD
    });
    assert!(lost);
}

#[test]
fn short_transfers_still_move_everything() {
    let fs = with_old_file();
    fs.set_short_transfers(true);
    replace(&fs, Protocol::Right).unwrap();
    assert_eq!(read(&fs, "/d/file").unwrap(), NEW);
}

#[test]
fn it_works_on_real_files_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    for seed in 0..20 {
        std::fs::write(&path, OLD).unwrap();
        let fs = FaultFileSystem::new(Arc::new(crate::io::RealFileSystem));
        let file = fs.open(&path, OpenMode::ReadWrite).unwrap();
        file.write_all_at(NEW, 0).unwrap();
        let cut = fs.cut_power(seed).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert!(bytes.len() >= OLD.len() && bytes.len() <= NEW.len(), "{cut}");
        assert!(cut.kind != CutKind::Lost || bytes == OLD, "{cut}");
    }
}

#[test]
fn a_run_that_is_watched_shows_what_a_power_cut_would_leave_at_each_moment() {
    let memory = MemoryFileSystem::default();
    let fs = FaultFileSystem::new(Arc::new(memory.clone()));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let see = Arc::clone(&seen);
    fs.watch(move |moment| {
        let lengths = (0..40).map(|seed| {
            let copy = memory.fork();
            moment.cut_power_in(&copy, seed).unwrap();
            copy.read_file("/a").ok().map(|bytes| bytes.len())
        });
        let lengths: std::collections::BTreeSet<_> = lengths.collect();
        see.lock().push((moment.operation, lengths));
    });
    let file = fs.open(Path::new("/a"), OpenMode::CreateNew).unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
    file.write_all_at(&[1; 512], 0).unwrap();
    file.sync().unwrap();
    file.write_all_at(&[2; 512], 512).unwrap();
    let seen = seen.lock();
    let expected = [
        (Operation::CreateNew, vec![None, Some(0)]),
        (Operation::SyncDir, vec![None, Some(0)]),
        (Operation::Write, vec![Some(0), Some(512)]),
        (Operation::Sync, vec![Some(0), Some(512)]),
        (Operation::Write, vec![Some(512), Some(1024)]),
    ];
    let expected = expected.map(|(operation, lengths)| (operation, lengths.into_iter().collect()));
    assert_eq!(*seen, expected);
}
