//! Genuine ESE files: where they are, their archives unpacked once, and every set among them.

use super::{program, run, skip, target_dir, tree::names_in, workspace_root};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The genuine files, archives unpacked.
#[derive(Debug)]
pub(crate) struct Samples {
    root: PathBuf,
    cache: PathBuf,
}

/// A directory that holds ESE files: what a user would mount.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    /// Its path below the samples; that of the archive first, if it comes from one.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) dir: PathBuf,
}

impl Samples {
    /// The samples named by `JETFS_SAMPLES`, by default `../shared/samples` beside the repository.
    ///
    /// `None` if there are none: the test returns, and is counted as skipped. With `JETFS_REQUIRE_SAMPLES=1`
    /// that is a failure.
    pub(crate) fn find(test: &str) -> Option<Samples> {
        let root = match std::env::var_os("JETFS_SAMPLES") {
            Some(path) => workspace_root().join(path),
            None => workspace_root().join("../shared/samples"),
        };
        if !root.join("README.md").exists() {
            let required = std::env::var_os("JETFS_REQUIRE_SAMPLES").is_some_and(|value| value == "1");
            assert!(
                !required,
                "no genuine files at {} (JETFS_REQUIRE_SAMPLES=1)",
                root.display()
            );
            skip(test, &format!("no genuine files at {}", root.display()));
            return None;
        }
        let cache = unpacked(&root);
        Some(Samples { root, cache })
    }

    /// The directory of the samples, archives not unpacked.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Every set, by name.
    pub(crate) fn sets(&self) -> Vec<Set> {
        let mut sets = Vec::new();
        collect_sets(&self.root, "", &mut sets);
        collect_sets(&self.cache, "", &mut sets);
        for set in &mut sets {
            set.name = without_archive_size(&set.name);
        }
        sets.sort_by(|a, b| a.name.cmp(&b.name));
        assert!(
            sets.len() > 30,
            "only {} sets at {}",
            sets.len(),
            self.root.display()
        );
        sets
    }

    /// The set of this name.
    pub(crate) fn set(&self, name: &str) -> Set {
        self.sets()
            .into_iter()
            .find(|set| set.name == name)
            .unwrap_or_else(|| panic!("no sample {name}"))
    }
}

impl Set {
    /// Names of the ESE files, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        names_in(&self.dir)
            .into_iter()
            .filter(|name| is_ese_name(name))
            .collect()
    }

    /// Names of the databases, sorted.
    pub(crate) fn databases(&self) -> Vec<String> {
        self.files()
            .into_iter()
            .filter(|name| is_database_name(name))
            .collect()
    }
}

/// Whether a file of the samples is an ESE file, by its name.
pub(crate) fn is_ese_name(name: &str) -> bool {
    is_database_name(name)
        || [".log", ".chk", ".jfm", ".jrs", ".pat"]
            .iter()
            .any(|end| name.ends_with(end))
}

fn is_database_name(name: &str) -> bool {
    [".edb", ".dit", ".dat", ".db"]
        .iter()
        .any(|end| name.ends_with(end))
}

fn collect_sets(dir: &Path, name: &str, sets: &mut Vec<Set>) {
    let mut names = names_in(dir);
    names.retain(|name| !name.starts_with('.'));
    if names.iter().any(|name| is_ese_name(name)) {
        sets.push(Set {
            name: name.to_owned(),
            dir: dir.to_path_buf(),
        });
    }
    for entry in names {
        let path = dir.join(&entry);
        if path.is_dir() {
            collect_sets(&path, format!("{name}/{entry}").trim_start_matches('/'), sets);
        }
    }
}

/// `a.tar.xz-123/b` is the set `a.tar.xz/b`: the size only tells one archive from its successor.
fn without_archive_size(name: &str) -> String {
    match name.split_once(".tar.xz-") {
        Some((archive, rest)) => format!(
            "{archive}.tar.xz{}",
            rest.trim_start_matches(|c: char| c.is_ascii_digit())
        ),
        None => name.to_owned(),
    }
}

/// Unpacks every `*.tar.xz` below `root` into `target/samples-cache`, once; returns that directory.
///
/// Test programs that run side by side wait for each other; an unpacking that was cut off leaves nothing that
/// looks finished, because the rename comes last.
fn unpacked(root: &Path) -> PathBuf {
    let cache = target_dir().join("samples-cache");
    fs::create_dir_all(&cache).unwrap();
    let lock = File::create(cache.join(".lock")).unwrap();
    let _lock = Flock::lock(lock, FlockArg::LockExclusive)
        .map_err(|(_, errno)| errno)
        .unwrap();
    let mut archives = Vec::new();
    find_archives(root, &mut archives);
    let wanted: Vec<String> = archives
        .iter()
        .map(|archive| unpack_once(root, archive, &cache))
        .collect();
    remove_others(&cache, &wanted);
    cache
}

fn find_archives(dir: &Path, archives: &mut Vec<PathBuf>) {
    for name in names_in(dir) {
        let path = dir.join(&name);
        if path.is_dir() {
            find_archives(&path, archives);
        } else if name.ends_with(".tar.xz") {
            archives.push(path);
        }
    }
}

/// The archive's directory in the cache: its path, with its size so that a new archive is unpacked anew.
fn unpack_once(root: &Path, archive: &Path, cache: &Path) -> String {
    let path = archive.strip_prefix(root).unwrap().to_str().unwrap();
    let name = format!(
        "{}-{}",
        path.replace('/', "."),
        fs::metadata(archive).unwrap().size()
    );
    if !cache.join(&name).exists() {
        let unfinished = tempfile::Builder::new()
            .prefix(".unpacking-")
            .tempdir_in(cache)
            .unwrap();
        let into = unfinished.path().join("contents");
        fs::create_dir(&into).unwrap();
        let mut tar = program("tar");
        run(tar
            .arg("-xJf")
            .arg(archive)
            .arg("-C")
            .arg(&into)
            .arg("--no-same-owner"))
        .succeeds();
        fs::rename(&into, cache.join(&name)).unwrap();
    }
    name
}

/// Removes what was unpacked from archives that are no longer there, or was left half unpacked.
fn remove_others(cache: &Path, wanted: &[String]) {
    for name in names_in(cache) {
        if name != ".lock" && !wanted.contains(&name) {
            let _ = fs::remove_dir_all(cache.join(name));
        }
    }
}
