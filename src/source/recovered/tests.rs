//! Recovered views of genuine sets.

use super::replay::Contents;
use super::{DatabaseImage, RecoveredOptions, RecoveredSource};
use crate::backup::{BackupSession, BeginGrbit, ManifestKind, Outcome, Source};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::checksum::flip_bit;
use crate::format::{DbState, OtherCopy};
use crate::genuine_samples::sample;
use crate::io::{FileSystem, MemoryFileSystem, OpenMode, RealFileSystem};
use crate::recovery::INTERRUPTED;
use crate::source::at_rest::AtRestPaths;
use crate::store::{Database, SpillDirectory};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::ffi::OsStr;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tempfile::{TempDir, tempdir};

const DIRTY: [&str; 9] = [
    "genuine-4k/dirty",
    "genuine-scenarios/p4096_e8920_circular_dirty",
    "genuine-scenarios/p4096_e8920_crash_dirty",
    "genuine-scenarios/p4096_e8920_grow_dirty",
    "genuine-scenarios/p4096_e8920_lv_dirty",
    "genuine-scenarios/p4096_e8920_moves_dirty",
    "genuine-scenarios/p4096_e8920_reattach_dirty",
    "genuine-scenarios/p4096_e8920_types_dirty",
    "srum-win10-dirty",
];
const CRASH: &str = "genuine-scenarios/p4096_e8920_crash_dirty";

fn options() -> RecoveredOptions {
    RecoveredOptions {
        lock: true,
        allow_damaged: false,
        best_effort: false,
        ignore_missing: false,
        map: Vec::new(),
        memory: 64 << 20,
        spill: SpillDirectory {
            fs: Arc::new(RealFileSystem),
            directory: std::env::temp_dir(),
        },
    }
}

fn best_effort() -> RecoveredOptions {
    RecoveredOptions {
        best_effort: true,
        ..options()
    }
}

fn open_all(sources: &[&Path], options: &RecoveredOptions) -> JetResult<RecoveredSource> {
    let paths = AtRestPaths {
        sources: sources.iter().map(|path| path.to_path_buf()).collect(),
        ..AtRestPaths::default()
    };
    RecoveredSource::open(Arc::new(RealFileSystem), &paths, options, &mut |_| Ok(()))
}

/// The view, and a session on it.
fn view_of(source: RecoveredSource) -> (Arc<RecoveredSource>, BackupSession) {
    let source = Arc::new(source);
    let session = BackupSession::new(Arc::clone(&source) as Arc<_>);
    session.begin(BeginGrbit::SNAPSHOT.bits()).unwrap();
    (source, session)
}

fn view(directory: &Path, options: &RecoveredOptions) -> (Arc<RecoveredSource>, BackupSession) {
    view_of(
        open_all(&[directory], options).unwrap_or_else(|error| panic!("{}: {error}", directory.display())),
    )
}

fn read_all(session: &BackupSession, name: &OsStr, step: usize) -> JetResult<Vec<u8>> {
    let (handle, len) = session.open_file(name)?;
    let file = session.file(handle)?;
    let mut bytes = vec![0; usize::try_from(len).unwrap()];
    let mut offset = 0;
    for chunk in bytes.chunks_mut(step) {
        assert_eq!(file.read_at(chunk, offset)?, chunk.len());
        offset += chunk.len() as u64;
    }
    assert_eq!(file.read_at(&mut [0; 10], len)?, 0);
    session.close_file(handle)?;
    Ok(bytes)
}

/// Every database of the view, by name.
fn databases(source: &RecoveredSource, session: &BackupSession) -> Vec<(String, Vec<u8>)> {
    let files = source.databases().unwrap();
    let read = files.iter().map(|file| {
        let name = file.name.to_str().unwrap().to_owned();
        (name, read_all(session, &file.name, 128 << 10).unwrap())
    });
    read.collect()
}

fn opened(bytes: &[u8]) -> Database {
    let fs = MemoryFileSystem::default();
    fs.write_file("/view.edb", bytes).unwrap();
    let file = fs.open(Path::new("/view.edb"), OpenMode::ReadOnly).unwrap();
    Database::open(file, Path::new("/view.edb")).unwrap()
}

fn assert_is_clean_and_whole(name: &str, bytes: &[u8]) {
    let database = opened(bytes);
    assert_eq!(database.header().state, DbState::CleanShutdown, "{name}");
    assert!(matches!(database.other_header_copy(), OtherCopy::Same), "{name}");
    let last = database.last_owned_page().unwrap();
    let size = database.page_size();
    assert!(size.offset_of(last) + size.bytes_u64() <= bytes.len() as u64);
    for pgno in 1..=last {
        match database.read_page(pgno) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.code(), JetErr::PageNotInitialized, "{name}: {error}"),
        }
    }
}

/// Names, lengths, times and contents of what lies in a directory.
fn fingerprint(directory: &Path) -> Vec<(PathBuf, SystemTime, Vec<u8>)> {
    let mut found: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| {
            let modified = path.metadata().unwrap().modified().unwrap();
            let bytes = std::fs::read(&path).unwrap();
            (path, modified, bytes)
        })
        .collect();
    found.sort();
    found
}

fn copy_of(set: &str) -> Option<TempDir> {
    let set = sample(set)?;
    let copy = tempdir().unwrap();
    for (path, _, bytes) in fingerprint(&set) {
        let to = copy.path().join(path.file_name().unwrap());
        std::fs::write(&to, bytes).unwrap();
        std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    Some(copy)
}

fn only_image(source: &RecoveredSource) -> &DatabaseImage {
    match &source.view.shown[0].contents {
        Contents::Composed { image, .. } => image,
        Contents::AsItIs => panic!("nothing is composed"),
    }
}

#[test]
fn dirty_sets_are_shown_clean_and_nothing_is_written_to_them() {
    for set in DIRTY {
        let Some(path) = sample(set) else { return };
        let before = fingerprint(&path);
        let (source, session) = view(&path, &options());
        assert!(source.recovery().shortfalls.is_empty() && source.warnings().is_empty());
        let newest = source.inventory().newest();
        for (file, (name, bytes)) in source
            .databases()
            .unwrap()
            .iter()
            .zip(databases(&source, &session))
        {
            assert_is_clean_and_whole(&format!("{set}/{name}"), &bytes);
            assert_eq!(file.modified, newest + Duration::from_secs(1));
        }
        assert!(session.get_log_info().unwrap().files.is_empty());
        assert!(source.findings().all().is_empty());
        session.end().unwrap();
        assert!(fingerprint(&path) == before, "{set} was written to");
    }
}

#[test]
fn reads_at_any_offset_of_any_length_give_the_same_bytes() {
    for set in ["genuine-4k/dirty", "genuine-scenarios/p4096_e8920_grow_dirty"] {
        let Some(path) = sample(set) else { return };
        let (source, session) = view(&path, &options());
        let (name, whole) = databases(&source, &session).remove(0);
        let (handle, _) = session.open_file(OsStr::new(&name)).unwrap();
        let file = session.file(handle).unwrap();
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..2000 {
            let offset = random.random_range(0..whole.len());
            let mut buf = vec![0xAA; random.random_range(0..40_000)];
            let read = file.read_at(&mut buf, offset as u64).unwrap();
            assert_eq!(read, buf.len().min(whole.len() - offset));
            assert!(buf[..read] == whole[offset..offset + read], "{read} at {offset}");
        }
        for step in [512, 4096, 5000] {
            assert!(read_all(&session, OsStr::new(&name), step).unwrap() == whole);
        }
    }
}

#[test]
fn without_memory_the_temporary_file_gives_the_same_bytes() {
    for set in DIRTY {
        let Some(path) = sample(set) else { return };
        let (source, session) = view(&path, &options());
        let tight = RecoveredOptions {
            memory: 0,
            ..options()
        };
        let (spilled, spilled_session) = view(&path, &tight);
        assert!(
            databases(&source, &session) == databases(&spilled, &spilled_session),
            "{set}"
        );
    }
}

#[test]
fn a_database_that_only_the_logs_know_is_made_from_nothing() {
    let Some(copy) = copy_of(CRASH) else { return };
    let (source, session) = view(copy.path(), &options());
    let expected = databases(&source, &session);
    drop((source, session));
    std::fs::remove_file(copy.path().join("test.edb")).unwrap();
    // The checkpoint says that earlier records are in the file.
    std::fs::remove_file(copy.path().join("edb.chk")).unwrap();
    let (source, session) = view(copy.path(), &options());
    let made = databases(&source, &session);
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].0, expected[0].0);
    assert_is_clean_and_whole("made by the logs", &made[0].1);
}

#[test]
fn clean_databases_are_shown_as_they_are() {
    for set in [
        "genuine-4k/clean",
        "srum-server2022-day0",
        "esedb-4k",
        "srum-win10-dirty-recovered",
    ] {
        let Some(path) = sample(set) else { return };
        let (source, session) = view(&path, &options());
        let files = source.databases().unwrap();
        for (file, (name, bytes)) in files.iter().zip(databases(&source, &session)) {
            let plain = std::fs::read(&file.path).unwrap();
            assert!(plain == bytes, "{set}/{name}");
            assert_eq!(file.modified, file.path.metadata().unwrap().modified().unwrap());
        }
    }
}

#[test]
fn a_backup_set_is_shown_as_its_restore_makes_it_alone_and_with_its_incremental() {
    let (Some(full), Some(inc)) = (sample("genuine-4k/bk_full"), sample("genuine-4k/bk_inc")) else {
        return;
    };
    let mut lengths = Vec::new();
    for (sets, last) in [
        (vec![full.as_path()], 0x14),
        (vec![full.as_path(), inc.as_path()], 0x1F),
    ] {
        let (source, session) = view_of(open_all(&sets, &options()).unwrap());
        assert_eq!(source.recovery().last_generation, Some(last));
        let (name, bytes) = databases(&source, &session).remove(0);
        assert_is_clean_and_whole(&name, &bytes);
        lengths.push(bytes.len());
        let header = opened(&bytes).header().clone();
        assert_eq!(header.backup_full_current, Default::default());
    }
    let with_trailer = full.join("test.edb").metadata().unwrap().len();
    assert_eq!(lengths[0] as u64, with_trailer - 4096, "without the trailer");
}

#[test]
fn a_wrong_bit_in_an_unchanged_page_is_repaired_and_two_are_refused() {
    let Some(copy) = copy_of(CRASH) else { return };
    let (source, session) = view(copy.path(), &options());
    let (name, good) = databases(&source, &session).remove(0);
    let last = opened(&good).last_owned_page().unwrap();
    let pages = only_image(&source).pages();
    let unchanged: Vec<u32> = (1..=last).filter(|pgno| pages.in_base(*pgno)).collect();
    let blank = |pgno: u32| {
        let offset = (pgno as usize + 1) * 4096;
        good[offset..offset + 4096].iter().all(|byte| *byte == 0)
    };
    let changed: Vec<u32> = pages.changed().collect();
    drop((source, session));
    let path = copy.path().join("test.edb");
    // A page that the replay does not read.
    let mut outcomes = Vec::new();
    for pgno in unchanged.into_iter().filter(|pgno| !blank(*pgno)) {
        assert!(!changed.contains(&pgno));
        for bits in 1..=2 {
            let mut bytes = std::fs::read(&path).unwrap();
            let original = bytes.clone();
            let page = &mut bytes[(pgno as usize + 1) * 4096..][..4096];
            flip_bit(page, 8 * 1000);
            if bits == 2 {
                flip_bit(page, 8 * 2000 + 3);
            }
            std::fs::write(&path, &bytes).unwrap();
            if let Ok(source) = open_all(&[copy.path()], &options()) {
                let (source, session) = view_of(source);
                match read_all(&session, OsStr::new(&name), 128 << 10) {
                    Ok(read) => assert!(read == good),
                    Err(error) => assert_eq!(error.code(), JetErr::ReadVerifyFailure),
                }
                let found = source.findings().all();
                if let [finding] = &found[..] {
                    assert_eq!(finding.page, Some(pgno));
                    outcomes.push(finding.outcome);
                }
            }
            std::fs::write(&path, &original).unwrap();
        }
    }
    assert!(
        outcomes.contains(&Outcome::Repaired) && outcomes.contains(&Outcome::Refused),
        "{outcomes:?}"
    );
}

#[test]
fn a_source_that_changes_while_it_is_shown_gives_errors() {
    let Some(copy) = copy_of("genuine-4k/dirty") else {
        return;
    };
    let (source, session) = view(copy.path(), &options());
    let (handle, _) = session.open_file(OsStr::new("test.edb")).unwrap();
    let file = session.file(handle).unwrap();
    let unchanged = (1..)
        .find(|pgno| only_image(&source).pages().in_base(*pgno))
        .unwrap();
    let mut page = [0; 4096];
    let offset = (u64::from(unchanged) + 1) * 4096;
    file.read_at(&mut page, offset).unwrap();
    let written = std::fs::File::options()
        .write(true)
        .open(copy.path().join("test.edb"))
        .unwrap();
    written.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    written.write_at(&page, offset).unwrap();
    let error = file.read_at(&mut page, offset).unwrap_err();
    assert_eq!(error.code(), JetErr::DiskIO, "{error}");
}

#[test]
fn a_missing_generation_is_named_and_best_effort_shows_what_is_before_it() {
    let Some(copy) = copy_of(CRASH) else { return };
    let missing = "edb0000000D.log";
    std::fs::remove_file(copy.path().join(missing)).unwrap();
    let error = open_all(&[copy.path()], &options()).unwrap_err();
    let told = format!("{error} {}", error.advice().unwrap_or_default());
    assert!(told.contains("0xd") && told.contains("--best-effort"), "{told}");
    let (source, session) = view(copy.path(), &best_effort());
    let recovery = source.recovery();
    assert!(!recovery.shortfalls.is_empty());
    assert!(
        source.warnings().iter().any(|warning| warning.contains("0xd")),
        "{:?}",
        source.warnings()
    );
    let (_, bytes) = databases(&source, &session).remove(0);
    assert_eq!(opened(&bytes).header().state, DbState::DirtyShutdown);
    let manifest = source.manifest(&[copy.path().to_path_buf()]);
    assert_eq!(manifest.kind, ManifestKind::Recovered);
    assert_eq!(manifest.missing_generations.len(), 1);
    assert_eq!(manifest.recovered.unwrap().shortfalls, recovery.shortfalls);
}

#[test]
fn whatever_log_is_missing_the_view_is_refused_or_whole_and_best_effort_always_shows() {
    for set in [CRASH, "genuine-4k/dirty", "genuine-4k/bk_full"] {
        let Some(path) = sample(set) else { return };
        let logs = fingerprint(&path).into_iter().map(|(path, _, _)| path);
        for log in logs.filter(|path| path.extension() == Some(OsStr::new("log"))) {
            let copy = copy_of(set).unwrap();
            let name = log.file_name().unwrap();
            std::fs::remove_file(copy.path().join(name)).unwrap();
            let shown = open_all(&[copy.path()], &options());
            let (source, session) = view(copy.path(), &best_effort());
            let (_, bytes) = databases(&source, &session).remove(0);
            let state = opened(&bytes).header().state;
            match shown {
                Ok(_) => assert!(state.is_clean(), "{set} without {}", name.display()),
                Err(error) => {
                    assert!(!state.is_clean(), "{set} without {}: {error}", name.display());
                    assert!(!source.recovery().shortfalls.is_empty());
                }
            }
        }
    }
}

#[test]
fn best_effort_shows_something_of_whatever_is_damaged_and_never_calls_it_clean_when_it_fell_short() {
    for set in [
        CRASH,
        "genuine-4k/bk_full",
        "genuine-scenarios/p4096_e8920_moves_dirty",
    ] {
        for seed in 0..25 {
            let Some(copy) = copy_of(set) else { return };
            let mut random = StdRng::seed_from_u64(seed);
            let mut files = fingerprint(copy.path());
            files.retain(|(path, _, _)| {
                let name = path.file_name().unwrap().to_str().unwrap();
                [".log", ".edb", ".chk"].iter().any(|end| name.ends_with(end))
            });
            for _ in 0..random.random_range(1..6) {
                let index = random.random_range(0..files.len());
                let (path, _, bytes) = &mut files[index];
                // Headers of databases apart: without them there is nothing to show.
                let from = random.random_range(8192.min(bytes.len() - 1)..bytes.len());
                let end = bytes.len().min(from + random.random_range(1..5000));
                random.fill(&mut bytes[from..end]);
                std::fs::write(path, bytes).unwrap();
            }
            let (source, session) = view(copy.path(), &best_effort());
            let fell_short = !source.recovery().shortfalls.is_empty();
            let clean = source.manifest(&[]).databases[0].state.as_deref() == Some("CleanShutdown");
            assert_ne!(
                fell_short,
                clean,
                "{set} with seed {seed}: {:?}",
                source.recovery().shortfalls
            );
            let name = source.databases().unwrap().remove(0).name;
            let read = read_all(&session, &name, 4096);
            assert!(
                read.is_ok() || !source.findings().all().is_empty(),
                "{set} with seed {seed}"
            );
        }
    }
}

#[test]
fn without_the_current_log_best_effort_replays_the_archived_ones() {
    let Some(copy) = copy_of(CRASH) else { return };
    std::fs::remove_file(copy.path().join("edb.log")).unwrap();
    assert_eq!(
        open_all(&[copy.path()], &options()).unwrap_err().code(),
        JetErr::MissingLogFile
    );
    let (source, _session) = view(copy.path(), &best_effort());
    assert!(source.recovery().records > 1000, "{:?}", source.recovery());
    assert_eq!(source.recovery().last_generation, Some(0xD));
}

#[test]
fn best_effort_gives_the_same_where_nothing_falls_short() {
    for set in DIRTY {
        let Some(path) = sample(set) else { return };
        let (source, session) = view(&path, &options());
        let (tried, tried_session) = view(&path, &best_effort());
        assert!(tried.recovery().shortfalls.is_empty());
        assert!(
            databases(&source, &session) == databases(&tried, &tried_session),
            "{set}"
        );
    }
}

#[test]
fn databases_logs_and_checkpoint_may_lie_apart_and_a_database_may_be_named_alone() {
    let Some(copy) = copy_of(CRASH) else { return };
    let (source, session) = view(copy.path(), &options());
    let expected = databases(&source, &session);
    drop((source, session));
    let [logs, system] = ["logs", "system"].map(|name| copy.path().join(name));
    std::fs::create_dir(&logs).unwrap();
    std::fs::create_dir(&system).unwrap();
    for (path, _, _) in fingerprint(copy.path()) {
        let name = path.file_name().unwrap();
        match path.extension().and_then(OsStr::to_str) {
            Some("log") => std::fs::rename(&path, logs.join(name)).unwrap(),
            Some("chk") => std::fs::rename(&path, system.join(name)).unwrap(),
            _ => {}
        }
    }
    for source in [copy.path().to_path_buf(), copy.path().join("test.edb")] {
        let paths = AtRestPaths {
            sources: vec![source],
            log_dir: Some(logs.clone()),
            system_dir: Some(system.clone()),
            ..AtRestPaths::default()
        };
        let fs = Arc::new(RealFileSystem);
        let source = RecoveredSource::open(fs, &paths, &options(), &mut |_| Ok(())).unwrap();
        let (source, session) = view_of(source);
        assert!(databases(&source, &session) == expected);
        assert!(
            source.recovery().start.as_deref() == Some("(6,1,0)"),
            "the checkpoint is used"
        );
    }
}

#[test]
fn damage_in_an_unchanged_page_is_served_as_it_is_if_that_is_allowed() {
    let Some(copy) = copy_of("srum-win10-dirty") else {
        return;
    };
    let (source, session) = view(copy.path(), &options());
    let (name, good) = databases(&source, &session).remove(0);
    let size = opened(&good).page_size().bytes();
    let last = opened(&good).last_owned_page().unwrap();
    let pages = only_image(&source).pages();
    let start = |pgno: u32| (pgno as usize + 1) * size;
    let is_blank = |pgno: u32| {
        good[start(pgno)..start(pgno) + size]
            .iter()
            .all(|byte| *byte == 0)
    };
    let pgno = (1..=last)
        .rev()
        .find(|pgno| pages.in_base(*pgno) && !is_blank(*pgno))
        .unwrap();
    drop((source, session));
    let path = copy.path().join("SRUDB.dat");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[start(pgno) + 100..start(pgno) + 200].fill(0x5A);
    std::fs::write(&path, &bytes).unwrap();
    let (_source, session) = view(copy.path(), &options());
    let error = read_all(&session, OsStr::new(&name), 128 << 10).unwrap_err();
    assert_eq!(error.place().page, Some(pgno));
    let allowing = RecoveredOptions {
        allow_damaged: true,
        ..options()
    };
    let (source, session) = view(copy.path(), &allowing);
    let read = read_all(&session, OsStr::new(&name), 128 << 10).unwrap();
    assert!(read[start(pgno)..start(pgno) + size] == bytes[start(pgno)..start(pgno) + size]);
    assert_eq!(source.findings().all()[0].outcome, Outcome::ServedDamaged);
}

#[test]
fn a_database_that_has_moved_is_found_by_the_map() {
    let Some(copy) = copy_of(CRASH) else { return };
    let moved = copy.path().join("renamed.edb");
    std::fs::rename(copy.path().join("test.edb"), &moved).unwrap();
    let error = open_all(&[copy.path()], &options()).unwrap_err();
    let old = error
        .to_string()
        .split(' ')
        .find(|word| word.ends_with("test.edb,"))
        .map(str::to_owned);
    let old = old
        .unwrap_or_else(|| panic!("{error}"))
        .trim_end_matches(',')
        .to_owned();
    let mapped = RecoveredOptions {
        map: vec![(old, moved)],
        ..options()
    };
    let (source, session) = view(copy.path(), &mapped);
    let (name, bytes) = databases(&source, &session).remove(0);
    assert_eq!(name, "renamed.edb");
    assert_is_clean_and_whole(&name, &bytes);
}

#[test]
fn a_dirty_database_without_logs_is_refused_and_shown_as_it_is_with_best_effort() {
    let Some(path) = sample("qmgr-win10") else { return };
    let error = open_all(&[&path], &options()).unwrap_err();
    assert_eq!(error.code(), JetErr::DatabaseDirtyShutdown);
    let (source, session) = view(&path, &best_effort());
    let (_, bytes) = databases(&source, &session).remove(0);
    assert!(bytes == std::fs::read(path.join("qmgr.db")).unwrap());
    assert!(
        source.warnings()[0].contains("shown as it is"),
        "{:?}",
        source.warnings()
    );
    assert!(source.manifest(&[]).recovered.unwrap().start.is_none());
}

#[test]
fn the_same_files_give_the_same_manifest_and_bytes() {
    let Some(path) = sample(CRASH) else { return };
    let once = || {
        let (source, session) = view(&path, &options());
        let manifest = source.manifest(std::slice::from_ref(&path)).to_bytes().unwrap();
        (manifest, databases(&source, &session))
    };
    assert!(once() == once());
}

#[test]
fn who_reports_progress_can_stop_it_even_with_best_effort() {
    let Some(path) = sample("genuine-4k/dirty") else {
        return;
    };
    let paths = AtRestPaths {
        sources: vec![path],
        ..AtRestPaths::default()
    };
    let mut reports = 0;
    let stop = &mut |_| {
        reports += 1;
        match reports {
            3 => Err(JetError::rule(INTERRUPTED, "stopped")),
            _ => Ok(()),
        }
    };
    let error = RecoveredSource::open(Arc::new(RealFileSystem), &paths, &best_effort(), stop).unwrap_err();
    assert_eq!((error.code(), reports), (INTERRUPTED, 3));
}

#[test]
fn a_set_that_somebody_uses_is_refused() {
    let Some(copy) = copy_of("genuine-4k/dirty") else {
        return;
    };
    let engine = crate::store::open_exclusively(&RealFileSystem, &copy.path().join("test.edb")).unwrap();
    let error = open_all(&[copy.path()], &options()).unwrap_err();
    assert_eq!(error.code(), JetErr::DatabaseInUse);
    let unlocked = RecoveredOptions {
        lock: false,
        ..options()
    };
    assert!(open_all(&[copy.path()], &unlocked).is_ok());
    drop(engine);
}
