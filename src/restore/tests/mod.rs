//! Restores of genuine sets, in memory: what is refused and by which name, and that nothing is written then.

mod interrupted;

use super::{RestorableSet, RestoreOptions, RestorePlan, RestoreRequest, Until};
use crate::error::{JetErr, JetResult};
use crate::format::checksum::stamp_header;
use crate::format::{DatabaseHeader, DbState, LogHeader, PageSize, SEGMENT_LEN, Trailer};
use crate::genuine_samples::sample;
use crate::io::{FileSystem, MemoryFileSystem, OpenMode, SettableClock};
use crate::store::SpillDirectory;
use crate::store::log_reader::LogFile;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const DATABASE: &str = "/full/test.edb";

/// A file system with the sets `/full` (generations 0xE to 0x14) and `/inc` (0xE to 0x1F).
struct Sets {
    fs: MemoryFileSystem,
    request: RestoreRequest,
}

impl Sets {
    fn load(names: &[(&str, &str)]) -> Option<Sets> {
        let fs = MemoryFileSystem::default();
        for (from, to) in names {
            let directory = sample(from)?;
            fs.create_dir_all(Path::new(to)).unwrap();
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                if name.ends_with(".log") || name.ends_with(".edb") {
                    fs.write_file(Path::new(to).join(name), &fs::read(&path).unwrap())
                        .unwrap();
                }
            }
        }
        let request = RestoreRequest {
            sets: names.iter().map(|(_, to)| PathBuf::from(to)).collect(),
            destination: "/dest".into(),
            ..RestoreRequest::default()
        };
        Some(Sets { fs, request })
    }

    fn full() -> Option<Sets> {
        Self::load(&[("genuine-4k/bk_full", "/full")])
    }

    /// The incremental set is given first: the order does not matter.
    fn both() -> Option<Sets> {
        Self::load(&[("genuine-4k/bk_inc", "/inc"), ("genuine-4k/bk_full", "/full")])
    }

    /// The full set, and the other logs of the incremental one as those of the instance.
    fn rolled_forward() -> Option<Sets> {
        let mut sets = Self::both()?;
        sets.request.sets = vec!["/full".into()];
        sets.request.logs = Some("/inc".into());
        Some(sets)
    }

    fn read(&self, path: &str) -> Vec<u8> {
        self.fs.read_file(path).unwrap()
    }

    fn change(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.read(path);
        change(&mut bytes);
        self.fs.write_file(path, &bytes).unwrap();
    }

    fn change_log(&self, path: &str, change: impl FnOnce(&mut LogHeader)) {
        self.change(path, |bytes| {
            let mut header = LogHeader::read(bytes).unwrap();
            change(&mut header);
            bytes[..LogHeader::LEN].copy_from_slice(&header.encode());
        });
    }

    fn change_header(&self, change: impl FnOnce(&mut DatabaseHeader)) {
        self.change(DATABASE, |bytes| {
            let mut header = header_of(bytes);
            change(&mut header);
            let encoded = header.encode();
            bytes[..4096].copy_from_slice(&encoded);
            bytes[4096..8192].copy_from_slice(&encoded);
        });
    }

    fn remove(&self, path: &str) {
        self.fs.remove(Path::new(path)).unwrap();
    }

    fn replay(&self) -> JetResult<RestorableSet> {
        let plan = RestorePlan::new(&self.fs, &self.request)?;
        plan.replay(options(Arc::new(self.fs.clone())), &mut |_| Ok(()))
    }

    fn restore(&self) -> JetResult<()> {
        self.replay()?
            .write(&self.fs, &SettableClock::default(), &mut |_| Ok(()))
    }

    /// The restore is refused with this error, which says so, and nothing was written.
    #[track_caller]
    fn refused(&self, code: JetErr, says: &str) {
        let error = self.replay().unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        let text = format!("{error} {}", error.advice().unwrap_or_default());
        assert!(text.contains(says), "no \"{says}\": {text}");
        assert!(self.fs.stat(Path::new("/dest")).is_err(), "something was written");
    }
}

fn options(fs: Arc<dyn FileSystem>) -> RestoreOptions {
    RestoreOptions {
        memory: 64 << 20,
        spill: SpillDirectory {
            fs,
            directory: "/".into(),
        },
        time: None,
    }
}

fn header_of(file: &[u8]) -> DatabaseHeader {
    let page = crate::format::choose_copy(file).unwrap();
    page.header.decode().unwrap()
}

#[test]
fn a_full_set_becomes_a_clean_database_without_its_trailer_and_without_a_backup() {
    let Some(sets) = Sets::full() else { return };
    sets.restore().unwrap();
    let restored = sets.read("/dest/test.edb");
    assert_eq!(restored.len() + 4096, sets.read(DATABASE).len());
    let header = header_of(&restored);
    assert_eq!(header.state, DbState::CleanShutdown);
    assert_eq!(header.backup_full_current, Default::default());
    assert_eq!(header.backup_full_previous, Default::default());
    assert_eq!(header.consistent.generation, 0x15);
    let names = sets.fs.list(Path::new("/dest")).unwrap();
    let names: Vec<_> = names.iter().map(|entry| entry.name.to_str().unwrap()).collect();
    let logs = (0xE..=0x14).map(|generation| format!("edb{generation:08X}.log"));
    let mut expected: Vec<String> = logs.collect();
    expected.extend(["edb.chk", "edb.log", "test.edb"].map(str::to_owned));
    expected.sort();
    assert_eq!(names, expected);
}

#[test]
fn sets_are_replayed_in_the_order_of_their_logs_and_stay_as_they_are() {
    let Some(sets) = Sets::both() else { return };
    let before = sets.read(DATABASE);
    let restorable = sets.replay().unwrap();
    assert_eq!(restorable.last_generation, 0x1F);
    restorable
        .write(&sets.fs, &SettableClock::default(), &mut |_| Ok(()))
        .unwrap();
    assert_eq!(
        header_of(&sets.read("/dest/test.edb")).consistent.generation,
        0x20
    );
    assert!(sets.read(DATABASE) == before);
}

#[test]
fn until_a_generation_or_a_time_ends_there() {
    let Some(mut sets) = Sets::both() else { return };
    sets.request.until = Some(Until::Generation(0x16));
    assert_eq!(sets.replay().unwrap().last_generation, 0x16);
    let header = LogHeader::read(&sets.read("/inc/edb00000018.log")).unwrap();
    sets.request.until = Some(Until::Time(header.create_time));
    assert_eq!(sets.replay().unwrap().last_generation, 0x17);
    let high = header_of_trailer(&sets).backup.generation_high;
    sets.request.until = Some(Until::Generation(high));
    assert_eq!(sets.replay().unwrap().last_generation, high);
    sets.request.until = Some(Until::Generation(high - 1));
    sets.refused(JetErr::EndingRestoreLogTooLow, &format!("--until {high:#x}"));
    let early = LogHeader::read(&sets.read("/inc/edb0000000F.log")).unwrap();
    sets.request.until = Some(Until::Time(early.create_time));
    sets.refused(JetErr::EndingRestoreLogTooLow, "which was closed at 2026");
    sets.request.until = Some(Until::Generation(0x30));
    sets.refused(JetErr::MissingRestoreLogFiles, "end with 0x1f");
}

fn header_of_trailer(sets: &Sets) -> Trailer {
    let bytes = sets.read(DATABASE);
    Trailer::read(&bytes[bytes.len() - 4096..], PageSize::Kib4).unwrap()
}

#[test]
fn a_gap_behind_until_does_not_matter() {
    let Some(mut sets) = Sets::both() else { return };
    sets.remove("/inc/edb0000001A.log");
    sets.request.until = Some(Until::Generation(0x19));
    assert_eq!(sets.replay().unwrap().last_generation, 0x19);
}

#[test]
fn a_missing_generation_is_named_with_the_sets_around_it() {
    let Some(sets) = Sets::both() else { return };
    for generation in 0xE..=0x16 {
        sets.remove(&format!("/inc/edb{generation:08X}.log"));
    }
    sets.refused(
        JetErr::FileNotFound,
        "generations 0x15 to 0x16 are missing: /full ends before and /inc begins behind",
    );
    sets.remove("/full/edb00000010.log");
    sets.refused(JetErr::FileNotFound, "generation 0x10 is missing");
}

#[test]
fn logs_that_begin_too_late_or_end_too_early_are_refused() {
    let Some(sets) = Sets::full() else { return };
    sets.remove("/full/edb0000000E.log");
    sets.refused(JetErr::StartingRestoreLogTooHigh, "0xe is needed");
    let Some(sets) = Sets::full() else { return };
    sets.remove("/full/edb00000014.log");
    let high = header_of_trailer(&sets).backup.generation_high;
    for generation in high..0x14 {
        sets.remove(&format!("/full/edb{generation:08X}.log"));
    }
    sets.refused(JetErr::EndingRestoreLogTooLow, "but they end with");
}

#[test]
fn logs_of_other_instances_and_other_histories_are_refused() {
    let Some(sets) = Sets::both() else { return };
    for generation in 0xE..=0x1F {
        sets.change_log(&format!("/inc/edb{generation:08X}.log"), |header| {
            header.signature.random ^= 1
        });
    }
    sets.refused(
        JetErr::BadLogSignature,
        "/inc: this set is a backup of another instance",
    );
    let Some(sets) = Sets::full() else { return };
    sets.change_log("/full/edb00000010.log", |header| header.signature.random ^= 1);
    sets.refused(JetErr::GivenLogFileHasBadSignature, "edb00000010.log");
    let Some(sets) = Sets::full() else { return };
    let later = crate::format::LogTime::utc(2030, 1, 1, 0, 0, 0, 0);
    sets.change_log("/full/edb00000010.log", |header| header.create_time = later);
    sets.refused(
        JetErr::GivenLogFileIsNotContiguous,
        "edb00000011.log: does not follow",
    );
    let Some(sets) = Sets::both() else { return };
    sets.change_log("/inc/edb00000012.log", |header| header.create_time = later);
    sets.refused(JetErr::GivenLogFileIsNotContiguous, "is another log than");
}

#[test]
fn a_log_that_was_cut_or_renamed_or_has_a_damaged_header_is_refused() {
    let Some(sets) = Sets::full() else { return };
    sets.change("/full/edb00000011.log", |bytes| {
        bytes.truncate(bytes.len() - SEGMENT_LEN)
    });
    sets.refused(JetErr::LogFileSizeMismatch, "edb00000011.log");
    let Some(sets) = Sets::full() else { return };
    sets.change("/full/edb00000011.log", |bytes| bytes[20] ^= 1);
    sets.refused(JetErr::LogFileCorrupt, "edb00000011.log");
    let Some(sets) = Sets::full() else { return };
    let bytes = sets.read("/full/edb00000010.log");
    sets.change("/full/edb00000011.log", |log| *log = bytes);
    sets.refused(JetErr::LogGenerationMismatch, "edb00000011.log");
}

#[test]
fn header_and_trailer_are_checked_in_their_order() {
    let Some(sets) = Sets::full() else { return };
    sets.change(DATABASE, |bytes| {
        bytes[100] ^= 1;
        bytes[4096 + 100] ^= 1;
    });
    sets.refused(JetErr::DatabaseCorrupted, "test.edb");
    let Some(sets) = Sets::full() else { return };
    sets.change(DATABASE, |bytes| bytes[100] ^= 1);
    sets.restore().unwrap();
    let Some(sets) = Sets::full() else { return };
    sets.change_header(|header| header.backup_full_current = Default::default());
    sets.refused(JetErr::RestoreOfNonBackupDatabase, "jetfs recover");
    let Some(sets) = Sets::full() else { return };
    sets.change(DATABASE, |bytes| bytes.truncate(bytes.len() - 4096));
    sets.refused(JetErr::BadPatchPage, "test.edb: page");
    type Change = fn(&mut Trailer);
    let Some(sets) = Sets::full() else { return };
    let changes: [(&str, Change); 3] = [
        ("another database", |trailer| trailer.signature.random ^= 1),
        ("another instance", |trailer| trailer.log_signature.random ^= 1),
        ("another backup", |trailer| trailer.backup.mark.sector ^= 1),
    ];
    for (says, change) in changes {
        let mut trailer = header_of_trailer(&sets);
        change(&mut trailer);
        let before = sets.read(DATABASE);
        sets.change(DATABASE, |bytes| {
            let mut page = trailer.encode();
            stamp_header(&mut page);
            let start = bytes.len() - 4096;
            bytes[start..].copy_from_slice(&page);
        });
        sets.refused(JetErr::DatabasePatchFileMismatch, says);
        sets.fs.write_file(DATABASE, &before).unwrap();
    }
    sets.change_header(|header| header.generation_min_required = 0xD);
    sets.refused(JetErr::RequiredLogFilesMissing, "from generation 0xd on");
    sets.change(DATABASE, |bytes| bytes.truncate(2 * 4096));
    sets.refused(JetErr::BadPatchPage, "too short");
}

#[test]
fn a_header_that_has_its_trailer_already_is_restored_too() {
    let Some(sets) = Sets::full() else { return };
    let high = header_of_trailer(&sets).backup.generation_high;
    sets.change(DATABASE, |bytes| bytes.truncate(bytes.len() - 4096));
    sets.change_header(|header| {
        header.backup_full_current.generation_high = high;
        header.generation_max_required = high;
        header.generation_max_committed = high;
        header.generation_max_create_time = Default::default();
        header.generation_max_required_time = Default::default();
    });
    sets.restore().unwrap();
    assert_eq!(
        header_of(&sets.read("/dest/test.edb")).state,
        DbState::CleanShutdown
    );
}

#[test]
fn logs_behind_the_set_are_rolled_forward() {
    let Some(sets) = Sets::rolled_forward() else {
        return;
    };
    assert_eq!(sets.replay().unwrap().last_generation, 0x1F);
    // The last one as the current log of the instance.
    let last = sets.read("/inc/edb0000001F.log");
    sets.remove("/inc/edb0000001F.log");
    sets.fs.write_file("/inc/edb.log", &last).unwrap();
    sets.restore().unwrap();
    assert!(sets.read("/dest/edb0000001F.log") == last);
    assert_eq!(
        LogHeader::read(&sets.read("/dest/edb.log")).unwrap().generation,
        0x20
    );
    assert_eq!(
        header_of(&sets.read("/dest/test.edb")).consistent.generation,
        0x20
    );
}

#[test]
fn logs_that_cannot_be_rolled_forward_are_refused() {
    let Some(sets) = Sets::rolled_forward() else {
        return;
    };
    sets.change_log("/inc/edb00000016.log", |header| header.signature.random ^= 1);
    sets.refused(JetErr::ExistingLogFileHasBadSignature, "edb00000016.log");
    let later = crate::format::LogTime::utc(2030, 1, 1, 0, 0, 0, 0);
    let Some(sets) = Sets::rolled_forward() else {
        return;
    };
    sets.change_log("/inc/edb00000016.log", |header| {
        header.previous_create_time = later
    });
    sets.refused(JetErr::ExistingLogFileIsNotContiguous, "edb00000016.log");
    let Some(sets) = Sets::rolled_forward() else {
        return;
    };
    sets.change_log("/inc/edb00000012.log", |header| header.create_time = later);
    sets.refused(JetErr::ExistingLogFileIsNotContiguous, "is another log than");
    let Some(sets) = Sets::rolled_forward() else {
        return;
    };
    sets.remove("/inc/edb00000018.log");
    sets.refused(JetErr::MissingCurrentLogFiles, "generation 0x18 is missing");
    let Some(sets) = Sets::rolled_forward() else {
        return;
    };
    sets.remove("/inc/edb00000015.log");
    sets.refused(
        JetErr::ExistingLogFileIsNotContiguous,
        "generation 0x15 is missing",
    );
    let Some(mut sets) = Sets::rolled_forward() else {
        return;
    };
    sets.fs.create_dir_all(Path::new("/empty")).unwrap();
    sets.request.logs = Some("/empty".into());
    sets.refused(JetErr::FileNotFound, "/empty");
}

#[test]
fn damaged_and_torn_logs_are_called_by_where_they_are() {
    // The last segment with records gets a whole copy behind it, then is damaged: a torn write.
    let tear = |bytes: &mut Vec<u8>| {
        let last = (1..bytes.len() / SEGMENT_LEN - 1)
            .rev()
            .find(|slot| bytes[slot * SEGMENT_LEN + 40] != 0)
            .unwrap();
        let from = last * SEGMENT_LEN;
        bytes.copy_within(from..from + SEGMENT_LEN, from + SEGMENT_LEN);
        bytes[from + 3000] ^= 0x55;
        bytes[from + 3001] ^= 0x55;
    };
    let damage = |bytes: &mut Vec<u8>| {
        bytes[2 * SEGMENT_LEN + 3000] ^= 0x55;
        bytes[2 * SEGMENT_LEN + 3001] ^= 0x55;
    };
    let Some(sets) = Sets::full() else { return };
    sets.change("/full/edb00000012.log", tear);
    sets.refused(JetErr::LogTornWriteDuringHardRestore, "edb00000012.log");
    let Some(sets) = Sets::full() else { return };
    sets.change("/full/edb00000012.log", damage);
    sets.refused(JetErr::LogCorruptDuringHardRestore, "edb00000012.log");
    let Some(sets) = Sets::both() else { return };
    sets.change("/inc/edb0000001D.log", damage);
    sets.refused(JetErr::LogCorruptDuringHardRestore, "edb0000001D.log");
    let Some(sets) = Sets::rolled_forward() else {
        return;
    };
    sets.change("/inc/edb0000001D.log", tear);
    sets.refused(JetErr::LogTornWriteDuringHardRecovery, "--until 0x1c");
    let Some(mut sets) = Sets::rolled_forward() else {
        return;
    };
    sets.change("/inc/edb0000001D.log", damage);
    sets.refused(JetErr::LogCorruptDuringHardRecovery, "--until 0x1c");
    sets.request.until = Some(Until::Generation(0x1C));
    sets.restore().unwrap();
}

#[test]
fn a_log_that_stops_inside_of_a_record_before_the_next_log_ends_redo_abruptly() {
    const FRAGMENT: u8 = 77;
    let Some(sets) = Sets::both() else { return };
    let (path, next) = ("/inc/edb00000016.log", "/inc/edb00000017.log");
    sets.change(path, |bytes| {
        // Everything from the second piece of a record on is gone, as if it had never been written.
        let slots = 2..bytes.len() / SEGMENT_LEN - 1;
        let slot = slots
            .rev()
            .find(|slot| bytes[slot * SEGMENT_LEN + 40] == FRAGMENT);
        bytes[slot.unwrap() * SEGMENT_LEN..].fill(0);
    });
    let file = sets.fs.open(Path::new(path), OpenMode::ReadOnly).unwrap();
    let log = LogFile::load(&*file, Path::new(path)).unwrap();
    let sum = log.segments_checksum().unwrap();
    sets.change_log(next, |header| header.previous_segments_checksum = sum);
    sets.refused(JetErr::RedoAbruptEnded, "edb00000017.log");
}

#[test]
fn sets_without_a_database_and_two_copies_of_one_are_refused() {
    let Some(mut sets) = Sets::both() else { return };
    sets.request.sets = vec!["/inc".into()];
    sets.refused(JetErr::MissingFullBackup, "full set");
    let Some(sets) = Sets::both() else { return };
    sets.fs.write_file("/inc/copy.edb", &sets.read(DATABASE)).unwrap();
    sets.refused(JetErr::DatabaseDuplicate, "one full set");
}

#[test]
fn what_a_manifest_says_is_heeded() {
    let manifest = |kind: &str, files: &str| {
        format!(r#"{{"jetfs_manifest":1,"tool":"jetfs","kind":"{kind}","mode":"frozen","files":[{files}]}}"#)
    };
    let file = |name: &str, role: &str, len: u64| {
        format!(
            r#"{{"name":"{name}",{role},"len":{len},"modified":"2025-11-24T23:19:56Z","original":"/old/{name}"}}"#
        )
    };
    let log = r#""role":"archived-log","generation":16"#;
    let Some(mut sets) = Sets::full() else { return };
    let write = |sets: &Sets, text: String| sets.fs.write_file("/full/backup.json", text.as_bytes()).unwrap();
    write(&sets, manifest("at-rest", ""));
    sets.refused(JetErr::RestoreOfNonBackupDatabase, "jetfs recover");
    write(
        &sets,
        manifest("full", &file("gone.edb", r#""role":"database""#, 1)),
    );
    sets.refused(JetErr::FileNotFound, "gone.edb");
    write(&sets, manifest("full", &file("edb00000010.log", log, 1)));
    sets.refused(JetErr::LogFileSizeMismatch, "its manifest says 1");
    let len = sets.read(DATABASE).len() as u64;
    write(
        &sets,
        manifest("full", &file("test.edb", r#""role":"database""#, len)),
    );
    sets.request.map = vec![("/old/test.edb".into(), "new.edb".into())];
    sets.restore().unwrap();
    assert!(sets.fs.stat(Path::new("/dest/new.edb")).is_ok());
}

#[test]
fn databases_go_where_the_map_says() {
    for old in ["test.edb", "C:\\ese\\TEST.EDB", "/full/test.edb"] {
        let Some(mut sets) = Sets::full() else { return };
        sets.fs.create_dir_all(Path::new("/elsewhere")).unwrap();
        sets.request.map = vec![(old.into(), "/elsewhere/new.edb".into())];
        sets.restore().unwrap();
        assert!(sets.fs.stat(Path::new("/elsewhere/new.edb")).is_ok(), "{old}");
        assert!(sets.fs.stat(Path::new("/dest/test.edb")).is_err());
    }
    let Some(mut sets) = Sets::full() else { return };
    for (map, code, says) in [
        (
            ("test.edb", "/full/test.edb"),
            JetErr::FileAlreadyExists,
            "is there already",
        ),
        (
            ("test.edb", "/nowhere/a.edb"),
            JetErr::InvalidPath,
            "does not exist",
        ),
        (
            ("test.edb", "edb.log"),
            JetErr::InvalidPath,
            "not a name for a database",
        ),
        (
            ("other.edb", "a.edb"),
            JetErr::DatabaseNotFound,
            "C:\\ese\\test.edb",
        ),
    ] {
        sets.request.map = vec![(map.0.into(), map.1.into())];
        sets.refused(code, says);
    }
}

#[test]
fn a_destination_that_is_not_empty_or_part_of_a_set_is_refused() {
    let Some(mut sets) = Sets::full() else { return };
    for (destination, code) in [
        ("/full", JetErr::FileAlreadyExists),
        ("/full/inside", JetErr::InvalidPath),
    ] {
        sets.request.destination = destination.into();
        sets.refused(code, "");
    }
}

#[test]
fn a_restore_that_fails_while_writing_leaves_nothing() {
    let Some(sets) = Sets::full() else { return };
    let restorable = sets.replay().unwrap();
    // Too little for the marker, a log, a database, all copies, the new log.
    for room in [0, 10_000, 2_000_000, 4_000_000, 5_100_000] {
        let restorable = sets.replay().unwrap();
        let all: u64 = sets
            .fs
            .list(Path::new("/full"))
            .unwrap()
            .iter()
            .map(|entry| sets.fs.stat(&Path::new("/full").join(&entry.name)).unwrap().len)
            .sum();
        sets.fs.set_capacity(all + room);
        let result = restorable.write(&sets.fs, &SettableClock::default(), &mut |_| Ok(()));
        assert_eq!(result.unwrap_err().code(), JetErr::DiskFull, "{room}");
        assert!(sets.fs.list(Path::new("/dest")).unwrap().is_empty(), "{room}");
        sets.fs.set_capacity(1 << 32);
    }
    restorable
        .write(&sets.fs, &SettableClock::default(), &mut |_| Ok(()))
        .unwrap();
}

#[test]
fn a_page_that_no_log_changes_is_verified() {
    let Some(sets) = Sets::full() else { return };
    let good = sets.replay().unwrap().check_pages(&mut |_| Ok(())).unwrap();
    assert!(good.pages > 100 && good.damaged.is_empty(), "{good:?}");
    let restorable = sets.replay().unwrap();
    let pages = restorable.writable.pages().next().unwrap();
    let untouched = (1..=pages.last_page()).find(|pgno| pages.in_base(*pgno)).unwrap();
    let offset = usize::try_from(PageSize::Kib4.offset_of(untouched)).unwrap();
    sets.change(DATABASE, |bytes| {
        bytes[offset + 1000] ^= 0x55;
        bytes[offset + 1001] ^= 0x55;
    });
    let check = restorable.check_pages(&mut |_| Ok(())).unwrap();
    assert_eq!(check.damaged.len(), 1);
    assert_eq!(check.damaged[0].code(), JetErr::ReadVerifyFailure);
    assert_eq!(check.damaged[0].place().page, Some(untouched));
}
