//! What is written is read again, framed as the genuine engine frames it, and whole at every moment.

use super::*;
use crate::JetErr;
use crate::format::log_record::{LogRecord, LogRecordType, RecoveryUndo2};
use crate::format::{
    AttachList, DbmsParam, LogHeader, LogPosition, LogTime, LogVersion, SEGMENT_LEN, Signature,
};
use crate::genuine_samples::sample;
use crate::io::{FaultFileSystem, FileSystem, OpenMode, RealFileSystem, Seeded, Which, count_up};
use crate::store::log_reader::{LogFile, LogPlace, LogReader, RecordCursor};
use std::path::{Path, PathBuf};

const SLOTS: u16 = 20;
const CURRENT: &str = "/l/edb.log";

fn time(second: u8) -> LogTime {
    LogTime::utc(2026, 11, 25, 1, 2, second, 3)
}

fn naming() -> LogNaming {
    LogNaming::new(Path::new("/l"), "edb", "log", LogDigits::Eight)
}

fn header(generation: u32) -> LogHeader {
    let signature = Signature {
        random: 0xFEED,
        ..Signature::default()
    };
    let param = DbmsParam::new("C:\\sys\\", "C:\\log\\", SLOTS.into()).unwrap();
    let mut header = LogHeader::new(generation, SLOTS, signature, param).unwrap();
    header.create_time = time(0);
    header
}

fn write_file(fs: &dyn FileSystem, path: &str, bytes: &[u8]) {
    let path = Path::new(path);
    fs.create_dir_all(path.parent().unwrap()).unwrap();
    let file = fs
        .open(path, OpenMode::ReadWrite)
        .or_else(|_| fs.open(path, OpenMode::CreateNew))
        .unwrap();
    file.set_len(0).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file.sync().unwrap();
    fs.sync_dir(path.parent().unwrap()).unwrap();
}

fn read_file(fs: &dyn FileSystem, path: &str) -> Vec<u8> {
    let file = fs.open(Path::new(path), OpenMode::ReadOnly).unwrap();
    let mut bytes = vec![0; usize::try_from(file.stat().unwrap().len).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// A file system whose current log has a header and no records.
fn empty_log() -> FaultFileSystem {
    let fs = FaultFileSystem::in_memory();
    let mut bytes = header(7).encode();
    bytes.resize(usize::from(SLOTS) * SEGMENT_LEN, 0);
    write_file(&fs, CURRENT, &bytes);
    fs
}

fn load(fs: &dyn FileSystem, path: &str) -> LogFile {
    let path = Path::new(path);
    LogFile::load(&*fs.open(path, OpenMode::ReadOnly).unwrap(), path).unwrap()
}

fn appender(fs: &dyn FileSystem) -> LogAppender {
    LogAppender::after(&load(fs, CURRENT), naming(), time(1)).unwrap()
}

/// A skippable record of `len` bytes in all.
fn skippable(seed: u8, len: usize) -> Vec<u8> {
    let inner = u32::try_from(len - 5).unwrap().to_le_bytes();
    [&[82], &inner[..], &vec![seed; len - 5]].concat()
}

fn append(appender: &mut LogAppender, bytes: &[u8]) -> LogPosition {
    appender.append(&LogRecord::decode(bytes).unwrap()).unwrap()
}

fn mark() -> LogRecord<'static> {
    LogRecord::RecoveryUndo2(RecoveryUndo2 { time: time(2) })
}

/// The logs that are there, in order.
fn places(fs: &dyn FileSystem) -> Vec<LogPlace> {
    let mut places: Vec<LogPlace> = Vec::new();
    for entry in fs.list(Path::new("/l")).unwrap() {
        let name = entry.name.into_string().unwrap();
        if name != "edbtmp.log" {
            let path = PathBuf::from(format!("/l/{name}"));
            let generation = load(fs, path.to_str().unwrap()).header().generation;
            places.push(LogPlace { path, generation });
        }
    }
    places.sort_by_key(|place| place.generation);
    places
}

type Records = Vec<(LogPosition, Vec<u8>)>;

/// Every record but fill.
fn read_all(fs: &dyn FileSystem) -> Records {
    let mut reader = LogReader::new(fs, places(fs));
    let mut records = Vec::new();
    while let Some(logged) = reader.next_record().unwrap() {
        if logged.record.record_type() != LogRecordType(71) {
            records.push((logged.position, logged.bytes.to_vec()));
        }
    }
    records
}

#[test]
fn records_of_every_length_are_read_at_the_positions_that_they_got() {
    let mut random = Seeded::new(5);
    for _ in 0..40 {
        let fs = empty_log();
        let mut appender = appender(&fs);
        let mut expected = Records::new();
        for seed in 0..60 {
            let most = [40, 500, 5000, 20_000][random.index(4)];
            let bytes = skippable(seed, 6 + random.index(most));
            expected.push((append(&mut appender, &bytes), bytes));
            if random.one_in(5) {
                appender.close_segment();
            }
            if random.one_in(20) {
                appender.take_writes().write(&fs).unwrap();
            }
        }
        appender.take_writes().write(&fs).unwrap();
        assert!(appender.take_writes().is_empty());
        assert!(read_all(&fs) == expected, "records differ");
        let last = load(&fs, CURRENT);
        assert_eq!(last.header().generation, appender.header().generation);
        assert_eq!(
            last.end_position().sector,
            appender.position().sector + u16::from(appender.position().byte != 0)
        );
    }
}

#[test]
fn the_first_record_of_a_segment_has_byte_0_and_a_closed_segment_is_followed_by_a_new_one() {
    let fs = empty_log();
    let mut appender = appender(&fs);
    let first = appender.append(&mark()).unwrap();
    let second = appender.append(&mark()).unwrap();
    appender.close_segment();
    appender.close_segment();
    let third = appender.append(&mark()).unwrap();
    let places = [first, second, third].map(|position| (position.sector, position.byte));
    assert_eq!(places, [(1, 0), (1, 49), (2, 0)]);
}

#[test]
fn a_segment_with_less_room_than_a_filler_needs_is_left_all_the_same() {
    for left in 0..8 {
        let fs = empty_log();
        let mut appender = appender(&fs);
        append(&mut appender, &skippable(1, 4056 - left));
        appender.close_segment();
        assert_eq!(appender.append(&mark()).unwrap().sector, 2);
        appender.take_writes().write(&fs).unwrap();
        assert_eq!(read_all(&fs).len(), 2, "{left} left");
    }
}

#[test]
fn a_record_is_broken_only_where_32_bytes_are_left() {
    for (left, position) in [(31, (2, 0)), (32, (1, 4064))] {
        let fs = empty_log();
        let mut appender = appender(&fs);
        append(&mut appender, &skippable(1, 4056 - left));
        let found = append(&mut appender, &skippable(2, 100));
        assert_eq!((found.sector, found.byte), position);
        appender.take_writes().write(&fs).unwrap();
        assert_eq!(read_all(&fs)[1].0, found);
    }
}

#[test]
fn a_full_log_is_closed_under_its_number_and_followed_by_one_that_is_tied_to_it() {
    let fs = empty_log();
    let mut appender = appender(&fs);
    let checkpoint = LogPosition {
        generation: 7,
        sector: 3,
        byte: 0,
    };
    appender.set_state(checkpoint, AttachList::default());
    let mut expected = Records::new();
    for seed in 0..100 {
        appender.set_time(time(seed % 60));
        let bytes = skippable(seed, 3000);
        expected.push((append(&mut appender, &bytes), bytes));
    }
    let writes = appender.take_writes();
    assert_eq!(
        writes.last_generation(),
        Some((11, appender.header().create_time))
    );
    writes.write(&fs).unwrap();
    let names: Vec<PathBuf> = places(&fs).into_iter().map(|place| place.path).collect();
    let archived = (7..11).map(|generation| naming().archived(generation));
    assert_eq!(names, archived.chain([naming().current()]).collect::<Vec<_>>());
    assert!(read_all(&fs) == expected, "records differ");
    let last = load(&fs, CURRENT);
    assert_eq!(last.header().checkpoint, checkpoint);
    let fresh = LogAppender::after(&last, naming(), time(1)).unwrap();
    assert_eq!(fresh.position().sector, last.end_position().sector);
}

#[test]
fn a_record_longer_than_a_log_is_refused() {
    let fs = empty_log();
    let mut appender = appender(&fs);
    let record = skippable(1, usize::from(SLOTS) * SEGMENT_LEN);
    let error = appender.append(&LogRecord::decode(&record).unwrap()).unwrap_err();
    assert_eq!(error.code(), JetErr::LogBufferTooSmall);
}

#[test]
fn a_torn_tail_is_repaired_before_anything_follows() {
    let fs = empty_log();
    let mut writer = appender(&fs);
    let bytes = skippable(1, 900);
    append(&mut writer, &bytes);
    writer.take_writes().write(&fs).unwrap();
    let mut file = read_file(&fs, CURRENT);
    file.copy_within(SEGMENT_LEN..2 * SEGMENT_LEN, 2 * SEGMENT_LEN);
    file[SEGMENT_LEN + 512..SEGMENT_LEN + 1024].fill(0xEE);
    write_file(&fs, CURRENT, &file);
    for in_next in [false, true] {
        let fs = empty_log();
        write_file(&fs, CURRENT, &file);
        let log = load(&fs, CURRENT);
        assert!(log.needs_repair());
        let mut writer = if in_next {
            LogAppender::in_next_generation(&log, naming(), time(1)).unwrap()
        } else {
            appender(&fs)
        };
        writer.append(&mark()).unwrap();
        writer.take_writes().write(&fs).unwrap();
        assert_eq!(read_all(&fs).len(), 2);
        assert!(
            places(&fs)
                .iter()
                .all(|place| !load(&fs, place.path.to_str().unwrap()).needs_repair())
        );
    }
}

#[test]
fn an_archived_log_is_followed_by_a_new_current_one() {
    let fs = empty_log();
    let mut writer = appender(&fs);
    writer.append(&mark()).unwrap();
    writer.take_writes().write(&fs).unwrap();
    let archived = naming().archived(7);
    fs.rename(Path::new(CURRENT), &archived).unwrap();
    let log = load(&fs, archived.to_str().unwrap());
    let mut writer = LogAppender::after(&log, naming(), time(1)).unwrap();
    assert_eq!(writer.append(&mark()).unwrap().generation, 8);
    writer.take_writes().write(&fs).unwrap();
    assert_eq!(read_all(&fs).len(), 2);
    assert_eq!(load(&fs, CURRENT).header().generation, 8);
}

#[test]
fn a_log_of_version_7_is_not_appended_to_but_may_be_followed() {
    let fs = empty_log();
    let mut old = header(7);
    (old.sector_size, old.header_sectors, old.file_sectors) = (512, 8, 160);
    old.set_version(LogVersion {
        major: 7,
        minor: 3704,
        update_major: 15,
        update_minor: 0,
    });
    let mut bytes = old.encode();
    bytes.resize(160 * 512, 0);
    write_file(&fs, CURRENT, &bytes);
    let log = load(&fs, CURRENT);
    let error = LogAppender::after(&log, naming(), time(1)).unwrap_err();
    assert_eq!(error.code(), JetErr::BadLogVersion);
    let mut writer = LogAppender::in_next_generation(&log, naming(), time(1)).unwrap();
    writer.append(&mark()).unwrap();
    writer.take_writes().write(&fs).unwrap();
    let new = load(&fs, CURRENT);
    assert_eq!((new.header().major, new.header().file_sectors), (8, 20));
    assert_eq!(new.header().check_follows(&old, None), Ok(()));
    assert_eq!(read_all(&fs).len(), 1);
}

#[test]
fn a_log_in_the_way_is_never_replaced() {
    let fs = empty_log();
    write_file(&fs, naming().archived(7).to_str().unwrap(), b"something else");
    let mut appender = appender(&fs);
    for seed in 0..40 {
        append(&mut appender, &skippable(seed, 3000));
    }
    let error = appender.take_writes().write(&fs).unwrap_err();
    assert_eq!(error.code(), JetErr::FileAlreadyExists);
    assert_eq!(
        read_file(&fs, naming().archived(7).to_str().unwrap()),
        b"something else"
    );
}

/// The records of the files, or `None` if the set cannot be appended to.
fn survivors(fs: &FaultFileSystem) -> Records {
    let logs = places(fs);
    let has_current = logs.iter().any(|place| place.path == naming().current());
    let has_temporary = fs.stat(&naming().temporary()).is_ok();
    assert!(
        has_current || has_temporary,
        "neither a current log nor one in preparation"
    );
    read_all(fs)
}

#[test]
fn a_power_cut_at_any_moment_leaves_whole_logs_that_can_be_appended_to() {
    for seed in 0..40 {
        let mut cuts = 0;
        count_up(|k| {
            let fs = empty_log();
            let mut writer = appender(&fs);
            writer.append(&mark()).unwrap();
            writer.take_writes().write(&fs).unwrap();
            let before = read_all(&fs).len();
            for record in 0..30 {
                append(&mut writer, &skippable(record, 3000));
            }
            let writes = writer.take_writes();
            fs.cut_power_at(k, Which::Changing, seed);
            let done = writes.write(&fs).is_ok();
            let reached = fs.reached();
            if !reached {
                fs.cut_power(seed).unwrap();
            }
            fs.restart();
            let records = survivors(&fs);
            assert!(
                records.len() >= before && (!done || records.len() == 31),
                "{:?}",
                fs.last_cut()
            );
            let last = places(&fs).pop().unwrap();
            let log = load(&fs, last.path.to_str().unwrap());
            let mut writer = LogAppender::after(&log, naming(), time(9)).unwrap();
            writer.append(&mark()).unwrap();
            writer.take_writes().write(&fs).unwrap();
            assert_eq!(read_all(&fs).len(), records.len() + 1);
            cuts += u32::from(reached);
            reached
        });
        assert!(cuts > 8, "only {cuts} cuts");
    }
}

#[test]
fn a_failing_operation_is_an_error_and_the_logs_are_whole() {
    count_up(|k| {
        let fs = empty_log();
        let mut writer = appender(&fs);
        for record in 0..30 {
            append(&mut writer, &skippable(record, 3000));
        }
        let writes = writer.take_writes();
        fs.fail(k, Which::Changing, std::io::ErrorKind::StorageFull);
        let result = writes.write(&fs);
        let reached = fs.reached();
        fs.disarm();
        if reached {
            assert_eq!(result.unwrap_err().code(), JetErr::DiskFull);
        }
        survivors(&fs);
        reached
    });
}

/// The records of a genuine log, put into an empty log with its header.
fn reframed(log: &LogFile) -> Option<(LogFile, usize)> {
    let fs = FaultFileSystem::in_memory();
    let mut bytes = log.header().encode();
    bytes.resize(usize::try_from(log.header().file_len()).unwrap(), 0);
    write_file(&fs, CURRENT, &bytes);
    let mut appender = appender(&fs);
    let mut cursor = RecordCursor::new();
    let mut left_early = 0;
    while let Some(logged) = cursor.next_record(log).unwrap() {
        // Where the engine stopped, the next run goes on in a new segment.
        if logged.position.byte == 0
            && appender.position().sector < logged.position.sector
            && appender.position().byte != 0
        {
            appender.leave_segment();
            left_early += 1;
        }
        assert_eq!(appender.append(&logged.record).unwrap(), logged.position);
    }
    if cursor.torn().is_some() || cursor.unfinished().is_some() {
        return None;
    }
    appender.take_writes().write(&fs).unwrap();
    Some((load(&fs, CURRENT), left_early))
}

#[test]
fn the_records_of_genuine_logs_are_framed_as_the_engine_framed_them() {
    let sets = [
        "genuine-4k/clean",
        "genuine-4k/dirty_recovered",
        "genuine-4k/bk_inc",
        "srum-server2022-day0",
    ];
    let mut compared = 0;
    for set in sets {
        let Some(folder) = sample(set) else { return };
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "log")
                || path.file_name().unwrap().to_str().unwrap().contains("tmp")
            {
                continue;
            }
            let log =
                LogFile::load(&*RealFileSystem.open(&path, OpenMode::ReadOnly).unwrap(), &path).unwrap();
            // A generation of which only a part was kept.
            let Ok((genuine, end)) = log.image() else { continue };
            let Some((ours, _)) = reframed(&log) else { continue };
            let (ours, our_end) = ours.image().unwrap();
            assert_eq!(our_end, end, "{}", path.display());
            let segments = genuine[..end].chunks(SEGMENT_LEN).zip(ours.chunks(SEGMENT_LEN));
            for (slot, (genuine, ours)) in segments.enumerate().skip(1) {
                let mut ours = ours.to_vec();
                ours[16..24].copy_from_slice(&genuine[16..24]);
                crate::format::checksum::stamp_segment(&mut ours, u32::try_from(slot).unwrap());
                assert!(ours == genuine, "{}: segment {slot}", path.display());
                compared += 1;
            }
        }
    }
    assert!(compared > 500, "only {compared} segments");
    println!("segments equal to genuine ones: {compared}");
}

#[test]
fn a_generation_ends_where_the_engine_ends_it() {
    let Some(folder) = sample("genuine-4k/clean") else {
        return;
    };
    let log = |generation: u32| {
        let path = folder.join(format!("edb{generation:08X}.log"));
        let file = RealFileSystem.open(&path, OpenMode::ReadOnly);
        file.map_or(None, |file| LogFile::load(&*file, &path).ok())
    };
    let mut rolls = 0;
    for generation in 1.. {
        let (Some(one), Some(next)) = (log(generation), log(generation + 1)) else {
            break;
        };
        let (fs, mut cursor) = (FaultFileSystem::in_memory(), RecordCursor::new());
        let mut bytes = one.header().encode();
        bytes.resize(usize::try_from(one.header().file_len()).unwrap(), 0);
        write_file(&fs, CURRENT, &bytes);
        let mut appender = appender(&fs);
        while let Some(logged) = cursor.next_record(&one).unwrap() {
            assert_eq!(appender.append(&logged.record).unwrap(), logged.position);
        }
        let mut cursor = RecordCursor::new();
        let first = cursor.next_record(&next).unwrap().unwrap();
        // A macro, or a begin and what it begins, is logged together, and goes to the next generation together.
        if matches!(first.record.record_type().0, 5 | 8 | 11) {
            continue;
        }
        assert_eq!(appender.append(&first.record).unwrap(), first.position);
        rolls += 1;
    }
    assert!(rolls > 2, "only {rolls} generations");
}
