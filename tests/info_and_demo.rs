//! `jetfs demo` and `jetfs info` as a user runs them.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{jetfs, overwrite, run, shell, temp_dir};

fn demo_database(directory: &Path) -> PathBuf {
    let keep = directory.join("demo");
    run(jetfs()
        .args(["demo", "--seconds", "1", "--no-mount", "--keep"])
        .arg(&keep))
    .succeeds();
    keep.join("instance/demo.edb")
}

#[test]
fn the_demo_needs_nothing_and_leaves_nothing_behind() {
    for size in ["4", "32"] {
        let directory = temp_dir();
        let arguments = [
            "--json",
            "demo",
            "--seconds",
            "1",
            "--writers",
            "8",
            "--page-size",
            size,
        ];
        let result = run(jetfs().args(arguments).env("TMPDIR", directory.path()))
            .succeeds()
            .json();
        assert!(result["durable-commits"].as_u64() > Some(0), "{result}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_demo_with_a_large_table_has_all_of_it() {
    let directory = temp_dir();
    let keep = directory.path().join("demo");
    let arguments = ["demo", "--size", "8MiB", "--seconds", "0", "--no-mount", "--keep"];
    run(jetfs().args(arguments).arg(&keep)).succeeds();
    let len = std::fs::metadata(keep.join("instance/demo.edb")).unwrap().len();
    assert!((7 << 20..12 << 20).contains(&len), "{len}");
}

/// Interrupts a demo when it has told of `step`.
fn interrupt(demo: &mut Command, step: &str) {
    let mut demo = demo
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut story = BufReader::new(demo.stdout.take().unwrap()).lines();
    let line = story.find(|line| line.as_ref().is_ok_and(|line| line.contains(step)));
    assert!(line.is_some(), "no {step}");
    shell(r#"kill -INT "$1""#, [demo.id().to_string()]).succeeds();
    assert_eq!(demo.wait().unwrap().code(), Some(5), "{step}");
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    // While the writers work, and while the files are mounted.
    for (step, seconds) in [(". create ", "600"), (". mount ", "0")] {
        let directory = temp_dir();
        let mut demo = jetfs();
        demo.args(["demo", "--seconds", seconds, "--size", "20MiB"]);
        interrupt(demo.env("TMPDIR", directory.path()), step);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "{step}");
    }
}

#[test]
fn an_interrupted_demo_keeps_a_clean_database_if_it_is_to_keep_it() {
    let directory = temp_dir();
    let keep = directory.path().join("demo");
    let mut demo = jetfs();
    interrupt(
        demo.args(["demo", "--seconds", "600", "--keep"]).arg(&keep),
        ". create ",
    );
    run(jetfs().args(["verify", "--deep"]).arg(keep.join("instance"))).exits(0);
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
