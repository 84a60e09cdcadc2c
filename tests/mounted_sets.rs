//! Every genuine set, mounted: what copying tools and third-party readers get is what lies in the source.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use rand::seq::SliceRandom;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use support::{
    Ended, Mount, Samples, Set, amount, fingerprint, names_in, program, python, run, seeded, shell, temp_dir,
    tool_is_missing, workspace_root,
};

#[test]
fn rsync_cp_tar_and_sha256sum_get_the_bytes_of_the_source_and_nothing_is_written_to_it() {
    let Some(samples) = Samples::find("copies_of_every_set") else {
        return;
    };
    let sets = samples.sets();
    support::measured(&format!(
        "{} genuine sets copied by rsync, cp, tar and sha256sum",
        sets.len()
    ));
    for set in sets {
        println!("{}", set.name);
        let before = fingerprint(&set.dir);
        let mount = Mount::of(&set.dir);
        assert_lists_every_ese_file(&set, mount.path());
        assert_copied_by_rsync(&set, mount.path());
        assert_copied_by(&set, mount.path(), "cp -r \"$1\" \"$2/mnt\"");
        assert_copied_by(
            &set,
            mount.path(),
            "mkdir \"$2/mnt\" && tar -C \"$1\" -cf - . | tar -C \"$2/mnt\" -xf -",
        );
        assert_same_sums(&set, mount.path());
        mount.umount().succeeds();
        assert_eq!(
            fingerprint(&set.dir),
            before,
            "{}: the source was written to",
            set.name
        );
    }
}

/// Every ESE file is there; beside them only the manifest.
fn assert_lists_every_ese_file(set: &Set, mounted: &Path) {
    let mut wanted = set.files();
    wanted.push("backup.json".into());
    wanted.sort();
    assert_eq!(names_in(mounted), wanted, "{}", set.name);
}

fn assert_copied_by_rsync(set: &Set, mounted: &Path) {
    let out = temp_dir();
    shell("rsync -a \"$1/\" \"$2/mnt/\"", [mounted, out.path()]).succeeds();
    assert_same_files(set, &out.path().join("mnt"));
    for name in set.files() {
        let (copy, source) = (out.path().join("mnt").join(&name), set.dir.join(&name));
        let time = |path| {
            fs::metadata(path)
                .map(|meta| (meta.mtime(), meta.mtime_nsec()))
                .unwrap()
        };
        assert_eq!(time(&copy), time(&source), "{}: mtime of {name}", set.name);
    }
    let again = shell("rsync -a --stats \"$1/\" \"$2/mnt/\"", [mounted, out.path()]).succeeds();
    assert!(
        again.stdout.contains("Number of regular files transferred: 0\n"),
        "{}: {again}",
        set.name
    );
}

fn assert_copied_by(set: &Set, mounted: &Path, script: &str) {
    let out = temp_dir();
    shell(script, [mounted, out.path()]).succeeds();
    assert_same_files(set, &out.path().join("mnt"));
}

fn assert_same_files(set: &Set, copy: &Path) {
    for name in set.files() {
        let same = fs::read(copy.join(&name)).unwrap() == fs::read(set.dir.join(&name)).unwrap();
        assert!(same, "{}: {name} differs", set.name);
    }
}

fn assert_same_sums(set: &Set, mounted: &Path) {
    let sums = |dir: &Path| {
        let mut command = program("sha256sum");
        run(command.arg("--").args(set.files()).current_dir(dir))
            .succeeds()
            .stdout
    };
    assert_eq!(sums(mounted), sums(&set.dir), "{}", set.name);
}

#[test]
fn mounting_again_gives_the_same_inodes_sizes_times_and_manifest() {
    let Some(samples) = Samples::find("mounting_again") else {
        return;
    };
    for set in samples.sets() {
        let look = || {
            let mount = Mount::of(&set.dir);
            let seen = attributes(mount.path());
            let manifest = fs::read_to_string(mount.file("backup.json")).unwrap();
            mount.umount().succeeds();
            (seen, manifest)
        };
        let (first, manifest) = look();
        let inodes: BTreeSet<u64> = first.values().map(|file| file.inode).collect();
        assert_eq!(
            inodes.len(),
            first.len(),
            "{}: two files share an inode",
            set.name
        );
        assert_eq!(look(), (first, manifest), "{}", set.name);
    }
}

/// What must be the same after a remount.
#[derive(Debug, PartialEq, Eq)]
struct Attributes {
    inode: u64,
    size: u64,
    blocks: u64,
    mtime: (i64, i64),
    links: u64,
}

fn attributes(dir: &Path) -> BTreeMap<String, Attributes> {
    let one = |name: String| {
        let meta = fs::metadata(dir.join(&name)).unwrap();
        let (inode, size, blocks, links) = (meta.ino(), meta.size(), meta.blocks(), meta.nlink());
        let mtime = (meta.mtime(), meta.mtime_nsec());
        (
            name,
            Attributes {
                inode,
                size,
                blocks,
                mtime,
                links,
            },
        )
    };
    names_in(dir).into_iter().map(one).collect()
}

#[test]
fn stat_tells_sizes_blocks_links_and_the_preferred_read_size() {
    let Some(samples) = Samples::find("stat_tells") else {
        return;
    };
    let set = samples.set("genuine-4k/clean");
    let mount = Mount::of(&set.dir);
    for name in set.files() {
        let meta = fs::metadata(mount.file(&name)).unwrap();
        assert_eq!(meta.size(), fs::metadata(set.dir.join(&name)).unwrap().size());
        assert_eq!(meta.blocks(), meta.size().div_ceil(512));
        assert!(
            meta.nlink() >= 1 && meta.blksize() >= 128 << 10,
            "{name}: {meta:?}"
        );
        assert_eq!(meta.mode() & 0o777, 0o400, "readable by the mounting user only");
    }
}

/// The readers, and the module that each needs.
const READERS: [(&str, &str); 3] = [
    ("libesedb", "pyesedb"),
    ("dissect", "dissect.database"),
    ("impacket", "impacket"),
];

/// impacket goes in circles in some databases that were not shut down cleanly.
fn can_read(reader: &str, set: &Set) -> bool {
    reader != "impacket" || !(set.name.ends_with("dirty") || set.name.ends_with("mid"))
}

#[test]
fn third_party_readers_find_the_same_rows_through_the_mount() {
    let Some(samples) = Samples::find("third_party_readers") else {
        return;
    };
    let mut sets = samples.sets();
    sets.retain(|set| !set.databases().is_empty());
    sets.shuffle(&mut seeded("third_party_readers", 2));
    sets.truncate(amount(8, usize::MAX));
    for (reader, module) in READERS {
        let test = format!("third_party_readers_{reader}");
        let mut read = 0;
        for set in sets.iter().filter(|set| can_read(reader, set)) {
            if python(&test, module).is_none() {
                break;
            }
            let mount = Mount::of(&set.dir);
            for name in set.databases() {
                let rows = |dir: &Path| rows_by(&test, reader, module, &dir.join(&name));
                let (source, mounted) = (rows(&set.dir), rows(mount.path()));
                assert_eq!(
                    mounted.stdout, source.stdout,
                    "{}: {name} by {reader}\n{mounted}",
                    set.name
                );
                assert_eq!(
                    mounted.code, source.code,
                    "{}: {name} by {reader}\n{mounted}",
                    set.name
                );
                read += usize::from(source.code == Some(0));
            }
        }
        support::measured(&format!(
            "{reader} read the same rows from {read} mounted databases"
        ));
    }
}

fn rows_by(test: &str, reader: &str, module: &str, file: &Path) -> Ended {
    let mut command = python(test, module).unwrap();
    command
        .arg(workspace_root().join("tests/readers/dump_rows.py"))
        .arg(reader)
        .arg(file);
    run(&mut command)
}

#[test]
fn esedbexport_exports_the_same_tables_through_the_mount() {
    let test = "esedbexport_exports";
    let Some(samples) = Samples::find(test) else {
        return;
    };
    if shell("command -v esedbexport", [""]).code != Some(0) {
        return tool_is_missing(test, "esedbexport");
    }
    let names = [
        "esedb-4k",
        "srum-server2022-day1",
        "genuine-4k/clean",
        "qmgr-win10",
    ];
    let quick: Vec<Set> = names.iter().map(|name| samples.set(name)).collect();
    for set in amount(quick, samples.sets()) {
        let mount = Mount::of(&set.dir);
        for name in set.databases() {
            let out = temp_dir();
            let export = "esedbexport -t \"$3/$1\" \"$2\" >\"$3/$1.out\" 2>&1; echo $?";
            let export = |which: &str, dir: &Path| {
                let path = dir.join(&name);
                shell(export, [which.as_ref(), path.as_path(), out.path()])
                    .succeeds()
                    .stdout
            };
            assert_eq!(
                export("mounted", mount.path()),
                export("plain", &set.dir),
                "{}: {name}",
                set.name
            );
            // Old versions of esedbexport know no recent formats: then there is no directory on either side.
            let compare = "[ ! -e \"$1/plain.export\" ] || diff -r \"$1/plain.export\" \"$1/mounted.export\"";
            shell(compare, [out.path()]).succeeds();
        }
    }
}
