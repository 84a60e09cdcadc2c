//! Rows and index entries compared with the texts that the genuine engine wrote (samples/README.md: row text).

use crate::open;
use crate::support::{Samples, Set, assert_index_entries_are_those_in, assert_rows_are_those_in};
use std::path::PathBuf;

/// The text that describes the databases of a set as they lie there; beside dirty ones lies what a recovery makes of them.
fn row_text_of(set: &Set) -> Option<PathBuf> {
    let name = &set.name;
    if ["_dirty", "/dirty", "bk_full", "bk_inc"]
        .iter()
        .any(|end| name.ends_with(end))
    {
        return None;
    }
    let names = ["dump.txt", "expected.txt", "rows_engine.txt"];
    names
        .iter()
        .map(|name| set.dir.join(name))
        .find(|path| path.exists())
}

#[test]
fn rows_are_those_that_the_genuine_engine_returns() {
    let Some(samples) = Samples::find("rows_are_those_that_the_genuine_engine_returns") else {
        return;
    };
    let (mut compared, mut rows) = (0, 0);
    for set in samples.sets() {
        let Some(expected) = row_text_of(&set) else {
            continue;
        };
        for name in set.databases() {
            rows += assert_rows_are_those_in(&expected, &open(&set.dir.join(&name)));
            println!("{} {name}: equal", set.name);
            compared += 1;
        }
    }
    println!("{compared} databases, {rows} rows");
    assert!(compared >= 20, "only {compared} databases were compared");
}

#[test]
fn index_entries_are_those_that_the_genuine_engine_returns() {
    let Some(samples) = Samples::find("index_entries_are_those_that_the_genuine_engine_returns") else {
        return;
    };
    let (mut compared, mut entries) = (0, 0);
    for set in samples.sets() {
        let Some(text) = row_text_of(&set).map(|path| path.with_extension("txt.idx")) else {
            continue;
        };
        for name in set.databases().iter().filter(|_| text.exists()) {
            entries += assert_index_entries_are_those_in(&text, &open(&set.dir.join(name)));
            compared += 1;
        }
    }
    println!("{compared} databases, {entries} index entries");
    assert!(compared >= 10, "only {compared} databases were compared");
}
