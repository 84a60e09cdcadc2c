//! Every genuine file is read as its engine wrote it: header copies, page checksums, logs and their chains,
//! checkpoints, attach lists, flush maps, trailers of streaming backups.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use jetfs::format::checksum::{PageState, check_page};
use jetfs::format::{
    Checkpoint, DatabaseHeader, FlushMapHeader, HeaderCopy, LogBody, LogHeader, LogScan, LogVerdict,
    OtherCopy, PageSize, SEGMENT_LEN, Trailer, check_flush_map_page, choose_copy,
};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use support::{Samples, Set, names_in};

/// A file of a set: its bytes and what to call it when something is wrong.
struct Sample {
    what: String,
    bytes: Vec<u8>,
}

fn read_all(samples: &Samples, ends: &[&str]) -> Vec<Sample> {
    samples
        .sets()
        .iter()
        .flat_map(|set| read_set(set, ends))
        .collect()
}

fn read_set(set: &Set, ends: &[&str]) -> Vec<Sample> {
    set.files()
        .iter()
        .filter(|name| ends.iter().any(|end| name.ends_with(end)))
        .map(|name| Sample {
            what: format!("{}/{name}", set.name),
            bytes: fs::read(set.dir.join(name)).unwrap(),
        })
        .collect()
}

const DATABASES: &[&str] = &[".edb", ".dit", ".dat", ".db"];

fn header_of(database: &Sample) -> DatabaseHeader {
    let chosen = choose_copy(&database.bytes).unwrap_or_else(|error| panic!("{}: {error}", database.what));
    let header = chosen
        .header
        .decode()
        .unwrap_or_else(|error| panic!("{}: {error}", database.what));
    assert_eq!(
        (chosen.used, chosen.other),
        (HeaderCopy::Primary, OtherCopy::Same),
        "{}",
        database.what
    );
    assert_eq!(header.encode(), chosen.header.page(), "{}", database.what);
    header
}

/// Whether the file is what a streaming backup returned, with a trailer behind its last page.
fn has_trailer(header: &DatabaseHeader) -> bool {
    header.backup_full_current.is_set() && header.backup_full_current.generation_high == 0
}

#[test]
fn both_header_copies_of_every_database_are_good_and_survive_the_way_to_values_and_back() {
    let Some(samples) = Samples::find("both_header_copies") else {
        return;
    };
    let databases = read_all(&samples, DATABASES);
    for database in &databases {
        let header = header_of(database);
        assert!(!header.is_newer_than_known(), "{}", database.what);
        println!("{}: {} {}", database.what, header.version_text(), header.state);
    }
    assert!(databases.len() >= 40, "only {} databases", databases.len());
}

#[test]
fn every_page_of_every_database_is_good_or_was_never_written() {
    let Some(samples) = Samples::find("every_page") else {
        return;
    };
    let (mut good, mut uninitialised) = (BTreeMap::new(), 0);
    for database in read_all(&samples, DATABASES) {
        let header = header_of(&database);
        let size = header.page_size;
        assert_eq!(database.bytes.len() % size.bytes(), 0, "{}", database.what);
        let pages: Vec<&[u8]> = database.bytes.chunks(size.bytes()).skip(2).collect();
        let owned = pages.len() - usize::from(has_trailer(&header));
        for (pgno, page) in (1..).zip(&pages[..owned]) {
            match check_page(page, size, pgno) {
                PageState::Good => *good.entry(size).or_insert(0) += 1,
                PageState::Uninitialised => uninitialised += 1,
                state => panic!("{}, page {pgno}: {state:?}", database.what),
            }
        }
    }
    println!("good: {good:?}, never written: {uninitialised}");
    assert!(good.keys().any(|size| *size == PageSize::Kib4) && good.keys().any(|size| !size.is_small()));
}

/// The databases that a traced streaming backup returned, which are kept compressed.
fn traced_backups(samples: &Samples) -> Vec<Sample> {
    let dir = samples.root().join("protocol-traces/small4k/full");
    names_in(&dir)
        .into_iter()
        .filter(|name| name.ends_with(".edb.gz"))
        .map(|name| {
            let gzip = Command::new("gzip")
                .arg("-dc")
                .arg(dir.join(&name))
                .output()
                .unwrap();
            assert!(gzip.status.success(), "gzip -dc {name}");
            Sample {
                what: name,
                bytes: gzip.stdout,
            }
        })
        .collect()
}

#[test]
fn a_streaming_backup_ends_in_a_trailer_that_names_its_database() {
    let Some(samples) = Samples::find("trailers") else {
        return;
    };
    let mut databases = read_all(&samples, DATABASES);
    databases.extend(traced_backups(&samples));
    let mut found = 0;
    for database in databases {
        let header = header_of(&database);
        if has_trailer(&header) {
            check_trailer(&database, &header);
            found += 1;
        }
    }
    assert!(found >= 4, "only {found} trailers");
}

fn check_trailer(database: &Sample, header: &DatabaseHeader) {
    let (what, size) = (&database.what, header.page_size);
    let last = &database.bytes[database.bytes.len() - size.bytes()..];
    let trailer = Trailer::read(last, size).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(trailer.signature, header.signature, "{what}");
    assert_eq!(trailer.log_signature, header.log_signature, "{what}");
    assert_eq!(trailer.backup.mark, header.backup_full_current.mark, "{what}");
    assert!(
        trailer.backup.generation_high >= trailer.backup.generation_low,
        "{what}"
    );
    assert!(
        trailer.generation_max_committed <= trailer.backup.generation_high,
        "{what}"
    );
    assert_eq!(trailer.encode(), last, "{what}");
    println!(
        "{what}: {:?}, required {}",
        trailer.backup, trailer.generation_min_required
    );
}

/// Scans a log of version 8.
fn scan(header: &LogHeader, log: &Sample) -> LogVerdict {
    let mut scan = LogScan::new(header);
    for segment in log.bytes[LogHeader::LEN..].chunks(SEGMENT_LEN) {
        scan.push(segment).unwrap();
    }
    scan.finish()
}

/// The logs of a set, by generation. A log in preparation has no header yet, or an older one.
fn logs_of(set: &Set) -> BTreeMap<u32, (LogHeader, Sample)> {
    let mut logs = BTreeMap::new();
    for log in read_set(set, &[".log", ".jtx"]) {
        if log.what.to_lowercase().ends_with("tmp.log") {
            continue;
        }
        let header = LogHeader::read(&log.bytes).unwrap_or_else(|error| panic!("{}: {error}", log.what));
        assert_eq!(header.encode(), log.bytes[..LogHeader::LEN], "{}", log.what);
        assert_eq!(header.file_len(), log.bytes.len() as u64, "{}", log.what);
        let other = logs.insert(header.generation, (header, log));
        assert!(other.is_none(), "{}: two logs of a generation", set.name);
    }
    logs
}

#[test]
fn every_log_is_sound_and_continues_the_one_before() {
    let Some(samples) = Samples::find("logs") else {
        return;
    };
    let (mut logs, mut segments, mut links, mut torn) = (0, 0, 0, 0);
    for set in samples.sets() {
        let mut previous: Option<(LogHeader, u64)> = None;
        for (header, log) in logs_of(&set).into_values() {
            assert_eq!(header.body(), Ok(LogBody::Segments));
            let verdict = scan(&header, &log);
            assert!(verdict.is_sound(), "{}: {verdict:?}", log.what);
            assert_eq!(verdict.repaired, [], "{}", log.what);
            header.attach_list.attachments().unwrap();
            if let Some((before, sum)) = previous
                && before.generation + 1 == header.generation
            {
                let link = header.check_follows(&before, Some(sum));
                assert_eq!(link, Ok(()), "{}", log.what);
                links += 1;
            }
            logs += 1;
            segments += u32::from(verdict.valid);
            torn += u32::from(verdict.torn.is_some());
            previous = Some((header, verdict.segments_checksum));
        }
    }
    println!("{logs} logs, {segments} segments, {links} links between generations, {torn} torn tails");
    assert!(links > 100, "only {links} links");
}

#[test]
fn both_copies_of_every_checkpoint_are_good_and_belong_to_the_logs() {
    let Some(samples) = Samples::find("checkpoints") else {
        return;
    };
    let mut found = 0;
    for set in samples.sets() {
        let logs = logs_of(&set);
        for file in read_set(&set, &[".chk", ".jcp"]) {
            let chosen =
                Checkpoint::read(&file.bytes).unwrap_or_else(|error| panic!("{}: {error}", file.what));
            assert_eq!(
                (chosen.used, &chosen.other),
                (HeaderCopy::Primary, &OtherCopy::Same),
                "{}",
                file.what
            );
            assert_eq!(file.bytes.len(), Checkpoint::FILE_LEN, "{}", file.what);
            let checkpoint = chosen.checkpoint;
            assert_eq!(
                checkpoint.encode_copy(),
                file.bytes[..Checkpoint::COPY_LEN],
                "{}",
                file.what
            );
            for (header, log) in logs.values() {
                assert_eq!(header.signature, checkpoint.log_signature, "{}", log.what);
            }
            for attachment in checkpoint.attach_list.attachments().unwrap() {
                assert!(
                    attachment.path().contains(['\\', '/']),
                    "{}: {attachment:?}",
                    file.what
                );
            }
            found += 1;
        }
    }
    assert!(found >= 20, "only {found} checkpoints");
}

#[test]
fn attach_lists_name_the_databases_that_lie_beside_the_logs() {
    let Some(samples) = Samples::find("attach_lists") else {
        return;
    };
    let mut found = 0;
    for set in samples.sets() {
        let signatures: Vec<_> = read_set(&set, DATABASES)
            .iter()
            .map(|database| header_of(database).signature)
            .collect();
        for (header, log) in logs_of(&set).into_values() {
            for attachment in header.attach_list.attachments().unwrap() {
                assert!(attachment.attach.generation <= header.generation, "{}", log.what);
                assert!((1..=6).contains(&attachment.dbid), "{}", log.what);
                found += usize::from(signatures.contains(&attachment.signature));
            }
        }
    }
    assert!(found > 100, "only {found} attachments of databases at hand");
}

#[test]
fn the_header_and_every_page_of_a_flush_map_are_good() {
    let Some(samples) = Samples::find("flush_maps") else {
        return;
    };
    let mut pages = 0;
    let maps = read_all(&samples, &[".jfm"]);
    for map in &maps {
        let header = FlushMapHeader::read(&map.bytes).unwrap_or_else(|error| panic!("{}: {error}", map.what));
        assert_eq!(header.encode(), map.bytes[..FlushMapHeader::LEN], "{}", map.what);
        for (index, page) in (0..).zip(map.bytes.chunks(FlushMapHeader::LEN).skip(1)) {
            let state = check_flush_map_page(page, index).unwrap();
            assert!(
                matches!(state, PageState::Good | PageState::Uninitialised),
                "{}, map page {index}: {state:?}",
                map.what
            );
            pages += 1;
        }
    }
    println!("{} flush maps, {pages} map pages", maps.len());
    assert!(!maps.is_empty());
}
