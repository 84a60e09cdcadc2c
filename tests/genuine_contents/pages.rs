//! Every page of every database keeps the invariants; the two catalogs say the same; extents are sane.

use crate::support::Samples;
use crate::{databases, is_clean, open};
use jetfs::JetErr;
use jetfs::format::Page;
use jetfs::store::{Database, Schema};

#[test]
fn every_owned_page_keeps_the_invariants() {
    let Some(samples) = Samples::find("every_owned_page_keeps_the_invariants") else {
        return;
    };
    let paths = databases(&samples);
    let pages: usize = paths.iter().map(|path| check_pages(&open(path))).sum();
    println!("{} databases, {pages} pages", paths.len());
}

/// Checks all pages that were written; returns how many that were.
fn check_pages(database: &Database) -> usize {
    let last_owned = database
        .last_owned_page()
        .unwrap_or_else(|error| panic!("{error}"));
    let last = last_owned.min(database.last_page_in_file().unwrap());
    let mut checked = 0;
    for pgno in 1..=last {
        match database.read_page(pgno) {
            Ok(page) => {
                let result = Page::of(&page).and_then(|page| page.check());
                result.unwrap_or_else(|error| panic!("{} page {pgno}: {error}", database.path().display()));
                checked += 1;
            }
            Err(error) if error.code() == JetErr::PageNotInitialized => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(
        database.repaired_pages().is_empty(),
        "{}",
        database.path().display()
    );
    checked
}

#[test]
fn the_catalog_equals_its_shadow() {
    let Some(samples) = Samples::find("the_catalog_equals_its_shadow") else {
        return;
    };
    for database in databases(&samples).iter().map(|path| open(path)) {
        // While a database is dirty, a change may have reached only one of them.
        if !is_clean(&database) {
            continue;
        }
        let schema = Schema::load(&database).unwrap_or_else(|error| panic!("{error}"));
        let shadow = Schema::read_shadow(&database).unwrap_or_else(|error| panic!("{error}"));
        assert!(schema.damage.is_none());
        assert_eq!(schema.tables, shadow, "{}", database.path().display());
    }
}

#[test]
fn every_page_of_a_table_lies_in_the_extents_that_it_owns() {
    let Some(samples) = Samples::find("every_page_of_a_table_lies_in_the_extents_that_it_owns") else {
        return;
    };
    for database in databases(&samples).iter().map(|path| open(path)).filter(is_clean) {
        let schema = Schema::load(&database).unwrap_or_else(|error| panic!("{error}"));
        let last = database.last_owned_page().unwrap();
        for table in &schema.tables {
            let extents = database.owned_extents(table.table.pgno_fdp, table.objid);
            let extents = extents.unwrap_or_else(|error| panic!("{}: {error}", table.name));
            let owns = |pgno| extents.iter().any(|extent| extent.pages().contains(&pgno));
            let what = format!("{} {}", database.path().display(), table.name);
            assert!(extents.iter().all(|extent| extent.last <= last), "{what}");
            assert!(owns(table.table.pgno_fdp), "{what}");
            for index in &table.indexes {
                assert!(owns(index.entry.pgno_fdp), "{what} {}", index.name);
            }
            assert!(table.long_value.is_none_or(|tree| owns(tree.pgno_fdp)), "{what}");
        }
    }
}
