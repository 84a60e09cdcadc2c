//! Genuine records with wrong bits, applied to genuine pages, and to pages with wrong bytes: never a panic, and a page
//! that was one stays one unless an error says otherwise.

use super::genuine_logs::each_record;
use super::memory::MemoryPages;
use crate::format::log_record::LogRecord;
use crate::format::{PageBuffer, PageSize, decode_before_image};
use crate::recovery::{
    Undoing, apply_convert_fdp, apply_create_multiple_extent, apply_create_single_extent, apply_new_page,
    apply_node, undo_node,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Records that this folder applies, and pages that they may meet.
#[derive(Default)]
struct Corpus {
    records: Vec<Vec<u8>>,
    pages: Vec<PageBuffer>,
}

impl Corpus {
    /// Every 50th record of the kinds in question, and the images of splits and merges.
    fn genuine() -> Self {
        let mut corpus = Corpus::default();
        let mut count = 0;
        each_record(&mut |_, size, logged| {
            let image = match logged.record {
                LogRecord::Split(split) => Some((split.page.page, split.before_image, split.image_flags)),
                LogRecord::Merge(merge) => Some((merge.page.page, merge.before_image, merge.image_flags)),
                _ => None,
            };
            if let Some((page, image, flags)) = image.filter(|(_, image, _)| !image.is_empty()) {
                corpus
                    .pages
                    .extend(decode_before_image(image, flags, size, page).ok());
            }
            let number = logged.record.record_type().0;
            let is_rare = matches!(number, 24 | 25 | 30 | 31 | 37 | 38 | 58 | 93 | 95);
            count += 1;
            if (24..=38).contains(&number) && count % 50 == 0 || is_rare {
                corpus.records.push(logged.bytes.to_vec());
            }
        });
        corpus
    }
}

fn apply(page: &mut PageBuffer, size: PageSize, record: &LogRecord<'_>) -> bool {
    let mut pages = MemoryPages::new(size);
    let applied = match record {
        LogRecord::NewPage(record) => apply_new_page(&mut pages, record),
        LogRecord::CreateSingleExtentFdp(record) => apply_create_single_extent(&mut pages, record),
        LogRecord::CreateMultipleExtentFdp(record) => apply_create_multiple_extent(&mut pages, record),
        LogRecord::ConvertFdp(record) => {
            let mut record = *record;
            record.page.page = page.pgno();
            record.page.dbtime_before = page.dbtime();
            record.objid = page.header().map_or(0, |header| header.objid);
            pages.pages.insert(page.pgno(), page.clone());
            let converted = apply_convert_fdp(&mut pages, &record);
            if let Some(after) = pages.pages.remove(&page.pgno()) {
                *page = after;
            }
            converted
        }
        _ => apply_node(page, record).map_err(Into::into),
    };
    if applied.is_ok() {
        pages.check();
    }
    applied.is_ok()
}

#[test]
fn no_record_makes_a_page_what_a_page_cannot_be() {
    let corpus = Corpus::genuine();
    if corpus.records.is_empty() || corpus.pages.is_empty() {
        return;
    }
    let config = Config {
        cases: 3000,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let (records, pages) = (corpus.records.len(), corpus.pages.len());
    let place = any::<prop::sample::Index>;
    let strategy = (
        0..records,
        0..pages,
        0u16..60,
        any::<bool>(),
        prop::collection::vec((place(), any::<u8>()), 0..4),
        prop::collection::vec((place(), any::<u8>()), 0..4),
    );
    let applied = std::cell::Cell::new(0);
    runner
        .run(
            &strategy,
            |(record, page, line, fits, record_bytes, page_bytes)| {
                let (mut bytes, mut page) = (corpus.records[record].clone(), corpus.pages[page].clone());
                if fits && bytes.len() >= 44 {
                    // On the right tree, and on a line that may be there.
                    let objid = page.header().unwrap().objid;
                    bytes[29..31].copy_from_slice(&line.to_le_bytes());
                    bytes[40..44].copy_from_slice(&objid.to_le_bytes());
                }
                for (index, byte) in record_bytes {
                    let at = index.index(bytes.len());
                    bytes[at] = byte;
                }
                let mut raw = page.bytes().to_vec();
                for (index, byte) in page_bytes {
                    let at = index.index(raw.len());
                    raw[at] = byte;
                }
                page = PageBuffer::unchecked(raw, page.size(), page.pgno());
                let was_a_page = page.view().and_then(|view| view.check()).is_ok();
                let Ok(record) = LogRecord::decode(&bytes) else {
                    return Ok(());
                };
                let size = page.size();
                let mut undone = page.clone();
                if apply(&mut page, size, &record) && was_a_page {
                    applied.set(applied.get() + 1);
                    page.view()
                        .and_then(|view| view.check())
                        .map_err(|error| TestCaseError::fail(error.to_string()))?;
                }
                for undoing in [
                    Undoing::Insert,
                    Undoing::FlagDelete,
                    Undoing::Replace { before: &bytes },
                    Undoing::Delta {
                        offset: line,
                        delta: -1,
                    },
                    Undoing::Delta64 {
                        offset: line,
                        delta: -1,
                    },
                ] {
                    if undo_node(&mut undone, line.into(), undoing).is_err() {
                        return Ok(());
                    }
                    if was_a_page {
                        undone
                            .view()
                            .and_then(|view| view.check())
                            .map_err(|error| TestCaseError::fail(error.to_string()))?;
                    }
                }
                Ok(())
            },
        )
        .unwrap();
    assert!(applied.get() > 100, "only {} records were applied", applied.get());
}
