//! Recovery as the library does it, on sets in memory.

use super::memory_set::{MemorySet, SET};
use jetfs::io::{FileSystem, SettableClock};
use jetfs::recovery::in_place::{Durability, LockedSet, Writable};
use jetfs::recovery::{InstanceFiles, Options, Places, Plan, Replayed};
use jetfs::store::{FoundPage, SpillDirectory};
use jetfs::{JetErr, JetError, JetResult};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of pages that a replay keeps in memory.
const MEMORY: usize = 64 << 20;

/// What a set becomes. Nothing is written.
pub(crate) fn replay(set: &MemorySet) -> JetResult<BTreeMap<String, Vec<u8>>> {
    replay_with_memory(set, MEMORY)
}

/// As [`replay`], with at most so many bytes of pages in memory; the others go to a temporary file.
pub(crate) fn replay_with_memory(set: &MemorySet, memory: usize) -> JetResult<BTreeMap<String, Vec<u8>>> {
    let fs: Arc<dyn FileSystem> = Arc::new(set.file_system());
    let places = Places {
        logs: SET.into(),
        ..Places::default()
    };
    let files = InstanceFiles::find(fs.as_ref(), &places)?;
    let options = options(&fs, memory);
    let replayed = Plan::new(fs.as_ref(), &files, options)?.replay(&mut |_| ());
    let databases = replayed.and_then(|replayed| compose(set, replayed));
    assert!(
        MemorySet::read_back(fs.as_ref()) == *set,
        "the source was changed"
    );
    databases
}

/// The longest database that is held in memory, several times that of the longest sample.
const LENGTH_MOST: u64 = 24 << 20;

/// The bytes of every database after a replay.
fn compose(set: &MemorySet, replayed: Replayed) -> JetResult<BTreeMap<String, Vec<u8>>> {
    let mut databases = BTreeMap::new();
    for mut recovered in replayed.databases {
        let name = name_of(&recovered.path);
        let size = recovered.overlay.page_size();
        let last = recovered.overlay.last_page();
        // A hostile log may make a file of any length, which is sparse; here it would fill the memory.
        if u64::from(last) * size.bytes_u64() > LENGTH_MOST {
            let what = "the database is longer than this test holds in memory";
            return Err(JetError::rule(JetErr::OutOfMemory, what));
        }
        let mut bytes = if set.has(&name) {
            set.file(&name).to_vec()
        } else {
            Vec::new()
        };
        bytes.resize(usize::try_from(size.offset_of(last)).unwrap() + size.bytes(), 0);
        let header = recovered.header.encode();
        bytes[..header.len()].copy_from_slice(&header);
        bytes[size.bytes()..][..header.len()].copy_from_slice(&header);
        for pgno in recovered.overlay.changed().clone() {
            let start = usize::try_from(size.offset_of(pgno)).unwrap();
            let page = match recovered.overlay.page(pgno)? {
                FoundPage::Page(page) => page.clone().into_verified().bytes().to_vec(),
                FoundPage::Blank | FoundPage::BeyondEnd => vec![0; size.bytes()],
            };
            bytes[start..start + size.bytes()].copy_from_slice(&page);
        }
        databases.insert(name, bytes);
    }
    for untouched in replayed.untouched {
        let name = name_of(&untouched.path);
        let bytes = set.file(&name).to_vec();
        databases.insert(name, bytes);
    }
    Ok(databases)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn options(fs: &Arc<dyn FileSystem>, memory: usize) -> Options {
    Options {
        memory,
        ..Options::new(SpillDirectory {
            fs: Arc::clone(fs),
            directory: SET.into(),
        })
    }
}

/// Recovers the set in a file system where it lies, as `jetfs recover` does.
pub(crate) fn recover_in_place(fs: &Arc<dyn FileSystem>) -> JetResult<()> {
    let places = Places {
        logs: SET.into(),
        ..Places::default()
    };
    let files = InstanceFiles::find(fs.as_ref(), &places)?;
    let paths = files.databases.iter().chain(&files.checkpoint);
    let mut set = LockedSet::lock(fs.as_ref(), paths.map(PathBuf::as_path))?;
    set.finish_interrupted()?;
    let plan = Plan::new(fs.as_ref(), &files, options(fs, MEMORY))?;
    let replayed = plan.replay(&mut |_| ())?;
    let Some(start) = &plan.start else {
        return Ok(());
    };
    let writable = Writable::new(fs.as_ref(), &files, start, replayed)?;
    if writable.is_empty() {
        return Ok(());
    }
    let clock = SettableClock::default();
    writable.write(&mut set, Durability::InPlace, &clock, &mut |_| ())
}
