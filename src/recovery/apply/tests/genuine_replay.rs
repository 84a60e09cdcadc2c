//! Whole databases, made again from nothing by applying every record of their logs, byte for byte.

use super::genuine_logs::each_record_of;
use super::replay::Replay;
use crate::format::{Node, Page, PageFlags};
use crate::genuine_samples::sample;
use std::path::{Path, PathBuf};

/// The logs of a set in the order of their generations.
pub(super) fn logs_of(directory: &Path) -> Vec<PathBuf> {
    let mut logs: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .filter(|path| !path.to_string_lossy().ends_with("tmp.log"))
        .collect();
    // The current generation has the shortest name.
    logs.sort_by_key(|path| (path.file_name().unwrap().len() == 7, path.clone()));
    logs
}

pub(super) fn replay(logs: &[PathBuf]) -> Replay {
    let mut replay: Option<Replay> = None;
    for log in logs {
        each_record_of(log, &mut |path, size, logged| {
            let replay = replay.get_or_insert_with(|| Replay::new(size));
            if let Err(error) = replay.record(&logged.record, logged.bytes) {
                panic!(
                    "{} at {}: {error}: {:?}",
                    path.display(),
                    logged.position,
                    logged.record
                );
            }
        });
    }
    replay.unwrap()
}

/// How two pages differ in what they say, but for checksums, flush type, version flags, cbUncommittedFree and
/// ibMicFree.
fn difference(made: &Page<'_>, stored: &Page<'_>) -> Option<String> {
    let header = |page: &Page<'_>| {
        let mut header = page.header;
        (header.uncommitted_free, header.mic_free) = (0, 0);
        header.flags -= PageFlags::FLUSH_TYPE_LOW
            | PageFlags::FLUSH_TYPE_HIGH
            | PageFlags::NEW_CHECKSUM_FORMAT
            | PageFlags::SCRUBBED;
        header
    };
    if header(made) != header(stored) {
        return Some(format!("{:?}, not {:?}", header(made), header(stored)));
    }
    if made.external_header() != stored.external_header() {
        return Some("another external header".into());
    }
    let says = |node: Node<'_>| {
        (
            node.is_deleted(),
            node.prefix.len(),
            node.key(),
            node.data.to_vec(),
        )
    };
    (0..made.node_count())
        .map(|line| {
            (
                line,
                says(made.node(line).unwrap()),
                says(stored.node(line).unwrap()),
            )
        })
        .find(|(_, made, stored)| made != stored)
        .map(|(line, made, stored)| format!("line {line}: {made:?}, not {stored:?}"))
}

/// Whether the bytes of all nodes lie at the same places. That of an empty external header is the luck of a sort.
fn lies_the_same(a: &Page<'_>, b: &Page<'_>) -> bool {
    let places = |page: &Page<'_>| -> Vec<_> {
        (0..usize::from(page.header.tags))
            .map(|index| page.tag(index).unwrap())
            .filter(|tag| !tag.bytes.is_empty())
            .map(|tag| (tag.offset, tag.bytes.len()))
            .collect()
    };
    places(a) == places(b)
}

/// Replays a set and compares every page that it made with that of the database. Returns how many pages there are, and
/// how many are the same in every byte behind the header, unused ones and version flags included.
fn replay_gives(directory: &Path, database: &Path) -> (usize, usize) {
    compare(&replay(&logs_of(directory)), database)
}

/// Compares every page that a replay made with that of a database. Returns how many they are, and how many of them
/// have the same bytes.
pub(super) fn compare(replay: &Replay, database: &Path) -> (usize, usize) {
    let size = replay.pages.size;
    let bytes = std::fs::read(database).unwrap();
    let (mut same_bytes, mut elsewhere, mut different) = (0, Vec::new(), Vec::new());
    for (&pgno, made) in &replay.pages.pages {
        let start = usize::try_from(size.offset_of(pgno)).unwrap();
        let stored = Page::new(size, pgno, &bytes[start..start + size.bytes()]).unwrap();
        let made = made.view().unwrap();
        made.check().unwrap();
        if let Some(what) = difference(&made, &stored) {
            different.push(format!("page {pgno}: {what}"));
        }
        // A running engine moves the nodes of large pages together when it wants memory back.
        if size.is_small() && !lies_the_same(&made, &stored) {
            elsewhere.push(pgno);
        }
        let body = size.header_len();
        same_bytes += usize::from(made.bytes()[body..] == stored.bytes()[body..]);
    }
    println!(
        "{}: {} records, {} pages, {same_bytes} of them with the same bytes",
        database.display(),
        replay.applied,
        replay.pages.pages.len()
    );
    assert!(replay.applied > 0);
    assert!(different.is_empty(), "{different:#?}");
    assert!(elsewhere.is_empty(), "nodes elsewhere on pages {elsewhere:?}");
    (replay.pages.pages.len(), same_bytes)
}

#[test]
fn the_logs_of_a_windows_database_make_it_again() {
    let (Some(set), Some(made)) = (
        sample("srum-server2022-day0"),
        sample("srum-server2022-day0-fromlogs"),
    ) else {
        return;
    };
    let (pages, same_bytes) = replay_gives(&set, &made.join("SRUDB.dat"));
    assert_eq!(
        pages, same_bytes,
        "it was made by a recovery, which does what we do"
    );
}

#[test]
fn the_logs_of_clean_sets_make_their_databases_again() {
    for set in ["genuine-4k/clean", "genuine-scenarios/p4096_e8920_types_clean"] {
        let Some(set) = sample(set) else { return };
        replay_gives(&set, &set.join("test.edb"));
    }
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/samples-cache");
    for archive in std::fs::read_dir(unpacked).into_iter().flatten().flatten() {
        for set in [
            "clean",
            "genuine-32k/clean",
            "p16384_e8920_types_clean",
            "p32768_e8920_types_clean",
        ] {
            let set = archive.path().join(set);
            if set.join("test.edb").exists() {
                replay_gives(&set, &set.join("test.edb"));
            }
        }
    }
}
