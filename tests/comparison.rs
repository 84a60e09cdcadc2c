//! The comparison of databases that the proofs of the recovery rest on: it finds what is different, and nothing else.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use jetfs::format::checksum::stamp_page;
use jetfs::format::{Page, PageSize};
use jetfs::store::{Database, Schema, Table};
use std::panic::AssertUnwindSafe;
use support::{
    Journal, PageDifferences, Samples, UnusedBytes, assert_index_entries_are_those_in, compare_pages,
    open_in_memory, python, row_differences, run, temp_dir, workspace_root,
};

/// Clean databases with long values, of small and of large pages, and a table in each.
const CLEAN: [(&str, &str); 3] = [
    ("genuine-4k/clean", "t1"),
    ("genuine-scenarios/p4096_e8920_types_clean", "types"),
    ("genuine-32k.tar.xz/genuine-32k/clean", "t1"),
];

/// A database in memory.
#[derive(Clone)]
struct Bytes {
    bytes: Vec<u8>,
    size: PageSize,
}

impl Bytes {
    fn read(samples: &Samples, set: &str) -> Bytes {
        let set = samples.set(set);
        let bytes = std::fs::read(set.dir.join("test.edb")).unwrap();
        let size = open(&bytes).page_size();
        Bytes { bytes, size }
    }

    /// With a page changed, its checksum right.
    fn with_page(&self, pgno: u32, change: impl FnOnce(&mut [u8])) -> Bytes {
        let mut changed = self.clone();
        let start = usize::try_from(self.size.offset_of(pgno)).unwrap();
        let page = &mut changed.bytes[start..start + self.size.bytes()];
        change(page);
        stamp_page(page, self.size, pgno);
        changed
    }

    fn last_page(&self) -> u32 {
        open(&self.bytes).last_owned_page().unwrap()
    }

    fn pages(&self, other: &Bytes) -> PageDifferences {
        compare_pages(&self.bytes, &other.bytes, self.size, self.last_page())
    }

    fn rows(&self, other: &Bytes) -> Vec<String> {
        row_differences(&open(&self.bytes), &open(&other.bytes))
    }

    /// Where on its page a row of a table ends, and the page.
    fn end_of_a_row(&self, table: &str) -> (u32, usize) {
        let database = open(&self.bytes);
        let schema = Schema::load(&database).unwrap();
        let table = Table::open(&database, &schema, table).unwrap();
        let row = table.rows().unwrap().nth(3).unwrap().unwrap();
        let page = database.read_page(row.pgno).unwrap();
        let page = Page::of(&page).unwrap();
        let line = (0..page.node_count()).find(|&line| page.node(line).unwrap().key() == row.key);
        let tag = page.tag(line.unwrap() + 1).unwrap();
        (row.pgno, tag.offset + tag.bytes.len())
    }
}

fn open(bytes: &[u8]) -> Database {
    open_in_memory("test.edb", bytes)
}

#[test]
fn a_database_is_the_same_as_itself() {
    let Some(samples) = Samples::find("a_database_is_the_same_as_itself") else {
        return;
    };
    for (set, _) in CLEAN {
        let database = Bytes::read(&samples, set);
        assert_eq!(database.rows(&database), Vec::<String>::new(), "{set}");
        let pages = database.pages(&database);
        assert!(pages.compared > 20, "{set}: {pages}");
        pages.assert_same(set, UnusedBytes::Same);
    }
}

#[test]
fn a_changed_row_is_found_in_rows_and_pages() {
    let Some(samples) = Samples::find("a_changed_row_is_found_in_rows_and_pages") else {
        return;
    };
    for (set, table) in CLEAN {
        let database = Bytes::read(&samples, set);
        let (pgno, end) = database.end_of_a_row(table);
        let changed = database.with_page(pgno, |page| page[end - 1] ^= 1);
        let rows = database.rows(&changed);
        assert_eq!(rows.len(), 1, "{set}: {rows:?}");
        assert!(
            rows[0].starts_with(&format!("{table} row 3: ")),
            "{set}: {rows:?}"
        );
        let pages = database.pages(&changed);
        assert_eq!(pages.logical.len(), 1, "{set}: {pages}");
        assert_eq!(pages.logical[0].0, pgno, "{set}: {pages}");
        assert!(pages.logical[0].1.contains("data"), "{set}: {pages}");
    }
}

#[test]
fn a_row_that_one_of_them_has_deleted_is_found() {
    let Some(samples) = Samples::find("a_row_that_one_of_them_has_deleted_is_found") else {
        return;
    };
    let database = Bytes::read(&samples, "genuine-4k/clean");
    let (pgno, _) = database.end_of_a_row("t1");
    // The node flags of a small page stand above the offset in the tag; tag 1 is the first node.
    let tag = database.size.bytes() - 2 * 4;
    let deleted = database.with_page(pgno, |page| page[tag + 3] |= 2 << 5);
    assert!(!database.rows(&deleted).is_empty());
    assert_eq!(database.pages(&deleted).logical.len(), 1);
}

#[test]
fn flush_type_checksums_and_version_bits_are_no_difference() {
    let Some(samples) = Samples::find("flush_type_checksums_and_version_bits_are_no_difference") else {
        return;
    };
    let database = Bytes::read(&samples, "genuine-4k/clean");
    let (pgno, _) = database.end_of_a_row("t1");
    let flushed = database.with_page(pgno, |page| {
        page[37] ^= 0x80;
        page[38] ^= 0x01;
        page[30] ^= 0x01;
    });
    let pages = database.pages(&flushed);
    pages.assert_same("flushed", UnusedBytes::Same);
    let tag = database.size.bytes() - 2 * 4;
    let versioned = database.with_page(pgno, |page| page[tag + 3] ^= 1 << 5);
    let pages = database.pages(&versioned);
    assert_eq!(
        (pages.logical.len(), pages.layout.as_slice()),
        (0, &[pgno][..]),
        "{pages}"
    );
    assert!(database.rows(&versioned).is_empty());
}

#[test]
fn unused_bytes_are_told_apart_from_used_ones() {
    let Some(samples) = Samples::find("unused_bytes_are_told_apart_from_used_ones") else {
        return;
    };
    for (set, table) in CLEAN {
        let database = Bytes::read(&samples, set);
        let (pgno, _) = database.end_of_a_row(table);
        let start = usize::try_from(database.size.offset_of(pgno)).unwrap();
        let page = &database.bytes[start..start + database.size.bytes()];
        let header = Page::new(database.size, pgno, page).unwrap().header;
        let first_unused = database.size.header_len() + usize::from(header.mic_free);
        assert!(
            first_unused + 4 * usize::from(header.tags) < page.len(),
            "{set}: a full page"
        );
        let pages = database.pages(&database.with_page(pgno, |page| page[first_unused] ^= 1));
        assert_eq!(
            (&pages.layout[..], &pages.unused[..]),
            (&[][..], &[pgno][..]),
            "{set}: {pages}"
        );
        pages.assert_same(set, UnusedBytes::MayDiffer);
        // The number of used bytes is a field that means something.
        let pages = database.pages(&database.with_page(pgno, |page| page[32] ^= 1));
        assert_eq!(
            (&pages.layout[..], &pages.unused[..]),
            (&[pgno][..], &[][..]),
            "{set}: {pages}"
        );
    }
}

#[test]
fn a_changed_header_a_blank_page_and_a_wrong_checksum_are_found() {
    let Some(samples) = Samples::find("a_changed_header_a_blank_page_and_a_wrong_checksum_are_found") else {
        return;
    };
    for (set, table) in CLEAN {
        let database = Bytes::read(&samples, set);
        let (pgno, _) = database.end_of_a_row(table);
        let fields = [
            (8, "dbtime"),
            (16, "previous"),
            (20, "next"),
            (24, "objid"),
            (28, "free bytes"),
        ];
        for (offset, field) in fields {
            let changed = database.with_page(pgno, |page| page[offset] ^= 1);
            let pages = database.pages(&changed);
            assert_eq!(pages.logical.len(), 1, "{set} {field}: {pages}");
            assert!(pages.logical[0].1.contains(field), "{set}: {pages}");
        }
        let start = usize::try_from(database.size.offset_of(pgno)).unwrap();
        let mut blank = database.clone();
        blank.bytes[start..start + database.size.bytes()].fill(0);
        let mut damaged = database.clone();
        damaged.bytes[start] ^= 1;
        for changed in [blank, damaged] {
            let pages = database.pages(&changed);
            assert_eq!(pages.logical.len(), 1, "{set}: {pages}");
        }
    }
}

#[test]
fn a_table_that_only_one_of_them_has_is_found() {
    let Some(samples) = Samples::find("a_table_that_only_one_of_them_has_is_found") else {
        return;
    };
    let differences = Bytes::read(&samples, "genuine-4k/clean").rows(&Bytes::read(
        &samples,
        "genuine-scenarios/p4096_e8920_types_clean",
    ));
    assert!(
        differences.iter().any(|line| line == "t1: only in /set/test.edb"),
        "{differences:?}"
    );
}

#[test]
fn an_index_with_an_entry_less_is_found() {
    let Some(samples) = Samples::find("an_index_with_an_entry_less_is_found") else {
        return;
    };
    let set = samples.set("genuine-scenarios/p4096_e8920_types_clean");
    let database = open(&std::fs::read(set.dir.join("test.edb")).unwrap());
    let text = std::fs::read_to_string(set.dir.join("expected.txt.idx")).unwrap();
    let directory = temp_dir();
    let shorter = directory.path().join("shorter.idx");
    std::fs::write(&shorter, &text).unwrap();
    let entries = assert_index_entries_are_those_in(&shorter, &database);
    assert!(entries > 1000, "{entries}");
    let lines: Vec<&str> = text.lines().collect();
    std::fs::write(&shorter, lines[..lines.len() - 1].join("\n")).unwrap();
    let compare = AssertUnwindSafe(|| assert_index_entries_are_those_in(&shorter, &database));
    assert!(std::panic::catch_unwind(compare).is_err());
}

#[test]
fn libesedb_finds_the_changed_row_too() {
    const TEST: &str = "libesedb_finds_the_changed_row_too";
    let Some(samples) = Samples::find(TEST) else {
        return;
    };
    let directory = temp_dir();
    for (set, table) in CLEAN {
        let database = Bytes::read(&samples, set);
        let (pgno, end) = database.end_of_a_row(table);
        let changed = database.with_page(pgno, |page| page[end - 1] ^= 1);
        let [same, other] = ["same.edb", "changed.edb"].map(|name| directory.path().join(name));
        std::fs::write(&same, &database.bytes).unwrap();
        std::fs::write(&other, &changed.bytes).unwrap();
        let script = workspace_root().join("tests/readers/libesedb_same_rows.py");
        for (second, code) in [(&same, 0), (&other, 1)] {
            let Some(mut python) = python(TEST, "pyesedb") else {
                return;
            };
            run(python.arg(&script).arg(&same).arg(second)).exits(code);
        }
    }
}

#[test]
fn the_journal_tells_the_rows_that_the_genuine_engine_found() {
    let Some(samples) = Samples::find("the_journal_tells_the_rows_that_the_genuine_engine_found") else {
        return;
    };
    for set in [
        "genuine-4k/dirty",
        "genuine-4k.mid.tar.xz/mid",
        "genuine-32k.tar.xz/genuine-32k/dirty",
    ] {
        let journal = Journal::read(&samples.set(set));
        let recovered = samples.set(&format!("{set}_recovered"));
        let bytes = std::fs::read(recovered.dir.join("test.edb")).unwrap();
        let number = journal.assert_holds_a_committed_state(&open(&bytes), set);
        assert_eq!(number, journal.last_committed(), "{set}");
        assert_ne!(
            journal.rows_after(number),
            journal.rows_after(number - 1),
            "{set}"
        );
    }
}
