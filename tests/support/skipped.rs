//! Tests that cannot run here say so, and are counted: `scripts/test.sh` prints the sum last.

use super::target_dir;
use std::fs::OpenOptions;
use std::io::Write;

/// Notes that `test` did not run and why: one line in `target/skipped-tests.txt`.
pub(crate) fn skip(test: &str, why: &str) {
    println!("skipped: {test}: {why}");
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(target_dir().join("skipped-tests.txt"))
        .unwrap();
    // One write, so that lines of tests that run side by side do not mix.
    file.write_all(format!("{test}: {why}\n").as_bytes()).unwrap();
}
