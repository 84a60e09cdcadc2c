//! Log records, one by one and as whole logs with their framing.

use crate::corpus::Samples;
use crate::mutate::mutate;
use crate::parsers::{KIB, Parser};
use jetfs::format::checksum::stamp_segment;
use jetfs::format::log_record::{LogRecord, LogRecordType};
use jetfs::io::{FileSystem, MemoryFileSystem, OpenMode, Seeded};
use jetfs::store::log_reader::{LogFile, LogPlace, LogReader, RecordCursor};
use std::collections::BTreeMap;
use std::path::Path;

const SEGMENT: usize = 4096;
/// So many genuine records of each type are mutated.
const OF_EACH_TYPE: usize = 12;

/// All of them.
pub(crate) fn all(samples: &Samples) -> Vec<Parser> {
    let mut logs: Vec<_> = samples
        .logs
        .iter()
        .filter(|log| log.len() <= 512 * KIB)
        .cloned()
        .collect();
    logs.push(vec![0; 64 * KIB]);
    vec![
        Parser {
            name: "log-record",
            inputs: records(samples),
            mutate,
            stamp: None,
            parse: parse_record,
            memory_most: 64 * KIB,
            memory_factor: 64,
        },
        Parser {
            name: "log-reader",
            inputs: logs,
            mutate: mutate_segments,
            stamp: Some(crate::log_files::stamp_log_header),
            parse: read_log,
            memory_most: 1 << 20,
            memory_factor: 8,
        },
    ]
}

/// Records of zeros of every type, and genuine ones.
fn records(samples: &Samples) -> Vec<Vec<u8>> {
    let of_zeros = LogRecordType::ALL
        .iter()
        .map(|known| [vec![known.0], vec![0; 600]].concat());
    let mut records: BTreeMap<u8, Vec<Vec<u8>>> = BTreeMap::new();
    for log in &samples.logs {
        each_record(log, &mut |bytes| {
            let of_type = records.entry(bytes[0]).or_default();
            if of_type.len() < OF_EACH_TYPE {
                of_type.push(bytes.to_vec());
            }
        });
    }
    of_zeros.chain(records.into_values().flatten()).collect()
}

fn parse_record(bytes: &[u8]) {
    let Ok(record) = LogRecord::decode(bytes) else {
        return;
    };
    let len = LogRecord::len_of(bytes).unwrap();
    assert!(len <= bytes.len());
    assert_eq!(LogRecord::decode(&bytes[..len]), Ok(record));
    record.visit(&mut |name, value| drop(format!("{name}={value:?}")));
    let _ = (record.subject(), record.touches(1));
}

/// Changes one to four segments and makes their checksums right most of the time.
fn mutate_segments(log: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Seeded) {
    if random.one_in(10) {
        return mutate(log, others, random);
    }
    for _ in 0..=random.below(4) {
        let slot = 1 + random.index((log.len() / SEGMENT).saturating_sub(1).max(1));
        let Some(segment) = log.get_mut(slot * SEGMENT..(slot + 1) * SEGMENT) else {
            return;
        };
        // The header of the segment says where it belongs: with another one it would be nothing but damage.
        let mut changed = segment[40..].to_vec();
        let other = changed.clone();
        mutate(&mut changed, &[other], random);
        changed.resize(SEGMENT - 40, 0);
        segment[40..].copy_from_slice(&changed);
        if !random.one_in(8) {
            stamp_segment(segment, u32::try_from(slot).unwrap());
        }
    }
}

fn read_log(bytes: &[u8]) {
    each_record(bytes, &mut |record| assert!(!record.is_empty()));
    let fs = MemoryFileSystem::default();
    let path = Path::new("/a.log");
    fs.write_file(path, bytes).unwrap();
    for generation in [0, 1, 14] {
        let path = path.to_path_buf();
        let mut reader = LogReader::new(&fs, [LogPlace { path, generation }]);
        while let Ok(Some(_)) = reader.next_record() {}
    }
}

fn each_record(bytes: &[u8], each: &mut dyn FnMut(&[u8])) {
    let fs = MemoryFileSystem::default();
    let path = Path::new("/a.log");
    fs.write_file(path, bytes).unwrap();
    let file = fs.open(path, OpenMode::ReadOnly).unwrap();
    let Ok(log) = LogFile::load(file.as_ref(), path) else {
        return;
    };
    let mut cursor = RecordCursor::new();
    let mut last = None;
    while let Ok(Some(logged)) = cursor.next_record(&log) {
        assert!(last < Some(logged.position), "positions only grow");
        last = Some(logged.position);
        each(logged.bytes);
    }
}
