//! Whole files behind the parsers: databases read row by row, and databases and logs verified.

use crate::corpus::Samples;
use crate::mutate::mutate;
use crate::parsers::{KIB, Parser};
use crate::random_tables::random_tables;
use jetfs::format::checksum::stamp_page;
use jetfs::format::{LogTime, PageSize, choose_copy};
use jetfs::io::{FileSystem, MemoryFileSystem, OpenMode, Seeded};
use jetfs::source::at_rest::AtRestPaths;
use jetfs::store::bulk_load::{BulkLoad, BulkLoadOptions};
use jetfs::store::{Database, Schema, Table};
use jetfs::verify::{VerifyOptions, verify};
use std::path::Path;

/// Longer genuine files would make too few runs.
const LONGEST: usize = 1536 * KIB;

/// All of them.
pub(crate) fn all(samples: &Samples) -> Vec<Parser> {
    let databases = databases(samples);
    let mut logs = samples.logs.clone();
    logs.push(vec![0; 64 * KIB]);
    vec![
        Parser {
            name: "database-rows",
            inputs: databases.clone(),
            mutate: mutate_pages,
            stamp: None,
            parse: read_rows,
            memory_most: 32 << 20,
            memory_factor: 8,
        },
        Parser {
            name: "verify-database",
            inputs: databases,
            mutate: mutate_pages,
            stamp: None,
            parse: |bytes| verify_as("a.edb", bytes),
            memory_most: 32 << 20,
            memory_factor: 4,
        },
        Parser {
            name: "verify-log",
            inputs: logs,
            mutate,
            stamp: Some(crate::log_files::stamp_log_header),
            parse: |bytes| verify_as("edb00000001.log", bytes),
            memory_most: 8 << 20,
            memory_factor: 4,
        },
    ]
}

fn databases(samples: &Samples) -> Vec<Vec<u8>> {
    let sizes = [PageSize::Kib4, PageSize::Kib8, PageSize::Kib16, PageSize::Kib32];
    let own = sizes.into_iter().map(own_database);
    let genuine = samples.databases.iter().map(|database| database.bytes.clone());
    own.chain(genuine.filter(|bytes| bytes.len() <= LONGEST))
        .collect()
}

fn own_database(page_size: PageSize) -> Vec<u8> {
    let fs = MemoryFileSystem::default();
    let path = Path::new("/a.edb");
    let options = BulkLoadOptions {
        page_size,
        time: LogTime::utc(2026, 1, 1, 0, 0, 0, 0),
        seed: 1,
    };
    let mut load = BulkLoad::create(&fs, path, options).unwrap();
    for table in random_tables(3, 4, 100) {
        load.table(&table.schema, table.rows).unwrap();
    }
    load.finish().unwrap();
    fs.read_file(path).unwrap()
}

/// Changes one to four pages and makes their checksums right most of the time, so that the damage is read.
fn mutate_pages(database: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Seeded) {
    if random.one_in(20) {
        return mutate(database, others, random);
    }
    let Ok(size) = choose_copy(database).map(|chosen| chosen.header.page_size()) else {
        return;
    };
    for _ in 0..=random.below(4) {
        mutate_page(database, size, random);
    }
}

fn mutate_page(database: &mut [u8], size: PageSize, random: &mut Seeded) {
    // The first pages hold the system tables and their space trees.
    let near = if random.one_in(2) { 40 } else { usize::MAX };
    let pages = (database.len() / size.bytes()).saturating_sub(2);
    let index = random.index(pages.min(near));
    let other = random_page(database, size, pages, random);
    let Some(page) = database.chunks_exact_mut(size.bytes()).nth(index + 2) else {
        return;
    };
    let mut changed = page.to_vec();
    mutate(&mut changed, &[other], random);
    changed.resize(size.bytes(), 0);
    if !random.one_in(8) {
        stamp_page(&mut changed, size, u32::try_from(index + 1).unwrap());
    }
    page.copy_from_slice(&changed);
}

fn random_page(database: &[u8], size: PageSize, pages: usize, random: &mut Seeded) -> Vec<u8> {
    let page = database.chunks_exact(size.bytes()).nth(random.index(pages) + 2);
    page.map_or_else(|| vec![0; size.bytes()], <[u8]>::to_vec)
}

fn read_rows(bytes: &[u8]) {
    let fs = MemoryFileSystem::default();
    let path = Path::new("/a.edb");
    fs.write_file(path, bytes).unwrap();
    let file = fs.open(path, OpenMode::ReadOnly).unwrap();
    let Ok(database) = Database::open(file, path) else {
        return;
    };
    let _ = database.last_owned_page();
    let _ = Schema::read_shadow(&database);
    let Ok(schema) = Schema::load(&database) else {
        return;
    };
    for table in &schema.tables {
        let _ = database.owned_extents(table.table.pgno_fdp, table.objid);
        let Ok(table) = Table::open(&database, &schema, &table.name) else {
            continue;
        };
        for row in table.rows().into_iter().flatten() {
            let values = row.map(|row| row.values).unwrap_or_default();
            values.iter().flatten().for_each(|value| drop(value.to_string()));
        }
    }
}

fn verify_as(name: &str, bytes: &[u8]) {
    let fs = MemoryFileSystem::default();
    fs.write_file(Path::new("/set").join(name), bytes).unwrap();
    let paths = AtRestPaths {
        sources: vec!["/set".into()],
        ..AtRestPaths::default()
    };
    let _ = verify(&fs, &paths, VerifyOptions::default(), &|_| ());
}
