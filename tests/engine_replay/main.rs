//! What the engine writes, as the commands see it: its log replayed from the first generation onto nothing, a crashed
//! instance shown by a mount, a copied set restored.
#![cfg(test)]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;
mod workload;

use jetfs::io::{FileSystem, OpenMode, RealFileSystem};
use jetfs::store::Database;
use jetfs::verify::deep;
use std::fs;
use std::path::Path;
use support::{Mount, MountOptions, amount, compare_pages, jetfs, names_in, row_differences, run, temp_dir};
use workload::{DATABASE, End, Workload, recover};

const SIZES: [u32; 4] = [4096, 8192, 16384, 32768];

fn open(path: &Path) -> Database {
    let file = RealFileSystem.open(path, OpenMode::ReadOnly).unwrap();
    Database::open(file, path).unwrap_or_else(|error| panic!("{error}"))
}

/// The same pages by what they say, the same rows, and everything fits together.
#[track_caller]
fn assert_same(found: &Path, expected: &Path, what: &str) {
    let (a, b) = (open(found), open(expected));
    let last = a.last_owned_page().unwrap();
    assert_eq!(last, b.last_owned_page().unwrap(), "{what}");
    let pages = compare_pages(
        &fs::read(found).unwrap(),
        &fs::read(expected).unwrap(),
        a.page_size(),
        last,
    );
    pages.assert_same_contents(what);
    let rows = row_differences(&a, &b);
    assert!(rows.is_empty(), "{what}: {rows:#?}");
    assert_sound(found, what);
}

#[track_caller]
fn assert_sound(path: &Path, what: &str) {
    let report = deep::check(&open(path), deep::Limits::default(), &|| ()).unwrap();
    assert_eq!(report.damage, 0, "{what}: {:#?}", report.findings);
}

/// Copies the files of a directory whose names `wanted` likes.
fn copy_files(from: &Path, to: &Path, wanted: impl Fn(&str) -> bool) {
    fs::create_dir_all(to).unwrap();
    for name in names_in(from).iter().filter(|name| wanted(name)) {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

fn is_log(name: &str) -> bool {
    name.ends_with(".log")
}

#[test]
fn the_log_of_several_lives_replayed_from_generation_1_onto_nothing_gives_the_same_database() {
    for (size, seed) in SIZES.into_iter().zip(100..) {
        println!("pages of {size}, seed {seed}");
        let directory = temp_dir();
        let instance = directory.path().join("instance");
        fs::create_dir(&instance).unwrap();
        let mut workload = Workload::new(&instance, size, seed);
        for end in [End::Clean, End::Crash, End::Crash, End::Clean] {
            workload.run(amount(40, 200), end);
        }
        let logs = names_in(&instance).iter().filter(|name| is_log(name)).count();
        assert!(logs > 5, "{logs} logs");
        let original = directory.path().join("original.edb");
        fs::copy(instance.join(DATABASE), &original).unwrap();
        assert_sound(&original, "what the engine wrote");

        let (bare, out) = (directory.path().join("logs"), directory.path().join("out"));
        copy_files(&instance, &bare, is_log);
        run(jetfs().arg("recover").arg("-o").arg(&out).arg(&bare)).succeeds();
        assert_same(&out.join(DATABASE), &original, "into an empty directory");

        fs::remove_file(instance.join(DATABASE)).unwrap();
        fs::remove_file(instance.join("edb.chk")).unwrap();
        run(jetfs().arg("recover").arg(&instance)).succeeds();
        assert_same(&instance.join(DATABASE), &original, "in place");
    }
}

#[test]
fn a_crashed_instance_is_shown_as_the_engine_recovers_it() {
    for (size, seed) in [(4096, 200), (32768, 201)] {
        println!("pages of {size}, seed {seed}");
        let directory = temp_dir();
        let (instance, copy) = (directory.path().join("instance"), directory.path().join("copy"));
        fs::create_dir(&instance).unwrap();
        let mut workload = Workload::new(&instance, size, seed);
        workload.run(60, End::Clean);
        workload.run(60, End::Crash);
        copy_files(&instance, &copy, |_| true);
        recover(&instance, size).unwrap();
        let mount: Mount = MountOptions::new(&copy).arg("--recovered").mount();
        assert_same(&mount.file(DATABASE), &instance.join(DATABASE), "mounted");
        mount.umount().succeeds();
    }
}

#[test]
fn a_copied_set_of_an_instance_that_ended_is_complete_and_recovers_to_the_same_database() {
    for (size, seed) in [(8192, 300), (16384, 301)] {
        println!("pages of {size}, seed {seed}");
        let directory = temp_dir();
        let (instance, set) = (directory.path().join("instance"), directory.path().join("set"));
        fs::create_dir(&instance).unwrap();
        let mut workload = Workload::new(&instance, size, seed);
        workload.run(60, End::Crash);
        workload.run(60, End::Clean);
        let mount = Mount::of(&instance);
        copy_files(mount.path(), &set, |_| true);
        mount.umount().succeeds();
        run(jetfs().arg("verify").arg("--require-manifest").arg(&set)).exits(0);
        let out = directory.path().join("out");
        // It is a copy of files at rest, and no backup that has to be restored: it says so, and how to go on.
        let refused = run(jetfs().arg("restore").arg(&set).arg(&out));
        refused.exits(3).complains("jetfs recover");
        run(jetfs().arg("recover").arg("-o").arg(&out).arg(&set)).succeeds();
        assert_same(&out.join(DATABASE), &instance.join(DATABASE), "recovered");
    }
}
