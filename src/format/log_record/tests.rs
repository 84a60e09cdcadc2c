//! Sizes as the master table says (section 4.2), and bytes that are no records.

use super::*;
use crate::JetErr;
use crate::io::Seeded;

/// Fixed length of each type, from the master table; the skippable types have their own lengths.
const FIXED: [(u8, usize); 66] = [
    (0, 1),
    (1, 568),
    (2, 18),
    (3, 9),
    (4, 1),
    (5, 4),
    (6, 4),
    (7, 4),
    (8, 8),
    (9, 8),
    (10, 7),
    (11, 11),
    (12, 11),
    (13, 11),
    (14, 43),
    (15, 75),
    (16, 7),
    (17, 1),
    (18, 18),
    (19, 3),
    (20, 3),
    (21, 4),
    (22, 5),
    (23, 1),
    (24, 56),
    (25, 48),
    (29, 50),
    (30, 48),
    (31, 52),
    (32, 44),
    (33, 50),
    (34, 50),
    (35, 44),
    (36, 56),
    (37, 54),
    (38, 46),
    (39, 51),
    (42, 22),
    (45, 3),
    (46, 5),
    (48, 46),
    (49, 576),
    (50, 26),
    (51, 9),
    (52, 26),
    (57, 3),
    (58, 68),
    (59, 3),
    (60, 35),
    (61, 5),
    (62, 110),
    (63, 96),
    (64, 54),
    (65, 96),
    (66, 46),
    (78, 10),
    (79, 4),
    (80, 26),
    (81, 10),
    (92, 14),
    (93, 58),
    (94, 10),
    (95, 20),
    (96, 16),
    (97, 2),
    (98, 27),
];

/// Bytes of a skippable record after its first five, as the engine writes it.
const SKIPPABLE: [(u8, usize); 12] = [
    (67, 12),
    (68, 5),
    (69, 3),
    (70, 39),
    (71, 7),
    (72, 45),
    (73, 13),
    (74, 10),
    (75, 0),
    (82, 1),
    (90, 9),
    (91, 100),
];

fn skippable(record_type: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; 5 + len];
    bytes[0] = record_type;
    bytes[1..5].copy_from_slice(&u32::try_from(len).unwrap().to_le_bytes());
    bytes
}

#[test]
fn every_type_has_the_length_of_the_master_table() {
    for (record_type, len) in FIXED.into_iter().chain([(99, 18), (100, 11), (101, 19)]) {
        let mut bytes = vec![0; len];
        bytes[0] = record_type;
        assert_eq!(LogRecord::len_of(&bytes), Ok(len), "type {record_type}");
        let record = LogRecord::decode(&bytes).unwrap();
        assert_eq!(record.record_type(), LogRecordType(record_type));
        for cut in 0..len {
            assert!(
                LogRecord::decode(&bytes[..cut]).is_err(),
                "type {record_type} cut to {cut}"
            );
        }
    }
}

#[test]
fn a_skippable_record_has_the_length_that_it_says() {
    for (record_type, len) in SKIPPABLE {
        let mut bytes = skippable(record_type, len);
        bytes.extend([0xEE; 20]);
        assert_eq!(LogRecord::len_of(&bytes), Ok(5 + len), "type {record_type}");
        assert!(LogRecord::decode(&bytes).is_ok(), "type {record_type}");
    }
    let too_short = skippable(72, 44);
    assert!(LogRecord::decode(&too_short).is_err());
}

#[test]
fn every_type_is_known_obsolete_framing_or_corrupt() {
    for number in 0..=255 {
        let bytes = [vec![number], vec![0; 1000]].concat();
        let result = LogRecord::decode(&bytes);
        match number {
            26..=28 | 40 | 41 | 43 | 44 | 47 | 53..=56 => {
                assert_eq!(
                    result.unwrap_err().jet_err(),
                    JetErr::BadLogVersion,
                    "type {number}"
                );
            }
            76 | 77 | 102.. => {
                assert_eq!(
                    result.unwrap_err().jet_err(),
                    JetErr::LogFileCorrupt,
                    "type {number}"
                );
            }
            // With no bytes after the first five they are shorter than their types.
            68 | 69 | 70 | 72 | 73 | 74 => assert!(result.is_err(), "type {number}"),
            _ => assert!(result.is_ok(), "type {number}: {result:?}"),
        }
    }
    let error = LogRecord::decode(&[200]).unwrap_err();
    assert_eq!(error.to_string(), "log record: type 200 is not known");
}

#[test]
fn the_tails_of_an_insertion_are_key_and_data() {
    let mut bytes = vec![0; 50];
    bytes[0] = 29;
    bytes[1..3].copy_from_slice(&5_u16.to_le_bytes());
    bytes[3] = 1;
    bytes[4..8].copy_from_slice(&77_u32.to_le_bytes());
    bytes[16..24].fill(0xFF);
    bytes[44..50].copy_from_slice(&[2, 0, 3, 0, 4, 0]);
    bytes.extend(b"preSUdata");
    let record = LogRecord::decode(&bytes).unwrap();
    let LogRecord::Insert(insert) = record else {
        panic!("{record:?}")
    };
    assert_eq!(
        (insert.key, insert.data, insert.prefix_len),
        (&b"preSU"[..], &b"data"[..], 3)
    );
    let subject = record.subject();
    assert_eq!(
        (subject.session, subject.database, subject.page),
        (Some(5), Some(1), Some(77))
    );
    assert_eq!((subject.dbtime, subject.dbtime_before), (Some(0), None));
    assert!(record.touches(77) && !record.touches(78));
}

#[test]
fn the_highest_bit_of_a_replacements_length_is_no_part_of_it() {
    let mut bytes = vec![0; 53];
    bytes[0] = 34;
    bytes[44..46].copy_from_slice(&0x8003_u16.to_le_bytes());
    assert_eq!(LogRecord::len_of(&bytes), Ok(53));
    let LogRecord::ReplaceDiff(replace) = LogRecord::decode(&bytes).unwrap() else {
        panic!()
    };
    assert!(replace.is_wide());
    assert_eq!(replace.image.len(), 3);
}

#[test]
fn a_path_is_read_in_the_form_that_its_flag_says() {
    let ansi = b"C:\\a.edb\0";
    let unicode: Vec<u8> = "C:\\a.edb\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (flags, path) in [(0_u8, &ansi[..]), (0x10, &unicode)] {
        let mut bytes = vec![16, 5, 0, 1, u8::try_from(path.len()).unwrap(), 0, flags];
        bytes.extend(path);
        let LogRecord::DetachDatabase(detach) = LogRecord::decode(&bytes).unwrap() else {
            panic!()
        };
        assert_eq!(detach.path.text(), "C:\\a.edb");
    }
}

#[test]
fn a_new_database_may_have_a_version_before_its_path() {
    let mut bytes = vec![0; 43];
    bytes[0] = 14;
    bytes[40] = 2;
    bytes[42] = CreateFlags::VERSION.bits();
    bytes.extend([2, 0, 7, 0, b'x', 0]);
    assert_eq!(LogRecord::len_of(&bytes), Ok(49));
    let LogRecord::CreateDatabase(create) = LogRecord::decode(&bytes).unwrap() else {
        panic!()
    };
    assert_eq!(
        (create.version, create.path.text()),
        (Some((2, 7)), "x".to_owned())
    );
}

#[test]
fn hostile_lengths_and_random_bytes_never_panic_and_what_decodes_is_written_again() {
    let mut random = Seeded::new(3);
    for _ in 0..20_000 {
        let mut bytes = vec![0; random.index(700)];
        random.fill(&mut bytes);
        let known = LogRecordType::ALL[random.index(LogRecordType::ALL.len())];
        if let Some(first) = bytes.first_mut() {
            *first = known.0;
        }
        let _ = LogRecord::len_of(&bytes);
        if let Ok(record) = LogRecord::decode(&bytes) {
            record.visit(&mut |_, value| drop(format!("{value:?}")));
            let _ = (record.subject(), record.touches(7));
            assert_written_again(&bytes, &record);
        }
    }
}

fn assert_written_again(bytes: &[u8], record: &LogRecord<'_>) {
    let mut written = Vec::new();
    record.encode(&mut written).unwrap();
    let len = LogRecord::len_of(bytes).unwrap();
    // A skippable record may have more bytes than its type has fields; they are passed over.
    if matches!(bytes[0], 68 | 70 | 72 | 74) && len > written.len() {
        return;
    }
    assert_eq!(written, bytes[..len], "{record:?}");
}

/// Every byte of every type belongs to a field, a tail, or what is reserved.
#[test]
fn every_type_is_written_as_it_was_read() {
    let mut random = Seeded::new(17);
    for round in 0..200 {
        for &LogRecordType(number) in LogRecordType::ALL {
            let mut bytes = vec![0; 700];
            // Lengths of tails are small where every second byte is zero.
            let fixed = 20 + random.index(100);
            random.fill(&mut bytes[..fixed]);
            let zeros = random.next_u64();
            for (at, byte) in bytes.iter_mut().enumerate().take(fixed) {
                if round % 4 != 0 && zeros >> (at % 64) & 1 == 1 {
                    *byte = 0;
                }
            }
            bytes[0] = number;
            if LogRecord::len_of(&bytes).is_ok_and(|len| len > bytes.len() || len < 2) {
                let known = SKIPPABLE.iter().find(|(skippable, _)| *skippable == number);
                let len = known.map_or(200, |(_, len)| *len);
                bytes[1..5].copy_from_slice(&u32::try_from(len).unwrap().to_le_bytes());
            }
            if let Ok(record) = LogRecord::decode(&bytes) {
                assert_written_again(&bytes, &record);
            }
        }
    }
    for (number, len) in FIXED {
        let mut bytes = vec![0; len];
        bytes[0] = number;
        assert_written_again(&bytes, &LogRecord::decode(&bytes).unwrap());
    }
}

#[test]
fn a_tail_that_is_too_long_for_its_length_is_an_error_and_nothing_is_written() {
    let bytes = [33].into_iter().chain([0; 49]).collect::<Vec<u8>>();
    let LogRecord::Replace(mut replace) = LogRecord::decode(&bytes).unwrap() else {
        panic!()
    };
    let image = vec![7; 0x8000];
    replace.image = &image[1..];
    let mut out = vec![9];
    LogRecord::Replace(replace).encode(&mut out).unwrap();
    assert_eq!(out.len(), 1 + 50 + 0x7fff);
    replace.image = &image;
    out.truncate(1);
    assert!(LogRecord::Replace(replace).encode(&mut out).is_err());
    assert_eq!(out, [9]);

    let bytes = [29].into_iter().chain([0; 49]).collect::<Vec<u8>>();
    let LogRecord::Insert(mut insert) = LogRecord::decode(&bytes).unwrap() else {
        panic!()
    };
    (insert.key, insert.prefix_len) = (b"abc", 4);
    assert!(LogRecord::Insert(insert).encode(&mut out).is_err());
    insert.prefix_len = 2;
    LogRecord::Insert(insert).encode(&mut out).unwrap();
    assert_eq!(out[1 + 44..1 + 48], [1, 0, 2, 0]);
}

#[test]
fn the_levels_that_a_begin_opens_are_told_apart_from_the_level_before() {
    let bytes = [8, 5, 0, 0x20, 0x3c, 0, 0, 0];
    let record = LogRecord::decode(&bytes).unwrap();
    let LogRecord::Begin0(begin) = record else {
        panic!("{record:?}");
    };
    assert_eq!(
        (begin.levels.from, begin.levels.count, begin.levels.after()),
        (0, 2, 2)
    );
}
