//! The session against a second model ([`model`]), and its promises one by one.

pub(crate) mod model;
mod promises;
pub(crate) mod sequences;

use crate::backup::memory::MemorySource;
use crate::backup::{BackupSession, FileRole};
use std::sync::{Arc, LazyLock};

/// The bytes of each file: page n is full of the byte n. Shared, since half a million sessions are made of them.
static PAGES: LazyLock<Vec<Arc<[u8]>>> = LazyLock::new(|| {
    let bytes = |pages: u64| {
        (0..pages * 4096)
            .map(|at| u8::try_from(at / 4096).unwrap())
            .collect()
    };
    files().map(|(_, pages)| bytes(pages)).collect()
});

fn files() -> impl Iterator<Item = (&'static str, u64)> {
    let world = &model::IN_MEMORY;
    world.databases.iter().chain(world.logs).copied()
}

/// The instance that the model knows: two databases, two logs.
fn instance() -> (Arc<MemorySource>, BackupSession) {
    let mut source = MemorySource::new();
    for ((name, _), bytes) in files().zip(PAGES.iter()) {
        let generation = name
            .strip_prefix("edb")
            .and_then(|name| name.strip_suffix(".log"));
        let role = match generation {
            Some(digits) => FileRole::ArchivedLog {
                generation: u32::from_str_radix(digits, 16).unwrap(),
            },
            None => FileRole::Database,
        };
        source = source.with_file(name, role, Arc::clone(bytes));
    }
    let source = Arc::new(source);
    (Arc::clone(&source), BackupSession::new(source))
}
