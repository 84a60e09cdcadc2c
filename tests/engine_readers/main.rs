//! Databases that the native engine writes, read by others: random tables and random work through the public API, kept
//! in a model in memory, and read by the library's own reader, esedbexport, libesedb, dissect.database and impacket.
//!
//! `JETFS_SEED` gives another seed; `scripts/test.sh --full` does more of them.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
#[path = "../support/mod.rs"]
mod support;

mod model;
mod readers;
mod schema;
mod values;
mod work;

use jetfs::engine::{Instance, Parameters, Session, Term};
use jetfs::io::{FileSystem, OpenMode, RealFileSystem};
use jetfs::store;
use jetfs::verify::deep;
use model::Model;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::path::Path;
use support::{amount, measured, seeded, temp_dir};
use work::{Amount, Work};

#[test]
fn databases_of_4_kib_pages_are_read_by_all() {
    written_databases_are_read_by_all(4096);
}

#[test]
fn databases_of_8_kib_pages_are_read_by_all() {
    written_databases_are_read_by_all(8192);
}

#[test]
fn databases_of_16_kib_pages_are_read_by_all() {
    written_databases_are_read_by_all(16384);
}

#[test]
fn databases_of_32_kib_pages_are_read_by_all() {
    written_databases_are_read_by_all(32768);
}

fn written_databases_are_read_by_all(page_size: u32) {
    let test = format!("databases of {page_size} bytes a page");
    let mut seeds = seeded(&test, 4_000_000 + u64::from(page_size));
    for _ in 0..amount(1, 12) {
        let seed = seeds.random();
        println!("{test}: seed {seed:#x}");
        let directory = temp_dir();
        let (path, model) = write(directory.path(), page_size, seed);
        let (rows, for_all) = model.rows();
        assert!(for_all > 200, "only {for_all} rows of {rows}");
        let database = open(&path);
        let report = deep::check(&database, deep::Limits::default(), &|| ()).unwrap();
        assert_eq!(report.damage, 0, "{test}, seed {seed:#x}: {:#?}", report.findings);
        readers::own_reader_agrees(&database, &model);
        readers::others_agree(&path, &model);
        measured(&format!(
            "{test}: {rows} rows, {for_all} of them read by all readers"
        ));
    }
}

/// A database after random work, and what it should hold.
fn write(directory: &Path, page_size: u32, seed: u64) -> (std::path::PathBuf, Model) {
    let parameters = Parameters::new(directory)
        .database_page_size(page_size)
        .log_file_size(1024)
        .circular_log(true)
        .background_thread(false);
    let instance = Instance::init(parameters).unwrap();
    let path = directory.join("random.edb");
    let session = instance.session().unwrap();
    let mut work = Work {
        rng: StdRng::seed_from_u64(seed),
        model: Model::default(),
        database: instance.create_database(&path).unwrap(),
        session: &session,
    };
    work.run(
        &instance,
        Amount {
            transactions: amount(400, 800),
            longest: 5_000_000,
        },
    );
    readers::cursors_agree(&work.database, &session, &work.model);
    let model = work.model;
    end(&instance, session);
    (path, model)
}

fn end(instance: &Instance, session: Session) {
    drop(session);
    instance.term(Term::Complete).unwrap();
}

fn open(path: &Path) -> store::Database {
    let file = RealFileSystem.open(path, OpenMode::ReadOnly).unwrap();
    store::Database::open(file, path).unwrap_or_else(|error| panic!("{error}"))
}
