//! Whole recoveries of sets whose records and pages were changed behind right checksums.

use crate::mutate::mutate;
use crate::support::{MemorySet, Samples, measured, open_in_memory, replay};
use crate::{ALONE, for_many_seeds, survive};
use jetfs::JetErr;
use jetfs::format::checksum::stamp_page;
use jetfs::format::{LogHeader, PageSize, SEGMENT_LEN};
use jetfs::io::{FileSystem, MemoryFileSystem, OpenMode, Seeded};
use jetfs::store::log_reader::{LogFile, RecordCursor};
use jetfs::store::{Database, Schema, Table};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

/// Small sets with records of many kinds: undo, long values, merges, growth, large pages.
pub(crate) const SETS: [&str; 6] = [
    "genuine-scenarios/p4096_e8920_crash_dirty",
    "genuine-scenarios/p4096_e8920_lv_dirty",
    "genuine-scenarios/p4096_e8920_moves_dirty",
    "genuine-scenarios/p4096_e8920_circular_dirty",
    "genuine-scenarios/p4096_e8920_types_dirty",
    "genuine-scenarios.large-pages.tar.xz/p16384_e8920_crash_dirty",
];

/// Beyond the input and what a recovery keeps in memory: tables of transactions and versions, one log, images.
const MEMORY_MOST: usize = 64 << 20;
const MEMORY_FACTOR: usize = 6;

/// A set and where the records of its logs are.
pub(crate) struct Input {
    name: &'static str,
    pub(crate) set: MemorySet,
    /// Log, and the bytes of a record in it; those in one segment only.
    pub(crate) records: Vec<(String, Range<usize>)>,
    pub(crate) database: String,
    pub(crate) page_size: PageSize,
    pages: usize,
}

impl Input {
    pub(crate) fn read(samples: &Samples, name: &'static str) -> Input {
        let mut set = MemorySet::read(&samples.set(name));
        let database = set.only(".edb");
        let header = set.database(&database).header().clone();
        let required = header.generation_min_required;
        // What redo does not read only takes time to copy.
        for log in set.log_names() {
            if set.generation(&log) < required {
                set.remove(&log);
            }
        }
        let records = set
            .log_names()
            .into_iter()
            .flat_map(|log| records_of(&set, &log))
            .collect();
        let pages = set.file(&database).len() / header.page_size.bytes() - 2;
        Input {
            name,
            set,
            records,
            database,
            page_size: header.page_size,
            pages,
        }
    }

    /// A set with changed records, and pages, all checksums right.
    fn mutated(&self, random: &mut Seeded) -> MemorySet {
        let mut set = self.set.clone();
        for _ in 0..random.below(4) {
            self.change_page(&mut set, random);
        }
        for _ in 0..=random.below(6) {
            self.change_record(&mut set, random);
        }
        if random.one_in(4) {
            let log = set.last_log();
            let slots = set.file(&log).len() / SEGMENT_LEN;
            let from = (1 + random.index(slots)) * SEGMENT_LEN;
            set.file_mut(&log)[from..].fill(0);
        }
        if random.one_in(4) {
            let checkpoint = set.only(".chk");
            set.remove(&checkpoint);
        }
        set.chain_logs();
        set
    }

    /// The record stays as long as it is, so that those behind it are still found; else the rest of the segment is gone.
    fn change_record(&self, set: &mut MemorySet, random: &mut Seeded) {
        let (log, range) = &self.records[random.index(self.records.len())];
        let file = set.file_mut(log);
        let mut record = file[range.clone()].to_vec();
        let len = record.len();
        let (_, other) = &self.records[random.index(self.records.len())];
        let other = file.get(other.clone()).unwrap_or_default().to_vec();
        if random.one_in(3) && record.len() > 8 {
            // The body alone: type, session, database and page stay.
            let mut body = record.split_off(8);
            mutate(&mut body, &[other], random);
            record.extend(body);
        } else {
            mutate(&mut record, &[other], random);
        }
        record.resize(len, 0);
        file[range.clone()].copy_from_slice(&record);
        set.stamp_segment(log, range.start / SEGMENT_LEN);
    }

    fn change_page(&self, set: &mut MemorySet, random: &mut Seeded) {
        let bytes = self.page_size.bytes();
        let pgno = 1 + u32::try_from(random.index(self.pages)).unwrap();
        let start = usize::try_from(self.page_size.offset_of(pgno)).unwrap();
        let file = set.file_mut(&self.database);
        let mut page = file[start..start + bytes].to_vec();
        let other = file[2 * bytes + random.index(self.pages) * bytes..][..bytes].to_vec();
        let dbtime: [u8; 8] = page[8..16].try_into().unwrap();
        mutate(&mut page, &[other], random);
        page.resize(bytes, 0);
        if !random.one_in(4) {
            page[8..16].copy_from_slice(&dbtime);
        }
        if !random.one_in(8) {
            stamp_page(&mut page, self.page_size, pgno);
        }
        file[start..start + bytes].copy_from_slice(&page);
    }
}

/// Where the records of a log are, those of several segments left out.
fn records_of(set: &MemorySet, log: &str) -> Vec<(String, Range<usize>)> {
    let fs = MemoryFileSystem::default();
    let path = Path::new("/log");
    fs.write_file(path, set.file(log)).unwrap();
    let file = LogFile::load(fs.open(path, OpenMode::ReadOnly).unwrap().as_ref(), path).unwrap();
    let mut cursor = RecordCursor::new();
    let mut records = Vec::new();
    while let Some(logged) = cursor.next_record(&file).unwrap() {
        let byte = usize::from(logged.position.byte).max(40);
        let start = usize::from(logged.position.sector) * SEGMENT_LEN + byte;
        let range = start..start + logged.bytes.len();
        if set.file(log).get(range.clone()) == Some(logged.bytes) {
            records.push((log.to_owned(), range));
        }
    }
    records
}

#[test]
fn mutated_logs_on_mutated_databases_give_an_error_or_a_result() {
    let alone = ALONE.lock();
    let test = "mutated_logs_on_mutated_databases_give_an_error_or_a_result";
    let Some(samples) = Samples::find(test) else {
        return;
    };
    let inputs: Vec<Input> = SETS.iter().map(|name| Input::read(&samples, name)).collect();
    let mut outcomes: BTreeMap<Option<JetErr>, u64> = BTreeMap::new();
    let runs = for_many_seeds(&alone, |seed| {
        let mut random = Seeded::new(seed);
        let input = &inputs[random.index(inputs.len())];
        let set = input.mutated(&mut random);
        let bytes: usize = set.names().map(|name| set.file(name).len()).sum();
        let allowed = MEMORY_MOST + MEMORY_FACTOR * bytes;
        let result = survive(input.name, seed, allowed, || replay(&set));
        if let Ok(databases) = &result {
            for (name, bytes) in databases {
                survive(input.name, seed, allowed, || {
                    read_rows(&open_in_memory(name, bytes))
                });
            }
        }
        *outcomes
            .entry(result.err().map(|error| error.code()))
            .or_insert(0) += 1;
    });
    measured(&format!("{runs} recoveries of mutated sets"));
    println!("{outcomes:?}");
    assert!(
        outcomes.contains_key(&None),
        "nothing was recovered: {outcomes:?}"
    );
    assert!(outcomes.len() > 2, "hardly an error: {outcomes:?}");
}

/// Reads what there is; it need not make sense.
fn read_rows(database: &Database) {
    let Ok(schema) = Schema::load(database) else {
        return;
    };
    for table in &schema.tables {
        let Ok(table) = Table::open(database, &schema, &table.name) else {
            continue;
        };
        for row in table.rows().into_iter().flatten() {
            drop(row);
        }
    }
}

/// Without a change all is well: otherwise the tests above would prove nothing.
#[test]
fn the_inputs_are_recovered_as_they_are() {
    let _alone = ALONE.lock();
    let Some(samples) = Samples::find("the_inputs_are_recovered_as_they_are") else {
        return;
    };
    for name in SETS {
        let mut input = Input::read(&samples, name);
        assert!(input.records.len() > 500, "{name}: {}", input.records.len());
        let before = input.set.clone();
        input.set.chain_logs();
        assert!(
            input.set == before,
            "{name}: the chain of the logs was right already"
        );
        let first = &input.records[0];
        assert!(LogHeader::read(input.set.file(&first.0)).is_ok());
        replay(&input.set).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
