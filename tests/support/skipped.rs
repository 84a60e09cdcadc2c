//! Tests that cannot run here say so, and are counted: `scripts/test.sh` prints the sum last. Numbers that tests
//! reach go into a file too, for `docs/test-results.md`.

use super::target_dir;
use std::fs::OpenOptions;
use std::io::Write;

/// Notes that `test` did not run and why: one line in `target/skipped-tests.txt`.
pub(crate) fn skip(test: &str, why: &str) {
    println!("skipped: {test}: {why}");
    append("skipped-tests.txt", &format!("{test}: {why}\n"));
}

/// Notes how much a test did: one line in `target/test-measured.txt`.
pub(crate) fn measured(what: &str) {
    println!("measured: {what}");
    append("test-measured.txt", &format!("measured: {what}\n"));
}

fn append(name: &str, line: &str) {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(target_dir().join(name))
        .unwrap();
    // One write, so that lines of tests that run side by side do not mix.
    file.write_all(line.as_bytes()).unwrap();
}
