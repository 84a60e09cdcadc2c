//! Directories: listing, copying, and fingerprints that show whether anything was written.

use super::{Set, program, run};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// Names in a directory, sorted; names that are not UTF-8 are shown with replacement characters.
#[track_caller]
pub(crate) fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("cannot list {}: {error}", dir.display()));
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// What must not change in a source: of every file its type, mode, size, mtime and ctime to the nanosecond, inode
/// and contents; of every directory the same without contents.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint(BTreeMap<String, String>);

/// The fingerprint of a directory and all below it.
pub(crate) fn fingerprint(dir: &Path) -> Fingerprint {
    let mut all = BTreeMap::new();
    add_to_fingerprint(dir, &mut all);
    Fingerprint(all)
}

fn add_to_fingerprint(path: &Path, all: &mut BTreeMap<String, String>) {
    let meta = fs::symlink_metadata(path).unwrap();
    let contents = if meta.is_file() {
        sha256(path)
    } else {
        String::new()
    };
    let (mtime, ctime) = (
        (meta.mtime(), meta.mtime_nsec()),
        (meta.ctime(), meta.ctime_nsec()),
    );
    let what = format!(
        "{:o} {} {mtime:?} {ctime:?} {} {contents}",
        meta.mode(),
        meta.size(),
        meta.ino()
    );
    all.insert(path.to_string_lossy().into_owned(), what);
    if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            add_to_fingerprint(&entry.unwrap().path(), all);
        }
    }
}

/// SHA-256 of a file, by `sha256sum`.
#[track_caller]
pub(crate) fn sha256(file: &Path) -> String {
    // From stdin, so that no name has to be escaped.
    let mut command = program("bash");
    let ended = run(command.args(["-c", "sha256sum < \"$1\"", "bash"]).arg(file)).succeeds();
    ended.stdout.split_whitespace().next().unwrap().to_owned()
}

/// A writable copy of a set's ESE files in `to`, with their times to the nanosecond.
pub(crate) fn copy_set(set: &Set, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in set.files() {
        let from = set.dir.join(&name);
        let bytes = fs::read(&from).unwrap();
        let copy = to.join(&name);
        fs::write(&copy, bytes).unwrap();
        let meta = fs::metadata(&from).unwrap();
        let modified = UNIX_EPOCH
            + Duration::new(
                meta.mtime().try_into().unwrap(),
                meta.mtime_nsec().try_into().unwrap(),
            );
        fs::File::options()
            .write(true)
            .open(&copy)
            .unwrap()
            .set_modified(modified)
            .unwrap();
    }
}
