//! What becomes of damage while it is read, and of files that change.

use super::made::{
    PAGES, SECTORS, SEGMENTS, database, header, instance, log, log_header, make_old, old_log, page_mut, write,
};
use super::*;
use crate::backup::{Outcome, Source};
use crate::error::{JetErr, JetError};
use crate::format::PageSize;
use crate::format::checksum::flip_bit;
use crate::io::{File, FileSystem, LockKind, MemoryFileSystem, OpenMode};
use crate::store::bulk_load::{BulkLoad, BulkLoadOptions};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tempfile::{TempDir, tempdir};

const SHOW: AtRestOptions = AtRestOptions {
    lock: true,
    allow_damaged: true,
    trust_source: false,
};
const STRICT: AtRestOptions = AtRestOptions {
    lock: true,
    allow_damaged: false,
    trust_source: false,
};
const TRUST: AtRestOptions = AtRestOptions {
    lock: true,
    allow_damaged: false,
    trust_source: true,
};

/// A session on a file of these bytes alone.
fn begin_with(
    name: &str,
    bytes: &[u8],
    options: AtRestOptions,
) -> (TempDir, Arc<AtRestSource>, BackupSession) {
    let folder = tempdir().unwrap();
    write(folder.path(), name, bytes);
    let (source, session) = begin(&folder.path().join(name), options).unwrap();
    (folder, source, session)
}

fn outcomes(source: &AtRestSource) -> Vec<(Outcome, u64, JetErr)> {
    let found = source.findings().all();
    found
        .into_iter()
        .map(|finding| (finding.outcome, finding.offset, finding.code))
        .collect()
}

#[test]
fn a_flipped_bit_of_an_ecc_page_is_repaired_and_reported_once() {
    let mut random = StdRng::seed_from_u64(1);
    for size in PageSize::ALL {
        let good = database(&header(size));
        for _ in 0..25 {
            let pgno = random.random_range(1..=PAGES);
            let mut bad = good.clone();
            let bit = random.random_range(0..8 * u32::try_from(size.bytes()).unwrap());
            flip_bit(page_mut(&mut bad, size, pgno), bit);
            for step in [128 << 10, 1000] {
                let (_folder, source, session) = begin_with("a.edb", &bad, STRICT);
                assert!(
                    read_all(&session, OsStr::new("a.edb"), step).unwrap() == good,
                    "{size} bit {bit}"
                );
                let expected = (Outcome::Repaired, size.offset_of(pgno), JetErr::ReadVerifyFailure);
                assert_eq!(
                    outcomes(&source),
                    [expected],
                    "{size} page {pgno} bit {bit} step {step}"
                );
            }
        }
    }
}

#[test]
fn two_flipped_bits_are_refused_with_page_and_file_and_the_other_pages_are_readable() {
    for size in PageSize::ALL {
        let good = database(&header(size));
        let mut bad = good.clone();
        let page = page_mut(&mut bad, size, 3);
        flip_bit(page, 1000);
        flip_bit(page, 9000);
        let (_folder, source, session) = begin_with("a.edb", &bad, STRICT);
        let (handle, len) = session.open_file(OsStr::new("a.edb")).unwrap();
        let mut buf = vec![0; size.bytes()];
        for pgno in 0..len / size.bytes_u64() {
            let offset = pgno * size.bytes_u64();
            let read = session.read_at(handle, &mut buf, offset);
            if offset == size.offset_of(3) {
                let error = read.unwrap_err();
                assert_eq!(error.code(), JetErr::ReadVerifyFailure);
                assert_eq!(
                    (error.place().page, error.place().offset),
                    (Some(3), Some(offset))
                );
                assert!(error.place().file.as_ref().unwrap().ends_with("a.edb"));
                assert!(
                    session.read_at(handle, &mut buf[..10], offset + 5).is_err(),
                    "a part of it neither"
                );
            } else {
                assert_eq!(read.unwrap(), buf.len());
                let start = usize::try_from(offset).unwrap();
                assert!(buf == good[start..start + buf.len()]);
            }
        }
        assert_eq!(
            outcomes(&source),
            [(Outcome::Refused, size.offset_of(3), JetErr::ReadVerifyFailure)]
        );
        let (_folder, source, session) = begin_with("a.edb", &bad, SHOW);
        assert!(read_all(&session, OsStr::new("a.edb"), 7000).unwrap() == bad);
        assert_eq!(
            outcomes(&source),
            [(
                Outcome::ServedDamaged,
                size.offset_of(3),
                JetErr::ReadVerifyFailure
            )]
        );
    }
}

#[test]
fn an_old_page_is_good_or_refused_but_never_repaired() {
    for size in [PageSize::Kib2, PageSize::Kib4, PageSize::Kib8] {
        let mut good = database(&header(size));
        make_old(page_mut(&mut good, size, 2), 2);
        let (_folder, source, session) = begin_with("a.edb", &good, STRICT);
        assert!(read_all(&session, OsStr::new("a.edb"), 65536).unwrap() == good);
        assert!(source.findings().is_empty());
        let mut bad = good.clone();
        flip_bit(page_mut(&mut bad, size, 2), 12345);
        let (_folder, _source, session) = begin_with("a.edb", &bad, STRICT);
        let error = read_all(&session, OsStr::new("a.edb"), 65536).unwrap_err();
        assert_eq!(
            (error.code(), error.place().page),
            (JetErr::ReadVerifyFailure, Some(2))
        );
    }
}

#[test]
fn a_page_of_zeros_and_bytes_after_the_last_whole_page_are_delivered_as_they_are() {
    let mut bytes = database(&header(PageSize::Kib4));
    page_mut(&mut bytes, PageSize::Kib4, 4).fill(0);
    bytes.extend([0xAA; 100]);
    let (_folder, source, session) = begin_with("a.edb", &bytes, STRICT);
    assert!(read_all(&session, OsStr::new("a.edb"), 5000).unwrap() == bytes);
    assert!(source.findings().is_empty());
}

#[test]
fn pages_past_the_last_owned_one_are_not_judged() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.edb");
    for page_size in [PageSize::Kib4, PageSize::Kib32] {
        let options = BulkLoadOptions {
            page_size,
            time: super::made::signature(1).create,
            seed: 1,
        };
        BulkLoad::create(&RealFileSystem, &path, options)
            .unwrap()
            .finish()
            .unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let owned = take(&[&path]).unwrap().databases[0]
            .facts
            .as_ref()
            .unwrap()
            .last_owned_page
            .unwrap();
        assert_eq!(page_size.offset_of(owned + 1), bytes.len() as u64);
        bytes.extend(vec![0x5A; page_size.bytes() + 10]);
        std::fs::write(&path, &bytes).unwrap();
        let (source, session) = begin(&path, STRICT).unwrap();
        assert!(read_all(&session, OsStr::new("a.edb"), 128 << 10).unwrap() == bytes);
        assert!(source.findings().is_empty());
        bytes.truncate(usize::try_from(page_size.offset_of(owned)).unwrap());
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(
            warnings(&take(&[&path]).unwrap()),
            ["a.edb -4001"],
            "a cut file is told"
        );
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn the_good_copy_of_the_header_stands_in_for_the_bad_one() {
    for size in PageSize::ALL {
        let good = database(&header(size));
        for copy in [0, 1] {
            let mut bad = good.clone();
            bad[copy * size.bytes() + 300] ^= 0x55;
            let offset = (copy * size.bytes()) as u64;
            let (_folder, source, session) = begin_with("a.edb", &bad, STRICT);
            assert!(warnings(source.inventory()).contains(&"a.edb -1018".to_owned()));
            assert!(
                read_all(&session, OsStr::new("a.edb"), 3000).unwrap() == good,
                "{size} copy {copy}"
            );
            assert_eq!(
                outcomes(&source),
                [(Outcome::Repaired, offset, JetErr::ReadVerifyFailure)]
            );
            let (_folder, source, session) = begin_with("a.edb", &bad, SHOW);
            assert!(read_all(&session, OsStr::new("a.edb"), 3000).unwrap() == bad);
            assert_eq!(
                outcomes(&source),
                [(Outcome::ServedDamaged, offset, JetErr::ReadVerifyFailure)]
            );
        }
    }
}

#[test]
fn two_good_but_different_headers_are_shown_as_they_are() {
    let mut bytes = database(&header(PageSize::Kib8));
    let mut newer = header(PageSize::Kib8);
    newer.dbtime_dirtied = 77;
    bytes[..8192].copy_from_slice(&newer.encode());
    let (_folder, source, session) = begin_with("a.edb", &bytes, STRICT);
    assert!(read_all(&session, OsStr::new("a.edb"), 3000).unwrap() == bytes);
    assert!(source.findings().is_empty());
}

#[test]
fn a_database_without_a_good_header_is_refused_unless_damage_is_allowed() {
    let mut bytes = database(&header(PageSize::Kib4));
    bytes[100] ^= 1;
    bytes[4196] ^= 1;
    let folder = tempdir().unwrap();
    for bytes in [&bytes[..], &[], &[0x11; 5000]] {
        write(folder.path(), "a.edb", bytes);
        let error = begin(folder.path(), STRICT).unwrap_err();
        assert_eq!(error.code(), JetErr::DatabaseCorrupted);
        let (_, session) = begin(folder.path(), SHOW).unwrap();
        assert!(read_all(&session, OsStr::new("a.edb"), 1 << 20).unwrap() == bytes);
    }
}

#[test]
fn a_file_that_changes_while_it_is_shown_is_refused_from_then_on() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.edb");
    let good = database(&header(PageSize::Kib4));
    type Change = fn(&Path);
    let changes: [(&str, Change); 4] = [
        ("grew", |path| std::fs::write(path, [0; 1 << 20]).unwrap()),
        ("shrank", |path| std::fs::write(path, [0; 8192]).unwrap()),
        ("was written to", |path| {
            let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        }),
        ("was replaced", |path| {
            let bytes = std::fs::read(path).unwrap();
            std::fs::write(path.with_extension("new"), bytes).unwrap();
            std::fs::rename(path.with_extension("new"), path).unwrap();
        }),
    ];
    for (how, change) in changes {
        std::fs::write(&path, &good).unwrap();
        let (source, session) = begin(folder.path(), STRICT).unwrap();
        let (handle, _) = session.open_file(OsStr::new("a.edb")).unwrap();
        let mut buf = [0; 4096];
        session.read_at(handle, &mut buf, 0).unwrap();
        change(&path);
        let error = match how {
            // The open file is still the old one; only opening it again meets the new one.
            "was replaced" => session.open_file(OsStr::new("a.edb")).unwrap_err(),
            _ => session.read_at(handle, &mut buf, 0).unwrap_err(),
        };
        assert!(error.to_string().contains(how), "{how}: {error}");
        assert!(source.findings().all()[0].what.contains(how));
    }
}

#[test]
fn a_flipped_bit_of_a_segment_is_repaired_and_more_is_refused() {
    let good = log(&log_header(1, 9));
    let name = OsStr::new("edb00001.log");
    let mut bad = good.clone();
    flip_bit(&mut bad[2 * 4096..3 * 4096], 20_000);
    let (_folder, source, session) = begin_with("edb00001.log", &bad, STRICT);
    assert!(read_all(&session, name, 1000).unwrap() == good);
    assert_eq!(
        outcomes(&source),
        [(Outcome::Repaired, 8192, JetErr::LogReadVerifyFailure)]
    );
    flip_bit(&mut bad[2 * 4096..3 * 4096], 20_001);
    let (_folder, source, session) = begin_with("edb00001.log", &bad, STRICT);
    let error = read_all(&session, name, 1 << 20).unwrap_err();
    assert_eq!(
        (error.code(), error.place().offset),
        (JetErr::LogReadVerifyFailure, Some(8192))
    );
    assert_eq!(
        outcomes(&source),
        [(Outcome::Refused, 8192, JetErr::LogReadVerifyFailure)]
    );
    let (_folder, _source, session) = begin_with("edb00001.log", &bad, SHOW);
    assert!(read_all(&session, name, 1000).unwrap() == bad);
}

#[test]
fn a_torn_tail_with_a_good_shadow_is_delivered_as_it_is() {
    let mut bytes = log(&log_header(1, 9));
    bytes[4 * 4096 + 2000..5 * 4096].fill(0x77);
    let (_folder, source, session) = begin_with("edb00001.log", &bytes, STRICT);
    assert!(read_all(&session, OsStr::new("edb00001.log"), 4096).unwrap() == bytes);
    assert_eq!(
        outcomes(&source),
        [(Outcome::ServedDamaged, 4 * 4096, JetErr::LogReadVerifyFailure)]
    );
    bytes[5 * 4096 + 2000] ^= 1;
    bytes[5 * 4096 + 2001] ^= 1;
    let (_folder, _source, session) = begin_with("edb00001.log", &bytes, STRICT);
    assert!(
        read_all(&session, OsStr::new("edb00001.log"), 4096).is_err(),
        "no good shadow"
    );
}

#[test]
fn a_torn_last_write_of_a_log_that_is_written_in_place_is_delivered_as_it_is() {
    let mut header = log_header(1, 9);
    header.set_written_in_place();
    let mut whole = log(&header);
    // Segments 3 and 4 are one write.
    let last = &mut whole[4 * 4096..5 * 4096];
    last[16..24].fill(0);
    crate::format::checksum::stamp_segment(last, 4);
    for (slot, is_torn) in [(3, true), (2, false)] {
        let mut bytes = whole.clone();
        bytes[slot * 4096 + 2000..(slot + 1) * 4096].fill(0);
        let (_folder, source, session) = begin_with("edb00001.log", &bytes, STRICT);
        let read = read_all(&session, OsStr::new("edb00001.log"), 4096);
        assert_eq!(read.is_ok(), is_torn);
        let outcome = if is_torn {
            Outcome::ServedDamaged
        } else {
            Outcome::Refused
        };
        let offset = slot as u64 * 4096;
        assert_eq!(
            outcomes(&source),
            [(outcome, offset, JetErr::LogReadVerifyFailure)]
        );
    }
}

#[test]
fn a_log_cut_within_a_segment_is_refused_where_it_was_cut() {
    let mut bytes = log(&log_header(1, 9));
    bytes.truncate(3 * 4096 + 100);
    let (_folder, source, session) = begin_with("edb00001.log", &bytes, STRICT);
    assert_eq!(warnings(source.inventory()), ["edb00001.log -541"]);
    let (handle, _) = session.open_file(OsStr::new("edb00001.log")).unwrap();
    let mut buf = [0; 3 * 4096];
    session.read_at(handle, &mut buf, 0).unwrap();
    let error = session.read_at(handle, &mut buf, 3 * 4096).unwrap_err();
    assert_eq!(error.code(), JetErr::LogReadVerifyFailure);
    assert!(bytes.len() < usize::from(SEGMENTS) * 4096);
}

#[test]
fn a_log_of_version_7_is_refused_where_its_chain_is_broken_but_not_at_its_torn_end() {
    let good = old_log(1);
    let name = OsStr::new("edb00001.log");
    let sector = |number: usize| 4096 + (number - 1) * 512;
    let (_folder, source, session) = begin_with("edb00001.log", &good, STRICT);
    assert!(read_all(&session, name, 1000).unwrap() == good);
    assert!(source.findings().is_empty() && warnings(source.inventory()).is_empty());
    let mut bad = good.clone();
    bad[sector(2) + 100] ^= 1;
    let (_folder, source, session) = begin_with("edb00001.log", &bad, STRICT);
    let (handle, _) = session.open_file(name).unwrap();
    let mut buf = [0; 512];
    for number in 1..=SECTORS {
        let read = session.read_at(handle, &mut buf, sector(number) as u64);
        assert_eq!(read.is_err(), number == 2, "sector {number}");
    }
    let place = sector(2) as u64;
    assert_eq!(
        outcomes(&source),
        [(Outcome::Refused, place, JetErr::LogReadVerifyFailure)]
    );
    let (_folder, _source, session) = begin_with("edb00001.log", &bad, SHOW);
    assert!(read_all(&session, name, 1000).unwrap() == bad);
    let mut torn = good.clone();
    torn[sector(SECTORS) + 100] ^= 1;
    let (_folder, _source, session) = begin_with("edb00001.log", &torn, STRICT);
    assert!(read_all(&session, name, 1000).unwrap() == torn);
}

#[test]
fn the_kernel_may_read_by_itself_only_what_is_trusted_verified_and_sound() {
    let good = database(&header(PageSize::Kib4));
    let mut repaired = good.clone();
    flip_bit(page_mut(&mut repaired, PageSize::Kib4, 1), 5000);
    for (bytes, options, expected) in [
        (&good, TRUST, true),
        (&good, STRICT, false),
        (&repaired, TRUST, false),
    ] {
        let (_folder, _source, session) = begin_with("a.edb", bytes, options);
        let open = |session: &BackupSession| {
            let (handle, _) = session.open_file(OsStr::new("a.edb")).unwrap();
            Arc::clone(session.file(handle).unwrap().backup_file())
        };
        let file = open(&session);
        assert!(file.passthrough().is_none(), "not before it is verified");
        file.verify().unwrap();
        assert_eq!(file.passthrough().is_some(), expected);
        assert_eq!(
            open(&session).passthrough().is_some(),
            expected,
            "opened again, it is not read again"
        );
    }
}

#[test]
fn a_database_in_use_says_so_and_a_mount_keeps_engines_out() {
    let folder = tempdir().unwrap();
    instance(folder.path());
    let path = folder.path().join("a.edb");
    let engine = RealFileSystem.open(&path, OpenMode::ReadWrite).unwrap();
    assert!(engine.try_lock(LockKind::Exclusive).unwrap());
    let error = begin(folder.path(), STRICT).unwrap_err();
    assert_eq!(error.code(), JetErr::DatabaseInUse);
    assert!(
        error.to_string().contains(&format!("pid {}", std::process::id())),
        "{error}"
    );
    begin(
        folder.path(),
        AtRestOptions {
            lock: false,
            ..STRICT
        },
    )
    .unwrap();
    drop(engine);
    let (_one, first) = begin(folder.path(), STRICT).unwrap();
    let (_two, second) = begin(folder.path(), STRICT).unwrap();
    let engine = RealFileSystem.open(&path, OpenMode::ReadWrite).unwrap();
    assert!(!engine.try_lock(LockKind::Exclusive).unwrap());
    first.end().unwrap();
    second.end().unwrap();
    assert!(engine.try_lock(LockKind::Exclusive).unwrap());
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        7,
        "nothing was created"
    );
}

#[test]
fn an_instance_in_memory_is_read_as_well() {
    let fs = MemoryFileSystem::new(Arc::new(crate::io::RealClock));
    let bytes = database(&header(PageSize::Kib4));
    let file: Arc<dyn File> = fs.open(Path::new("/a.edb"), OpenMode::CreateNew).unwrap();
    file.write_all_at(&bytes, 0).unwrap();
    let paths = AtRestPaths {
        sources: vec!["/a.edb".into()],
        ..AtRestPaths::default()
    };
    let inventory = Inventory::take(&fs, &paths).unwrap();
    let source: Arc<dyn Source> = Arc::new(AtRestSource::new(Arc::new(fs), inventory, STRICT));
    let session = BackupSession::new(source);
    assert_eq!(
        session.begin(0).map_err(|error: JetError| error.code()),
        Err(JetErr::InvalidGrbit)
    );
    session.begin(BeginGrbit::SNAPSHOT.bits()).unwrap();
    assert!(read_all(&session, OsStr::new("a.edb"), 4096).unwrap() == bytes);
    assert_eq!(
        session.truncate_log().unwrap_err().code(),
        JetErr::InvalidBackupSequence
    );
}
