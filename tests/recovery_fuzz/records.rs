//! The redo of single records on arbitrary pages, and the undo of single operations.

use crate::mutate::mutate;
use crate::sets::{Input, SETS};
use crate::support::{Samples, measured};
use crate::{ALONE, for_many_seeds, survive};
use jetfs::JetResult;
use jetfs::format::checksum::stamp_page;
use jetfs::format::log_record::{LogRecord, UndoneOperation};
use jetfs::format::{Page, PageBuffer, PageSize, Verified, VerifiedPage};
use jetfs::io::Seeded;
use jetfs::recovery::{
    Decision, PageChange, RedoPages, Undoing, apply_convert_fdp, apply_create_multiple_extent,
    apply_create_single_extent, apply_empty_tree, apply_merge, apply_new_page, apply_node, apply_page_move,
    apply_root_page_move, apply_scrub, apply_split, undo_node,
};
use std::collections::{BTreeMap, HashMap};

/// What one record may need: its pages, images of pages, and the errors that say what is wrong.
const MEMORY_MOST: usize = 4 << 20;

/// Genuine records by type, and genuine pages, all of one page size.
struct Corpus {
    size: PageSize,
    records: BTreeMap<u8, Vec<Vec<u8>>>,
    pages: Vec<Vec<u8>>,
}

/// So many records of each type.
const OF_EACH_TYPE: usize = 200;

impl Corpus {
    fn of(samples: &Samples, names: &[&'static str]) -> Corpus {
        let mut corpus = Corpus {
            size: PageSize::Kib4,
            records: BTreeMap::new(),
            pages: Vec::new(),
        };
        for name in names {
            let input = Input::read(samples, name);
            corpus.size = input.page_size;
            for (log, range) in &input.records {
                let bytes = &input.set.file(log)[range.clone()];
                let of_type = corpus.records.entry(bytes[0]).or_default();
                if of_type.len() < OF_EACH_TYPE {
                    of_type.push(bytes.to_vec());
                }
            }
            let pages = input
                .set
                .file(&input.database)
                .chunks_exact(input.page_size.bytes());
            let used = pages.skip(2).filter(|page| page.iter().any(|byte| *byte != 0));
            corpus.pages.extend(used.map(<[u8]>::to_vec));
        }
        corpus
    }

    /// Types whose redo changes pages.
    fn types(&self) -> Vec<u8> {
        let changes = |bytes: &Vec<u8>| {
            let record = LogRecord::decode(bytes);
            record.is_ok_and(|record| {
                record.page_operation().is_some() || matches!(record, LogRecord::NewPage(_))
            })
        };
        let types = self
            .records
            .iter()
            .filter(|(_, records)| records.iter().any(changes));
        types.map(|(number, _)| *number).collect()
    }
}

/// Pages that are whatever the corpus has, changed half of the time, whichever number is asked for.
struct ArbitraryPages<'a> {
    corpus: &'a Corpus,
    random: Seeded,
    /// The tree that most pages belong to: that of the record.
    objid: u32,
    pages: HashMap<u32, PageBuffer>,
}

impl ArbitraryPages<'_> {
    fn make(&mut self, pgno: u32) -> PageBuffer {
        let (size, all) = (self.corpus.size, &self.corpus.pages);
        let mut page = all[self.random.index(all.len())].clone();
        if self.random.one_in(2) {
            let other = all[self.random.index(all.len())].clone();
            mutate(&mut page, &[other], &mut self.random);
            page.resize(size.bytes(), 0);
        }
        if !self.random.one_in(8) {
            page[24..28].copy_from_slice(&self.objid.to_le_bytes());
        }
        if !size.is_small() {
            page[64..68].copy_from_slice(&pgno.to_le_bytes());
        }
        stamp_page(&mut page, size, pgno);
        match VerifiedPage::verify(page, size, pgno) {
            Ok(Verified::Good(page)) => page.into(),
            other => panic!("{other:?}"),
        }
    }
}

impl RedoPages for ArbitraryPages<'_> {
    fn page_size(&self) -> PageSize {
        self.corpus.size
    }

    fn decide(&mut self, _: PageChange) -> JetResult<Decision> {
        Ok(match self.random.below(8) {
            0 => Decision::Newer,
            1 => Decision::Withheld,
            _ => Decision::Apply,
        })
    }

    fn decide_new(&mut self, _: u32, _: u64) -> JetResult<bool> {
        Ok(!self.random.one_in(4))
    }

    fn page(&mut self, pgno: u32) -> JetResult<&mut PageBuffer> {
        if !self.pages.contains_key(&pgno) {
            let page = self.make(pgno);
            self.pages.insert(pgno, page);
        }
        Ok(self.pages.get_mut(&pgno).unwrap())
    }

    fn take(&mut self, pgno: u32) -> JetResult<PageBuffer> {
        match self.pages.remove(&pgno) {
            Some(page) => Ok(page),
            None => Ok(self.make(pgno)),
        }
    }

    fn put(&mut self, page: PageBuffer) {
        self.pages.insert(page.pgno(), page);
    }
}

/// Applies records as the main loop would: those of a macro together.
fn apply(pages: &mut ArbitraryPages<'_>, records: &[LogRecord<'_>]) -> Result<(), String> {
    let Some(first) = records.first() else {
        return Ok(());
    };
    let shown = |error: &dyn std::fmt::Display| error.to_string();
    match first {
        LogRecord::NewPage(record) => apply_new_page(pages, record),
        LogRecord::CreateSingleExtentFdp(record) => apply_create_single_extent(pages, record),
        LogRecord::CreateMultipleExtentFdp(record) => apply_create_multiple_extent(pages, record),
        LogRecord::ConvertFdp(record) => apply_convert_fdp(pages, record),
        LogRecord::EmptyTree(record) => apply_empty_tree(pages, record),
        LogRecord::ScrubPage(record) => apply_scrub(pages, record),
        LogRecord::PageMove(record) => apply_page_move(pages, record),
        LogRecord::RootPageMove(_) => apply_root_page_move(pages, records),
        LogRecord::Merge(_) => {
            let levels = records.iter().filter_map(|record| match record {
                LogRecord::Merge(level) => Some(*level),
                _ => None,
            });
            apply_merge(pages, &levels.collect::<Vec<_>>())
        }
        LogRecord::Split(_) => {
            let levels = records.iter().filter_map(|record| match record {
                LogRecord::Split(level) => Some(*level),
                _ => None,
            });
            let leaf = records
                .iter()
                .find(|record| !matches!(record, LogRecord::Split(_)));
            apply_split(pages, &levels.collect::<Vec<_>>(), leaf).map(drop)
        }
        LogRecord::Undo(record) => {
            let page = pages.page(record.node.page.page).map_err(|error| shown(&error))?;
            let undoing = match record.operation {
                UndoneOperation::Insert => Undoing::Insert,
                UndoneOperation::FlagDelete => Undoing::FlagDelete,
                UndoneOperation::Replace => Undoing::Replace { before: record.key },
                _ => Undoing::Delta {
                    offset: record.node.page.line,
                    delta: i32::MIN,
                },
            };
            return undo_node(page, record.node.page.line.into(), undoing).map_err(|error| shown(&error));
        }
        node => {
            let Some(operation) = node.page_operation() else {
                return Ok(());
            };
            let page = pages.page(operation.page).map_err(|error| shown(&error))?;
            return apply_node(page, node).map_err(|error| shown(&error));
        }
    }
    .map_err(|error| shown(&error))
}

fn objid_of(record: &LogRecord<'_>) -> Option<u32> {
    let mut objid = None;
    record.visit(&mut |name, value| {
        if name == "objid" {
            objid = format!("{value:?}")
                .chars()
                .filter(char::is_ascii_digit)
                .collect::<String>()
                .parse()
                .ok();
        }
    });
    objid
}

#[test]
fn single_records_on_arbitrary_pages_give_an_error_or_a_page() {
    let alone = ALONE.lock();
    let Some(samples) = Samples::find("single_records_on_arbitrary_pages_give_an_error_or_a_page") else {
        return;
    };
    let (large, small): (Vec<&str>, Vec<&str>) = SETS.iter().partition(|name| !name.contains("p4096"));
    let corpora = [Corpus::of(&samples, &small), Corpus::of(&samples, &large)];
    let types = corpora.each_ref().map(Corpus::types);
    assert!(types[0].len() > 12, "{types:?}");
    let (mut applied, mut refused) = (BTreeMap::<u8, u64>::new(), BTreeMap::<u8, u64>::new());
    let runs = for_many_seeds(&alone, |seed| {
        let mut random = Seeded::new(seed);
        let which = random.index(2);
        let (corpus, types) = (&corpora[which], &types[which]);
        let number = types[random.index(types.len())];
        let of_type = &corpus.records[&number];
        let mut chosen: Vec<Vec<u8>> = Vec::new();
        for _ in 0..=random.below(3) {
            chosen.push(of_type[random.index(of_type.len())].clone());
        }
        // The leaf operation of a split.
        let insert = &corpus.records[&29];
        chosen.push(insert[random.index(insert.len())].clone());
        for record in &mut chosen {
            let other = of_type[random.index(of_type.len())].clone();
            if !random.one_in(4) {
                mutate(record, &[other], &mut random);
            }
        }
        let what = format!("record type {number}");
        let worked = survive(&what, seed, MEMORY_MOST, || {
            let decoded: Vec<LogRecord<'_>> = chosen
                .iter()
                .filter_map(|bytes| LogRecord::decode(bytes).ok())
                .collect();
            let mut pages = ArbitraryPages {
                corpus,
                random: Seeded::new(seed ^ 0x5EED),
                objid: decoded.first().and_then(objid_of).unwrap_or_default(),
                pages: HashMap::new(),
            };
            let result = apply(&mut pages, &decoded);
            for page in pages.pages.into_values() {
                let page = page.into_verified();
                let _ = Page::of(&page).map(|page| page.check());
            }
            result.is_ok()
        });
        let outcome = if worked { &mut applied } else { &mut refused };
        *outcome.entry(number).or_insert(0) += 1;
    });
    measured(&format!("{runs} single records redone on arbitrary pages"));
    println!("applied {applied:?}, refused {refused:?}");
    assert!(
        applied.len() > 4 && refused.len() > 8,
        "applied {applied:?}, refused {refused:?}"
    );
}
