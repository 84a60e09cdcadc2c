//! Databases that the genuine engine recovered, made again from the logs alone: those of the crash and those that its
//! recovery wrote.

use super::genuine_replay::{compare, replay};
use crate::genuine_samples::sample;
use std::path::{Path, PathBuf};

/// The logs of a set in the order of their generations; those that its recovered twin has are newer.
fn logs_of(set: &Path, twin: &Path) -> Vec<PathBuf> {
    let names = |directory: &Path| -> Vec<String> {
        std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".log") && !name.ends_with("tmp.log"))
            .collect()
    };
    let mut logs: Vec<PathBuf> = names(twin).iter().map(|name| twin.join(name)).collect();
    let newer = names(twin);
    logs.extend(
        names(set)
            .iter()
            .filter(|name| !newer.contains(name))
            .map(|name| set.join(name)),
    );
    // The current generation has the shortest name.
    logs.sort_by_key(|path| {
        let name = path.file_name().unwrap().to_owned();
        (name.len() == 7, name)
    });
    logs
}

/// Crashed sets whose logs begin at generation 1, with their twins; those of archives only where another test has
/// unpacked them into `target/samples-cache`.
fn sets() -> Vec<(PathBuf, PathBuf)> {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/samples-cache");
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = sample("").into_iter().chain([unpacked]).collect();
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        for set in entries.map(|entry| entry.path()).filter(|path| path.is_dir()) {
            let name = set.file_name().unwrap().to_string_lossy();
            let twin = set.with_file_name(format!("{name}_recovered"));
            if set.join("edb00000001.log").exists() && twin.join("test.edb").exists() {
                found.push((set, twin));
            } else {
                folders.push(set);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_logs_of_crashed_sets_make_their_recovered_twins() {
    for (set, twin) in sets() {
        compare(&replay(&logs_of(&set, &twin)), &twin.join("test.edb"));
    }
}
