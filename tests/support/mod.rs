//! What the tests share: genuine files, the `jetfs` binary, mounts that are always taken down, damage, comparison.
//!
//! Everything is written below `target/`: temporary directories, the unpacked samples, the state files of mounts.

mod command;
mod damage;
mod hosted;
mod journal;
mod memory_set;
mod mount;
mod replay;
mod row_text;
mod same_pages;
mod same_rows;
mod samples;
mod skipped;
mod tree;

pub(crate) use command::{Ended, jetfs, program, python, run, shell, tool_is_missing};
pub(crate) use damage::{Bits, flip_bit, overwrite, seeded};
pub(crate) use hosted::{Hosted, restored, rsync};
pub(crate) use journal::Journal;
pub(crate) use memory_set::{MemorySet, SET, open_in_memory, path_of};
pub(crate) use mount::{Mount, MountOptions};
pub(crate) use replay::{recover_in_place, replay, replay_with_memory};
pub(crate) use row_text::{assert_index_entries_are_those_in, assert_rows_are_those_in};
pub(crate) use same_pages::{PageDifferences, UnusedBytes, compare_pages};
pub(crate) use same_rows::row_differences;
pub(crate) use samples::{Samples, Set, is_ese_name};
pub(crate) use skipped::{measured, skip};
pub(crate) use tree::{Fingerprint, copy_set, fingerprint, names_in, sha256};

use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// Cargo's `target` directory.
pub(crate) fn target_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// A new directory below `target/tmp`, removed when dropped.
pub(crate) fn temp_dir() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("jetfs-test-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap()
}

/// Whether the long numbers are wanted (`scripts/test.sh --full`) instead of a seeded part of them.
pub(crate) fn full() -> bool {
    std::env::var_os("JETFS_FULL").is_some_and(|value| value == "1")
}

/// `full` under `scripts/test.sh --full`, else `quick`.
pub(crate) fn amount<T>(quick: T, full_amount: T) -> T {
    if full() { full_amount } else { quick }
}
