//! A set of files in memory, to be damaged and recovered many times.

use super::Set;
use jetfs::format::checksum::stamp_segment;
use jetfs::format::{LogHeader, SEGMENT_LEN};
use jetfs::io::{FileSystem, MemoryFileSystem, OpenMode};
use jetfs::store::Database;
use jetfs::store::log_reader::LogFile;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Where a set lies in its file system.
pub(crate) const SET: &str = "/set";

/// The files of a set, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemorySet {
    files: BTreeMap<String, Vec<u8>>,
}

impl MemorySet {
    /// The ESE files of a set of the samples.
    pub(crate) fn read(set: &Set) -> MemorySet {
        let files = set.files().into_iter();
        let files = files.map(|name| {
            let bytes = fs::read(set.dir.join(&name)).unwrap();
            (name, bytes)
        });
        MemorySet {
            files: files.collect(),
        }
    }

    /// What lies in a file system.
    pub(crate) fn read_back(fs: &dyn FileSystem) -> MemorySet {
        let names = fs.list(Path::new(SET)).unwrap();
        let names = names.into_iter().map(|entry| entry.name.into_string().unwrap());
        let files = names.map(|name| {
            let file = fs.open(&path_of(&name), OpenMode::ReadOnly).unwrap();
            let len = usize::try_from(file.stat().unwrap().len).unwrap();
            let mut bytes = vec![0; len];
            file.read_exact_at(&mut bytes, 0).unwrap();
            (name, bytes)
        });
        MemorySet {
            files: files.collect(),
        }
    }

    /// A new file system with these files.
    pub(crate) fn file_system(&self) -> MemoryFileSystem {
        let fs = MemoryFileSystem::default();
        fs.create_dir_all(Path::new(SET)).unwrap();
        for (name, bytes) in &self.files {
            fs.write_file(path_of(name), bytes).unwrap();
        }
        fs
    }

    /// The logs alone: the database is to be made from nothing.
    pub(crate) fn logs_alone(&self) -> MemorySet {
        let mut logs = self.clone();
        logs.files.retain(|name, _| name.ends_with(".log"));
        logs
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The logs, oldest generation first; what is prepared for the next one left out.
    pub(crate) fn log_names(&self) -> Vec<String> {
        let logs = self
            .names()
            .filter(|name| name.ends_with(".log") && !name.ends_with("tmp.log"));
        let mut logs: Vec<(u32, String)> = logs
            .map(|name| (self.generation(name), name.to_owned()))
            .collect();
        logs.sort();
        logs.into_iter().map(|(_, name)| name).collect()
    }

    /// The log of the newest generation.
    pub(crate) fn last_log(&self) -> String {
        self.log_names().pop().unwrap()
    }

    /// The generation of a log.
    pub(crate) fn generation(&self, name: &str) -> u32 {
        LogHeader::read(self.file(name)).unwrap().generation
    }

    /// The only file whose name ends so.
    pub(crate) fn only(&self, end: &str) -> String {
        let mut names = self.names().filter(|name| name.ends_with(end));
        let name = names
            .next()
            .unwrap_or_else(|| panic!("no file *{end}"))
            .to_owned();
        assert_eq!(names.next(), None);
        name
    }

    #[track_caller]
    pub(crate) fn file(&self, name: &str) -> &[u8] {
        &self.files[name]
    }

    #[track_caller]
    pub(crate) fn file_mut(&mut self, name: &str) -> &mut Vec<u8> {
        self.files.get_mut(name).unwrap()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    pub(crate) fn insert(&mut self, name: &str, bytes: Vec<u8>) {
        self.files.insert(name.to_owned(), bytes);
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.files
            .remove(name)
            .unwrap_or_else(|| panic!("no file {name}"));
    }

    /// The database, opened.
    pub(crate) fn database(&self, name: &str) -> Database {
        open_in_memory(name, self.file(name))
    }

    /// How many segments of a log hold records.
    pub(crate) fn segments(&self, log: &str) -> usize {
        let end = self.load_log(log).end_position();
        usize::from(end.sector) - 1
    }

    /// Makes the checksum of a segment of a log right.
    pub(crate) fn stamp_segment(&mut self, log: &str, slot: usize) {
        let segment = &mut self.file_mut(log)[slot * SEGMENT_LEN..(slot + 1) * SEGMENT_LEN];
        stamp_segment(segment, u32::try_from(slot).unwrap());
    }

    /// Makes every log name the sum of the one before, as if nothing had been changed.
    pub(crate) fn chain_logs(&mut self) {
        let mut sum_before = None;
        for name in self.log_names() {
            let mut header = LogHeader::read(self.file(&name)).unwrap();
            if let Some(sum) = sum_before {
                header.previous_segments_checksum = sum;
                let encoded = header.encode();
                self.file_mut(&name)[..LogHeader::LEN].copy_from_slice(&encoded);
            }
            sum_before = self.load_log(&name).segments_checksum();
        }
    }

    fn load_log(&self, name: &str) -> LogFile {
        let fs = MemoryFileSystem::default();
        fs.write_file("/log", self.file(name)).unwrap();
        let file = fs.open(Path::new("/log"), OpenMode::ReadOnly).unwrap();
        LogFile::load(file.as_ref(), Path::new(name)).unwrap()
    }
}

/// Where a file of a set is.
pub(crate) fn path_of(name: &str) -> PathBuf {
    Path::new(SET).join(name)
}

/// Opens a database that is in memory.
pub(crate) fn open_in_memory(name: &str, bytes: &[u8]) -> Database {
    let fs = MemoryFileSystem::default();
    let path = path_of(name);
    fs.write_file(&path, bytes).unwrap();
    let file = fs.open(&path, OpenMode::ReadOnly).unwrap();
    Database::open(file, &path).unwrap_or_else(|error| panic!("{error}"))
}
