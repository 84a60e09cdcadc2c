//! `jetfs log` as its users see it.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use serde_json::Value;
use std::fs;
use std::path::Path;
use support::{Ended, Samples, Set, copy_set, flip_bit, jetfs, overwrite, run, shell, temp_dir};

const SET: &str = "genuine-scenarios/p4096_e8920_crash_dirty";

fn set(test: &str) -> Option<Set> {
    Some(Samples::find(test)?.set(SET))
}

fn log(arguments: &[&str], path: &Path) -> Ended {
    run(jetfs().arg("log").args(arguments).arg(path))
}

fn json(arguments: &[&str], path: &Path) -> Vec<Value> {
    let ended = run(jetfs().args(["--json", "log"]).args(arguments).arg(path)).succeeds();
    let lines = ended.stdout.lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_log_is_one_line_a_record_with_position_type_and_fields() {
    let Some(set) = set("a_log_is_one_line_a_record_with_position_type_and_fields") else {
        return;
    };
    let ended = log(&[], &set.dir.join("edb.log")).succeeds();
    assert_eq!(ended.stdout.lines().count(), 304);
    let fifth = ended.stdout.lines().nth(4).unwrap();
    let begins =
        "0000000E,0001,0151 Insert    session=0xb database=1 page=213 dbtime=0xe06 trx=0x14c level=2 line=6";
    assert!(fifth.starts_with(begins), "{fifth}");
    assert!(
        fifth.contains(" rceid=5517 ") && fifth.ends_with("…(1400)"),
        "{fifth}"
    );
    assert_eq!(ended.stderr, "");
}

#[test]
fn a_directory_is_read_generation_by_generation_and_summed_up_on_stderr() {
    let Some(set) = set("a_directory_is_read_generation_by_generation_and_summed_up_on_stderr") else {
        return;
    };
    let ended = log(&[], &set.dir).succeeds();
    let positions: Vec<&str> = ended.stdout.lines().map(|line| line.get(..18).unwrap()).collect();
    assert!(positions.is_sorted());
    assert!(positions[0].starts_with("00000001,") && positions.last().unwrap().starts_with("0000000E,"));
    assert_eq!(ended.stderr.lines().count(), 14, "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("generation 0xe, created 2026-11-23 16:03:42.391 UTC: 304 records")
    );
}

#[test]
fn filters_choose_by_type_page_session_database_and_generation() {
    let Some(set) = set("filters_choose_by_type_page_session_database_and_generation") else {
        return;
    };
    let splits = json(&["--type", "split2,62", "--generation", "0xe"], &set.dir);
    assert_eq!(splits.len(), 18);
    assert!(
        splits
            .iter()
            .all(|record| record["name"] == "Split2" && record["generation"] == 14)
    );
    let of_page = json(&["--page", "213"], &set.dir);
    assert!(of_page.iter().all(|record| {
        let pages = record["pages"].as_array();
        let named = pages.is_some_and(|pages| pages.contains(&213.into()));
        named
            || ["page", "page-new", "page-left", "page-right", "page-parent"]
                .iter()
                .any(|key| record[key] == 213)
    }));
    assert!(of_page.len() > 5);
    let of_session = json(&["--session", "0xb", "--database", "1"], &set.dir);
    assert!(!of_session.is_empty());
    assert!(
        of_session
            .iter()
            .all(|record| record["session"] == 11 && record["database"] == 1)
    );
    assert!(json(&["--database", "2"], &set.dir).is_empty());
}

#[test]
fn json_has_every_field_with_bytes_in_hex() {
    let Some(set) = set("json_has_every_field_with_bytes_in_hex") else {
        return;
    };
    let records = json(&["--type", "Insert"], &set.dir.join("edb.log"));
    let first = &records[0];
    assert_eq!(first["position"], "0000000E,0001,0151");
    assert_eq!(
        (&first["dbtime"], &first["dbtime-before"]),
        (&0xe06.into(), &Value::Null)
    );
    assert_eq!(first["key"], "0000000a00000000");
    assert_eq!(first["data"].as_str().unwrap().len(), 2 * 1400);
}

#[test]
fn a_summary_counts_records_and_bytes_of_each_type() {
    let Some(set) = set("a_summary_counts_records_and_bytes_of_each_type") else {
        return;
    };
    let ended = log(&["--summary"], &set.dir).succeeds();
    assert_eq!(ended.stdout.matches("generation 0x").count(), 14);
    let summaries = json(&["--summary"], &set.dir);
    assert_eq!(summaries.len(), 14);
    let last = &summaries[13];
    assert_eq!((&last["generation"], &last["records"]), (&14.into(), &304.into()));
    let inserts = last["types"]
        .as_array()
        .unwrap()
        .iter()
        .find(|count| count["name"] == "Insert");
    assert_eq!(inserts.unwrap()["records"], 87);
}

#[test]
fn a_damaged_log_is_shown_up_to_the_damage_and_exits_6() {
    let Some(set) = set("a_damaged_log_is_shown_up_to_the_damage_and_exits_6") else {
        return;
    };
    let directory = temp_dir();
    copy_set(&set, directory.path());
    let damaged = directory.path().join("edb00000003.log");
    overwrite(&damaged, 5 * 4096 + 100, &[0x55; 100]);
    let ended = log(&[], directory.path()).exits(6);
    let last = ended.stdout.lines().last().unwrap();
    assert!(last.starts_with("00000003,000"), "{last}");
    assert!(ended.stderr.contains("edb00000003.log: offset 0x5000"), "{ended}");
    assert!(ended.stderr.contains("JET_errLogFileCorrupt"), "{ended}");
}

#[test]
fn one_flipped_bit_hides_nothing() {
    let Some(set) = set("one_flipped_bit_hides_nothing") else {
        return;
    };
    let directory = temp_dir();
    copy_set(&set, directory.path());
    let copy = directory.path().join("edb.log");
    flip_bit(&copy, 2 * 4096 + 300, 5);
    assert_eq!(
        log(&[], &copy).succeeds().stdout,
        log(&[], &set.dir.join("edb.log")).stdout
    );
}

#[test]
fn missing_generations_are_named_and_the_rest_is_shown() {
    let Some(set) = set("missing_generations_are_named_and_the_rest_is_shown") else {
        return;
    };
    let directory = temp_dir();
    copy_set(&set, directory.path());
    fs::remove_file(directory.path().join("edb00000004.log")).unwrap();
    let ended = log(&["--type", "Begin0"], directory.path())
        .exits(5)
        .complains("generations 0x4 to 0x4 are missing");
    assert!(
        ended.stdout.lines().any(|line| line.starts_with("00000005,")),
        "{ended}"
    );
}

#[test]
fn a_closed_pipe_is_no_error() {
    let Some(set) = set("a_closed_pipe_is_no_error") else {
        return;
    };
    let ended = shell("\"$JETFS\" log \"$1\" | head -n 1", [&set.dir]).succeeds();
    assert_eq!(ended.stdout.lines().count(), 1);
    assert!(!ended.stderr.contains("panicked"), "{ended}");
}

#[test]
fn what_is_no_log_is_refused() {
    let Some(set) = set("what_is_no_log_is_refused") else {
        return;
    };
    log(&[], &set.dir.join("test.edb"))
        .exits(3)
        .complains("a database, not a log");
    log(&[], Path::new("/no/such.log")).fails();
    log(&["--type", "nonsense"], &set.dir)
        .exits(2)
        .complains("Insert");
    log(&["--generation", "9-8"], &set.dir).exits(2);
}
