//! What is mutated: pieces of genuine files, found through `JETFS_SAMPLES`. Without them the parsers still have the
//! structures that our own encoders make.

use jetfs::format::{PageSize, choose_copy, has_database_magic};
use std::fs;
use std::path::{Path, PathBuf};

/// Genuine files, sorted by what they are.
#[derive(Default)]
pub(crate) struct Samples {
    pub(crate) databases: Vec<Database>,
    pub(crate) logs: Vec<Vec<u8>>,
    pub(crate) checkpoints: Vec<Vec<u8>>,
    pub(crate) flush_maps: Vec<Vec<u8>>,
}

pub(crate) struct Database {
    pub(crate) size: PageSize,
    pub(crate) bytes: Vec<u8>,
}

/// Databases and logs beyond this many would only repeat what is there.
const MOST: usize = 40;

impl Samples {
    pub(crate) fn find() -> Self {
        let root = std::env::var_os("JETFS_SAMPLES").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/samples"),
            PathBuf::from,
        );
        let mut samples = Samples::default();
        let mut files = Vec::new();
        collect(&root, &mut files);
        if files.is_empty() {
            println!(
                "no samples in {}: only structures of our own encoders",
                root.display()
            );
        }
        files.into_iter().for_each(|path| samples.take(&path));
        samples
    }

    fn take(&mut self, path: &Path) {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        let Ok(bytes) = fs::read(path) else { return };
        match extension {
            "log" | "jtx" if self.logs.len() < MOST => self.logs.push(bytes),
            "chk" | "jcp" => self.checkpoints.push(bytes),
            "jfm" => self.flush_maps.push(bytes),
            _ if has_database_magic(&bytes) && self.databases.len() < MOST => {
                if let Ok(chosen) = choose_copy(&bytes) {
                    let size = chosen.header.page_size();
                    self.databases.push(Database { size, bytes });
                }
            }
            _ => {}
        }
    }

    /// Pages that hold something, with their numbers, spread over all databases.
    pub(crate) fn pages(&self) -> Vec<Vec<u8>> {
        self.databases.iter().flat_map(Database::some_pages).collect()
    }
}

impl Database {
    /// The first pages, then every so manieth.
    fn some_pages(&self) -> Vec<Vec<u8>> {
        let pages = self.bytes.chunks_exact(self.size.bytes()).skip(2).enumerate();
        let used = pages.filter(|(_, page)| page.iter().any(|byte| *byte != 0));
        let chosen = used.filter(|(index, _)| *index < 40 || index % 31 == 0);
        chosen.map(|(_, page)| page.to_vec()).take(100).collect()
    }
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(directory).into_iter().flatten().flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
