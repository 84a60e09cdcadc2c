//! The engine as a program uses it.

mod columns;
mod compressed;
mod cursors;
mod faults;
mod index_build;
mod logged;
mod long_values;
mod rests;
mod rows;

use super::{Instance, Parameters};
use crate::io::{FileSystem, MemoryFileSystem, OpenMode, RealClock};
use crate::store;
use crate::verify::deep;
use std::path::Path;
use std::sync::Arc;

const PATH: &str = "/instance/orders.edb";

/// A directory in memory.
fn memory() -> Arc<MemoryFileSystem> {
    let fs = MemoryFileSystem::new(Arc::new(RealClock));
    fs.create_dir_all(Path::new("/instance")).unwrap();
    Arc::new(fs)
}

fn parameters(page_size: u32) -> Parameters {
    Parameters::new("/instance")
        .database_page_size(page_size)
        .log_file_size(256)
        .background_thread(false)
}

fn start(fs: &Arc<MemoryFileSystem>, page_size: u32) -> Instance {
    let fs: Arc<dyn FileSystem> = fs.clone();
    Instance::init_on(parameters(page_size), fs, Arc::new(RealClock)).unwrap()
}

/// The database as its file has it.
fn on_disk(fs: &MemoryFileSystem) -> store::Database {
    let file = fs.open(Path::new(PATH), OpenMode::ReadOnly).unwrap();
    store::Database::open(file, Path::new(PATH)).unwrap()
}

/// Everything in the database fits together.
fn assert_sound(fs: &MemoryFileSystem) {
    let report = deep::check(&on_disk(fs), deep::Limits::default(), &|| ()).unwrap();
    assert_eq!(report.damage, 0, "{:#?}", report.findings);
}
