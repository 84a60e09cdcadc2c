//! Genuine splits and merges on pages of which any may have been written before the crash: each decides alone, with
//! the same outcome (log-and-recovery.md section 6.4).

use super::genuine_logs::each_record_of;
use super::genuine_replay::logs_of;
use super::replay::Replay;
use crate::format::log_record::LogRecord;
use crate::format::{NodeFlags, PageBuffer};
use crate::genuine_samples::sample;
use crate::io::Seeded;
use std::collections::BTreeMap;

type Pages = BTreeMap<u32, PageBuffer>;

/// The pages that a macro's records name.
fn named(records: &[Vec<u8>]) -> Vec<u32> {
    let mut pages = Vec::new();
    for bytes in records {
        match LogRecord::decode(bytes).unwrap() {
            LogRecord::Split(split) => pages.extend([split.page.page, split.page_new, split.page_right]),
            LogRecord::Merge(merge) => pages.extend([merge.page.page, merge.page_left, merge.page_right]),
            _ => {}
        }
    }
    pages.retain(|page| *page != 0);
    pages
}

fn snapshot(replay: &Replay, named: &[u32]) -> Pages {
    let there = named.iter().filter_map(|page| replay.pages.pages.get(page));
    there.map(|page| (page.pgno(), page.clone())).collect()
}

/// The page without the flags that say that a version may exist: the engine takes them away unlogged, so that the image
/// in a record may lack some that a replay from the beginning still has.
fn without_versions(page: &PageBuffer) -> PageBuffer {
    let mut page = page.clone();
    for line in 0..page.node_count() {
        let flags = page.node_flags(line).unwrap();
        page.set_node_flags(line, flags - NodeFlags::VERSIONED).unwrap();
    }
    page
}

/// Applies a macro with every set of its pages written already.
fn every_mix_of_ages_gives(before: &Pages, after: &Pages, records: &[Vec<u8>], replay: &Replay) {
    let count = u32::try_from(after.len()).unwrap();
    for written in 0..1u32 << count {
        let mut mixed = Replay::new(replay.pages.size);
        mixed.pages.pages = before.clone();
        for (bit, (pgno, page)) in after.iter().enumerate() {
            if written >> bit & 1 == 1 {
                mixed.pages.pages.insert(*pgno, page.clone());
            }
        }
        mixed
            .apply_macro(records)
            .unwrap_or_else(|error| panic!("{error}, written {written:#b}"));
        for (pgno, page) in after {
            let made = without_versions(&mixed.pages.pages[pgno]);
            assert!(
                made == without_versions(page),
                "page {pgno}, written {written:#b} of {:?}",
                after.keys()
            );
        }
    }
}

/// Sees a macro: the pages before and after it, its records, and the replay.
type Visit<'v> = dyn FnMut(&Pages, &Pages, &[Vec<u8>], &Replay) + 'v;

/// Gives every split and merge of these sets to `visit`.
fn each_macro(visit: &mut Visit<'_>) {
    for name in [
        "p4096_e8920_moves_dirty",
        "p4096_e8920_crash_dirty",
        "p4096_e8920_types_dirty",
    ] {
        let Some(set) = sample(&format!("genuine-scenarios/{name}")) else {
            return;
        };
        let mut replay: Option<Replay> = None;
        for log in logs_of(&set) {
            each_record_of(&log, &mut |_, size, logged| {
                let replay = replay.get_or_insert_with(|| Replay::new(size));
                let open = match &logged.record {
                    LogRecord::MacroCommit(end) => replay.macros.get(&(end.session, end.dbtime)).cloned(),
                    _ => None,
                };
                let records = open.unwrap_or_default();
                let pages = named(&records);
                let before = snapshot(replay, &pages);
                replay.record(&logged.record, logged.bytes).unwrap();
                if !pages.is_empty() {
                    visit(&before, &snapshot(replay, &pages), &records, replay);
                }
            });
        }
    }
}

#[test]
fn each_page_of_a_genuine_split_or_merge_decides_alone() {
    let mut macros = 0;
    each_macro(&mut |before, after, records, replay| {
        macros += 1;
        every_mix_of_ages_gives(before, after, records, replay);
    });
    println!("{macros} macros");
}

/// Bytes of genuine records replaced by others, on the pages that they were written for: an answer, never a panic, and
/// no page that is none.
#[test]
fn mutated_splits_and_merges_end_in_errors_or_in_pages() {
    let mut random = Seeded::new(0x5711);
    let (mut applied, mut refused) = (0, 0);
    each_macro(&mut |before, after, records, replay| {
        for attempt in 0..40 {
            let mut records = records.to_vec();
            for _ in 0..=random.below(3) {
                let record = random.index(records.len());
                let bytes = &mut records[record];
                // The fixed part of the longer of the two records, and what follows, less often.
                let end = if attempt % 4 == 0 {
                    bytes.len()
                } else {
                    bytes.len().min(112)
                };
                let at = random.index(end);
                let byte: [u8; 5] = [0, 1, 0x7f, 0xff, random.next_u64().to_le_bytes()[0]];
                bytes[at] = byte[random.index(5)];
            }
            let types = [62, 63, 29, 31, 33, 34];
            let decodes = |bytes: &Vec<u8>| types.contains(&bytes[0]) && LogRecord::decode(bytes).is_ok();
            if !records.iter().all(decodes) {
                continue;
            }
            let mut pages = Replay::new(replay.pages.size);
            pages.pages.pages = before.clone();
            if attempt % 2 == 0 {
                pages
                    .pages
                    .pages
                    .extend(after.iter().next().map(|(pgno, page)| (*pgno, page.clone())));
            }
            match pages.apply_macro(&records) {
                Ok(()) => {
                    applied += 1;
                    for page in pages.pages.pages.values() {
                        page.view().unwrap().check().unwrap();
                    }
                }
                Err(_) => refused += 1,
            }
        }
    });
    println!("{applied} applied, {refused} refused");
}
