//! The genuine files can be found, and the test support works: the other tests stand on both.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use support::{Samples, jetfs, run};

#[test]
fn every_archive_is_unpacked_and_every_set_has_files() {
    let Some(samples) = Samples::find("every_archive_is_unpacked_and_every_set_has_files") else {
        return;
    };
    let sets = samples.sets();
    assert!(sets.iter().all(|set| !set.files().is_empty()));
    let from_archives = sets.iter().filter(|set| set.name.contains(".tar.xz")).count();
    assert!(
        from_archives >= 10,
        "only {from_archives} sets come from archives"
    );
    for set in &sets {
        println!(
            "{}: {} files, databases {:?}",
            set.name,
            set.files().len(),
            set.databases()
        );
    }
}

#[test]
fn the_binary_under_test_answers() {
    let version = run(jetfs().arg("--version")).succeeds();
    assert!(version.stdout.starts_with("jetfs "), "{version}");
}
