//! Small files of an instance, made for a test.

use crate::format::checksum::{old_page_checksum, stamp_page, stamp_segment};
use crate::format::{
    Checkpoint, DatabaseHeader, DbState, DbmsParam, LogHeader, LogPosition, LogTime, LogVersion, PageSize,
    Signature,
};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use std::path::Path;

/// Pages of a made database.
pub(super) const PAGES: u32 = 6;

pub(super) fn signature(random: u32) -> Signature {
    Signature {
        random,
        create: LogTime::utc(2026, 1, 2, 3, 4, 5, 6),
        computer: [0; 16],
    }
}

pub(super) fn header(size: PageSize) -> DatabaseHeader {
    let mut header = DatabaseHeader::new(size, signature(1)).unwrap();
    header.state = DbState::CleanShutdown;
    header
}

/// Header, shadow, and [`PAGES`] pages of random bytes with good ECC checksums. It has no space tree, so that all
/// pages are judged.
pub(super) fn database(header: &DatabaseHeader) -> Vec<u8> {
    let size = header.page_size;
    let mut bytes = header.encode().repeat(2);
    let mut random = StdRng::seed_from_u64(7);
    for pgno in 1..=PAGES {
        let mut page = vec![0; size.bytes()];
        random.fill_bytes(&mut page);
        stamp_page(&mut page, size, pgno);
        bytes.extend(page);
    }
    bytes
}

/// The bytes of page `pgno`.
pub(super) fn page_mut(bytes: &mut [u8], size: PageSize, pgno: u32) -> &mut [u8] {
    let start = usize::try_from(size.offset_of(pgno)).unwrap();
    &mut bytes[start..start + size.bytes()]
}

/// Turns a page into one of the old checksum format.
pub(super) fn make_old(page: &mut [u8], pgno: u32) {
    page[37] &= !0x20;
    // The upper half of the old checksum is the page number, which the lower half covers.
    page[4..8].copy_from_slice(&pgno.to_le_bytes());
    let checksum = old_page_checksum(page, pgno);
    page[..8].copy_from_slice(&checksum.to_le_bytes());
}

/// Segments of a made log, the header included.
pub(super) const SEGMENTS: u16 = 8;

pub(super) fn log_header(generation: u32, random: u32) -> LogHeader {
    let param = DbmsParam::new("", "", u32::from(SEGMENTS)).unwrap();
    let mut header = LogHeader::new(generation, SEGMENTS, signature(random), param).unwrap();
    let time = |generation: u32| LogTime::utc(2026, 1, 2, 3, u8::try_from(generation).unwrap(), 0, 0);
    header.create_time = time(generation);
    header.previous_create_time = if generation > 1 {
        time(generation - 1)
    } else {
        LogTime::default()
    };
    header
}

/// A log with segments 1 to 4, the shadow of 4 in slot 5, and zeros.
pub(super) fn log(header: &LogHeader) -> Vec<u8> {
    let mut bytes = header.encode();
    let mut random = StdRng::seed_from_u64(header.generation.into());
    for slot in 1..=4u16 {
        let mut segment = vec![0; 4096];
        random.fill_bytes(&mut segment);
        let position = LogPosition {
            generation: header.generation,
            sector: slot,
            byte: 0,
        };
        segment[8..16].copy_from_slice(&position.to_bytes());
        stamp_segment(&mut segment, slot.into());
        bytes.extend(segment);
    }
    bytes.extend_from_within(4 * 4096..);
    bytes.resize(usize::from(SEGMENTS) * 4096, 0);
    bytes
}

/// Sectors with records of a made log of version 7.
pub(super) const SECTORS: usize = 4;

/// A log of version 7 with sectors of 512 bytes: [`SECTORS`] flushes of a sector each, then the fill pattern.
pub(super) fn old_log(generation: u32) -> Vec<u8> {
    let mut header = log_header(generation, 9);
    header.set_version(LogVersion {
        major: 7,
        minor: 3704,
        update_major: 15,
        update_minor: 0,
    });
    (header.sector_size, header.header_sectors, header.file_sectors) = (512, 8, 8 + 128);
    let mut bytes = header.encode();
    let mut random = StdRng::seed_from_u64(8);
    for number in 1..=SECTORS {
        let mut sector = vec![0; 512];
        random.fill_bytes(&mut sector);
        let next = if number < SECTORS { 490u32 } else { 0 };
        let sum = sector[22..].chunks(4).fold(0xFEED_BEAFu32, |sum, word| {
            let mut whole = [0; 4];
            whole[..word.len()].copy_from_slice(word);
            sum ^ u32::from_le_bytes(whole)
        });
        sector[0] = 42;
        let fields = [0, 490, next, sum ^ 490 ^ next ^ 0xD1 ^ generation, 0];
        for (field, place) in fields.iter().zip(sector[1..21].chunks_mut(4)) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        sector[21] = 0xD1;
        bytes.extend(sector);
    }
    bytes.resize((8 + 128) * 512, 0xDA);
    bytes
}

pub(super) fn checkpoint(random: u32) -> Vec<u8> {
    let param = DbmsParam::new("", "", u32::from(SEGMENTS)).unwrap();
    let position = LogPosition {
        generation: 1,
        sector: 1,
        byte: 0,
    };
    Checkpoint::new(position, signature(random), param)
        .unwrap()
        .encode_copy()
        .repeat(2)
}

pub(super) fn write(folder: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(folder.join(name), bytes).unwrap();
}

/// A folder with a dirty database that needs generations 2 to 4 and has committed to 5, and logs 1 to 5.
pub(super) fn instance(folder: &Path) {
    let mut header = header(PageSize::Kib4);
    header.state = DbState::DirtyShutdown;
    header.log_signature = signature(9);
    (header.generation_min_required, header.generation_max_required) = (2, 4);
    header.generation_max_committed = 5;
    write(folder, "a.edb", &database(&header));
    for generation in 1..=4 {
        write(
            folder,
            &format!("edb{generation:05X}.log"),
            &log(&log_header(generation, 9)),
        );
    }
    write(folder, "edb.log", &log(&log_header(5, 9)));
    write(folder, "edb.chk", &checkpoint(9));
}
