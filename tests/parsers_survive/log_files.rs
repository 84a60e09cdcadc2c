//! Parsers of what lies beside the databases: logs, checkpoint, flush map, trailer.

use crate::corpus::Samples;
use crate::mutate::mutate;
use crate::parsers::{KIB, Parser};
use jetfs::format::checksum::{check_segment, header_checksum, stamp_segment};
use jetfs::format::{
    AttachList, Attachment, BackupInfo, Checkpoint, DbmsParam, FlushMapHeader, LegacyVerdict, LogHeader,
    LogPosition, LogVersion, PageSize, Signature, Trailer, check_flush_map_page,
};

/// All of them.
pub(crate) fn all(samples: &Samples) -> Vec<Parser> {
    vec![
        Parser {
            name: "log-header",
            inputs: log_headers(samples),
            mutate,
            stamp: Some(stamp_log_header),
            parse: parse_log_header,
            memory_most: 64 * KIB,
            memory_factor: 8,
        },
        Parser {
            name: "checkpoint",
            inputs: checkpoints(samples),
            mutate,
            stamp: Some(|bytes| stamp(bytes, Checkpoint::COPY_LEN)),
            parse: parse_checkpoint,
            memory_most: 64 * KIB,
            memory_factor: 8,
        },
        Parser {
            name: "flush-map",
            inputs: flush_maps(samples),
            mutate,
            stamp: Some(|bytes| stamp(bytes, FlushMapHeader::LEN)),
            parse: parse_flush_map,
            memory_most: 64 * KIB,
            memory_factor: 8,
        },
        Parser {
            name: "trailer",
            inputs: PageSize::ALL.map(own_trailer).to_vec(),
            mutate,
            stamp: Some(|bytes| stamp(bytes, bytes.len())),
            parse: parse_trailer,
            memory_most: 64 * KIB,
            memory_factor: 8,
        },
        Parser {
            name: "log-segment",
            inputs: segments(samples),
            mutate,
            stamp: Some(|bytes| {
                if let Some(segment) = bytes.get_mut(..4096) {
                    stamp_segment(segment, 1);
                }
            }),
            parse: |bytes| {
                if let Some(segment) = bytes.get(..4096) {
                    let _ = check_segment(segment, 1);
                }
            },
            memory_most: 64 * KIB,
            memory_factor: 8,
        },
        Parser {
            name: "legacy-log",
            inputs: vec![own_legacy_log()],
            mutate,
            stamp: None,
            parse: scan_legacy,
            memory_most: 64 * KIB,
            memory_factor: 64,
        },
    ]
}

/// The version 7 of a log of no particular contents, with one checksum record.
fn own_legacy_log() -> Vec<u8> {
    let mut header = LogHeader::new(5, 16, Signature::default(), own_dbms_param()).unwrap();
    (header.sector_size, header.header_sectors) = (512, 8);
    header.set_version(LogVersion {
        major: 7,
        minor: 3704,
        update_major: 15,
        update_minor: 0,
    });
    let mut log = header.encode();
    log.resize(8192, 0);
    log[4096] = 42;
    log[4101] = 100;
    log[4117] = 0xd1;
    log
}

/// Chains of checksum records, whatever the header says of the version.
fn scan_legacy(bytes: &[u8]) {
    if let Ok(header) = LogHeader::read(&own_legacy_log()) {
        let verdict = LegacyVerdict::scan(&header, bytes);
        assert!(verdict.damaged.iter().all(|range| range.end <= bytes.len()));
    }
}

/// Makes the XOR checksum of a header of `len` bytes right.
fn stamp(bytes: &mut [u8], len: usize) {
    if let Some(header) = bytes.get_mut(..len).filter(|header| header.len() >= 4) {
        let checksum = header_checksum(header);
        header[..4].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// Makes the checksum of a log's header right.
pub(crate) fn stamp_log_header(bytes: &mut [u8]) {
    stamp(bytes, LogHeader::LEN);
}

fn start(file: &[u8], len: usize) -> Vec<u8> {
    file[..len.min(file.len())].to_vec()
}

fn own_dbms_param() -> DbmsParam {
    DbmsParam::new("C:\\db\\", "C:\\log\\", 64).unwrap()
}

fn own_attach_list() -> AttachList {
    let empty = LogPosition::default();
    let mut attachment = Attachment {
        dbid: 1,
        flags: 0,
        dbtime: 1,
        objid_last: 5,
        pages_max: 0,
        attach: empty,
        consistent: empty,
        signature: Signature::default(),
        names: Vec::new(),
    };
    attachment.set_path("C:\\db\\test.edb");
    AttachList::new(&[attachment]).unwrap()
}

fn log_headers(samples: &Samples) -> Vec<Vec<u8>> {
    let mut own = LogHeader::new(5, 64, Signature::default(), own_dbms_param()).unwrap();
    own.attach_list = own_attach_list();
    let genuine = samples.logs.iter().map(|log| start(log, LogHeader::LEN));
    std::iter::once(own.encode()).chain(genuine).collect()
}

fn parse_log_header(bytes: &[u8]) {
    if let Ok(header) = LogHeader::read(bytes) {
        let _ = (
            header.version().to_string(),
            header.body(),
            header.page_size(),
            header.file_len(),
        );
        let _ = (
            header.check_follows(&header, Some(1)),
            header.dbms_param.log_path_text(),
        );
        parse_attach_list(&header.attach_list);
        assert_eq!(LogHeader::read(&header.encode()).unwrap(), header);
    }
}

fn parse_attach_list(list: &AttachList) {
    for attachment in list.attachments().into_iter().flatten() {
        let _ = attachment.path();
    }
}

fn checkpoints(samples: &Samples) -> Vec<Vec<u8>> {
    let mut own = Checkpoint::new(LogPosition::default(), Signature::default(), own_dbms_param()).unwrap();
    own.attach_list = own_attach_list();
    let genuine = samples
        .checkpoints
        .iter()
        .map(|file| start(file, Checkpoint::FILE_LEN));
    std::iter::once(own.encode_copy().repeat(2))
        .chain(genuine)
        .collect()
}

fn parse_checkpoint(bytes: &[u8]) {
    if let Ok(chosen) = Checkpoint::read(bytes) {
        let _ = chosen.checkpoint.has_attach_list();
        parse_attach_list(&chosen.checkpoint.attach_list);
    }
}

fn flush_maps(samples: &Samples) -> Vec<Vec<u8>> {
    let mut own = vec![0; 2 * FlushMapHeader::LEN];
    own[667] = 7;
    let genuine = samples
        .flush_maps
        .iter()
        .map(|file| start(file, 2 * FlushMapHeader::LEN));
    std::iter::once(own).chain(genuine).collect()
}

fn parse_flush_map(bytes: &[u8]) {
    let _ = FlushMapHeader::read(bytes).map(|header| header.is_clean());
    let _ = check_flush_map_page(bytes.get(FlushMapHeader::LEN..).unwrap_or_default(), 0);
}

fn own_trailer(size: PageSize) -> Vec<u8> {
    let signature = Signature::default();
    let trailer = Trailer::new(size, BackupInfo::default(), signature, signature).unwrap();
    trailer.encode()
}

fn parse_trailer(bytes: &[u8]) {
    for size in PageSize::ALL {
        let _ = Trailer::read(bytes, size);
    }
}

fn segments(samples: &Samples) -> Vec<Vec<u8>> {
    let genuine = samples
        .logs
        .iter()
        .flat_map(|log| log.chunks_exact(4096).skip(1).take(5));
    std::iter::once(vec![1; 4096])
        .chain(genuine.map(<[u8]>::to_vec))
        .collect()
}
