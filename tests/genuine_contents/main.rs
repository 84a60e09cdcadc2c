//! What is inside genuine databases, compared with what the genuine engine and an independent reader say about it:
//! pages and their invariants, the catalog and its shadow, every row of every table.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
#[path = "../support/mod.rs"]
mod support;

mod libesedb;
mod pages;
mod records;
mod rows;

use jetfs::format::DbState;
use jetfs::io::{FileSystem, OpenMode, RealFileSystem};
use jetfs::store::Database;
use std::path::{Path, PathBuf};
use support::Samples;

fn open(path: &Path) -> Database {
    let file = RealFileSystem.open(path, OpenMode::ReadOnly).unwrap();
    Database::open(file, path).unwrap_or_else(|error| panic!("{error}"))
}

fn is_clean(database: &Database) -> bool {
    database.header().state == DbState::CleanShutdown
}

/// All databases of the samples.
fn databases(samples: &Samples) -> Vec<PathBuf> {
    let sets = samples.sets();
    let paths = sets
        .iter()
        .flat_map(|set| set.databases().into_iter().map(|name| set.dir.join(name)));
    let paths: Vec<PathBuf> = paths.collect();
    assert!(paths.len() > 40, "only {} databases", paths.len());
    paths
}
