//! `jetfs demo` and `jetfs info` as a user runs them.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use support::{jetfs, overwrite, run, shell, temp_dir};

fn demo_database(directory: &std::path::Path) -> std::path::PathBuf {
    let keep = directory.join("demo");
    run(jetfs().args(["demo", "--no-mount", "--keep"]).arg(&keep)).succeeds();
    keep.join("instance/demo.edb")
}

#[test]
fn the_demo_needs_nothing_and_leaves_nothing_behind() {
    let directory = temp_dir();
    run(jetfs().arg("demo").env("TMPDIR", directory.path())).succeeds();
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    let directory = temp_dir();
    let mut demo = jetfs()
        .args(["demo", "--size", "200MiB"])
        .env("TMPDIR", directory.path())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The first line comes after the database is written: the demo is in the middle of its story then.
    let mut line = String::new();
    let mut story = BufReader::new(demo.stdout.take().unwrap());
    story.read_line(&mut line).unwrap();
    shell(r#"kill -INT "$1""#, [demo.id().to_string()]).succeeds();
    assert_eq!(demo.wait().unwrap().code(), Some(5), "{line}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn info_shows_what_the_writer_wrote() {
    let directory = temp_dir();
    let database = demo_database(directory.path());
    let header = run(jetfs().args(["--json", "info"]).arg(&database))
        .succeeds()
        .json();
    assert_eq!(header["state"], "Clean Shutdown");
    assert_eq!(header["format-version"], "0x620,20,0");
    let tables = run(jetfs().args(["--json", "info", "--tables"]).arg(&database))
        .succeeds()
        .json();
    let names: Vec<_> = tables
        .as_array()
        .unwrap()
        .iter()
        .map(|table| table["name"].as_str().unwrap())
        .collect();
    for name in [
        "MSysObjects",
        "MSysObjids",
        "MSysLocales",
        "Customers",
        "Orders",
        "Documents",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
}

#[test]
fn a_reader_that_stops_early_is_no_error() {
    let directory = temp_dir();
    let database = demo_database(directory.path());
    shell(r#""$JETFS" info "$1" --rows Orders | head -n 1"#, [&database]).succeeds();
}

#[test]
fn a_damaged_header_copy_is_shown_from_the_other_and_both_are_an_error() {
    let directory = temp_dir();
    let database = demo_database(directory.path());
    overwrite(&database, 100, &[0xee; 3]);
    run(jetfs().arg("info").arg(&database))
        .exits(6)
        .complains("primary copy is damaged");
    overwrite(&database, 4096 + 100, &[0xdd; 3]);
    run(jetfs().arg("info").arg(&database))
        .exits(6)
        .complains("JET_errDatabaseCorrupted");
}

#[test]
fn a_file_of_another_kind_is_refused() {
    let directory = temp_dir();
    let file = directory.path().join("notes.txt");
    std::fs::write(&file, "not a database").unwrap();
    run(jetfs().arg("info").arg(&file))
        .exits(3)
        .complains("JET_errFileInvalidType");
}
