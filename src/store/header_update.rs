//! Headers that are kept twice: of databases and checkpoints (log-and-recovery.md sections 5.4 and 7).
//!
//! The copy that a reader trusts is written last, and only when the other one is durable: at every moment the trusted
//! copy is whole, or the other one is and has the new contents.

use super::read_header::read_start;
use crate::error::{JetError, JetResult};
use crate::format::{BOTH_COPIES_LEN, Checkpoint, DatabaseHeader, HeaderCopy, choose_copy};
use crate::io::{File, FileSystem, OpenMode};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Writes both copies of a database's header. When it returns they are durable.
///
/// # Errors
/// What the system says; one of the copies is still good.
pub fn write_database_header(file: &dyn File, header: &DatabaseHeader) -> JetResult<()> {
    let shadow = header.page_size.bytes() as u64;
    let start = read_start(file, BOTH_COPIES_LEN)?;
    let trusted = choose_copy(&start).ok().map(|chosen| chosen.used);
    write_copies(file, &header.encode(), [0, shadow], trusted)
}

/// Writes both copies of a checkpoint, and makes the file if there is none. When it returns they are durable.
///
/// # Errors
/// What the system says; if there was a checkpoint, it is still good or already the new one.
pub fn write_checkpoint(fs: &dyn FileSystem, path: &Path, checkpoint: &Checkpoint) -> JetResult<()> {
    match fs.open(path, OpenMode::ReadWrite) {
        Ok(file) => write_checkpoint_to(&*file, checkpoint),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create_checkpoint(fs, path, checkpoint),
        Err(error) => Err(JetError::io("open", error)),
    }
    .map_err(|error| error.in_file(path))
}

/// Writes both copies of a checkpoint that is open.
///
/// # Errors
/// Those of [`write_checkpoint`].
pub fn write_checkpoint_to(file: &dyn File, checkpoint: &Checkpoint) -> JetResult<()> {
    let start = read_start(file, Checkpoint::FILE_LEN)?;
    let trusted = Checkpoint::read(&start).ok().map(|chosen| chosen.used);
    write_copies(
        file,
        &checkpoint.encode_copy(),
        [0, Checkpoint::COPY_LEN as u64],
        trusted,
    )
}

/// A power cut before the end leaves a checkpoint that counts as missing, as it was.
fn create_checkpoint(fs: &dyn FileSystem, path: &Path, checkpoint: &Checkpoint) -> JetResult<()> {
    let file: Arc<dyn File> = fs
        .open(path, OpenMode::CreateNew)
        .map_err(|error| JetError::io("create", error))?;
    write_checkpoint_to(&*file, checkpoint)?;
    let directory = path.parent().unwrap_or(Path::new("."));
    fs.sync_dir(directory)
        .map_err(|error| JetError::io("sync the directory", error))
}

fn write_copies(
    file: &dyn File,
    copy: &[u8],
    [primary, shadow]: [u64; 2],
    trusted: Option<HeaderCopy>,
) -> JetResult<()> {
    let order = match trusted {
        Some(HeaderCopy::Primary) => [shadow, primary],
        Some(HeaderCopy::Shadow) | None => [primary, shadow],
    };
    for offset in order {
        file.write_all_at(copy, offset)
            .map_err(|error| JetError::io("write", error).at_offset(offset))?;
        file.sync().map_err(|error| JetError::io("sync", error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{DbmsParam, LogPosition, OtherCopy, PageSize, Signature};
    use crate::io::{FaultFileSystem, MemoryFileSystem, Which, count_up};
    use crate::store::read_database_header;

    const PATH: &str = "/a.edb";

    fn header(page_size: PageSize, mark: u32) -> DatabaseHeader {
        let mut header = DatabaseHeader::new(page_size, Signature::default()).unwrap();
        header.objid_last = mark;
        header
    }

    fn open(fs: &dyn FileSystem) -> Arc<dyn File> {
        fs.open(Path::new(PATH), OpenMode::ReadWrite).unwrap()
    }

    fn mark_of(file: &dyn File) -> u32 {
        read_database_header(file).unwrap().objid_last
    }

    /// A database whose copies are these.
    fn with_copies(page_size: PageSize, primary: &[u8], shadow: &[u8]) -> FaultFileSystem {
        let memory = MemoryFileSystem::default();
        let mut bytes = primary.to_vec();
        bytes.resize(page_size.bytes(), 0);
        bytes.extend(shadow);
        memory.write_file(PATH, &bytes).unwrap();
        FaultFileSystem::new(Arc::new(memory))
    }

    #[test]
    fn whatever_a_cut_leaves_of_a_header_is_the_old_or_the_new_one() {
        for page_size in PageSize::ALL {
            let (old, other) = (header(page_size, 1).encode(), header(page_size, 8).encode());
            let mut damaged = old.clone();
            damaged[100] ^= 1;
            for (primary, shadow) in [(&old, &old), (&damaged, &old), (&old, &damaged), (&old, &other)] {
                for seed in 0..60 {
                    count_up(|k| {
                        let fs = with_copies(page_size, primary, shadow);
                        fs.cut_power_at(k, Which::Changing, seed);
                        let done = write_database_header(&*open(&fs), &header(page_size, 2)).is_ok();
                        let reached = fs.reached();
                        if !reached {
                            fs.cut_power(seed).unwrap();
                        }
                        fs.restart();
                        let mark = mark_of(&*open(&fs));
                        assert!(mark == 2 || (mark == 1 && !done), "{mark}: {:?}", fs.last_cut());
                        reached
                    });
                }
            }
        }
    }

    #[test]
    fn both_copies_are_written_whatever_was_there() {
        for page_size in PageSize::ALL {
            let garbage = vec![0x5A; page_size.bytes()];
            let fs = with_copies(page_size, &garbage, &garbage);
            write_database_header(&*open(&fs), &header(page_size, 3)).unwrap();
            let start = read_start(&*open(&fs), BOTH_COPIES_LEN).unwrap();
            assert_eq!(choose_copy(&start).unwrap().other, OtherCopy::Same);
        }
    }

    fn checkpoint(generation: u32) -> Checkpoint {
        let position = LogPosition {
            generation,
            sector: 1,
            byte: 0,
        };
        let param = DbmsParam::new("C:\\", "C:\\", 64).unwrap();
        Checkpoint::new(position, Signature::default(), param).unwrap()
    }

    fn generation(fs: &dyn FileSystem) -> Option<u32> {
        let file = fs.open(Path::new("/edb.chk"), OpenMode::ReadOnly).ok()?;
        let start = read_start(&*file, Checkpoint::FILE_LEN).unwrap();
        Some(Checkpoint::read(&start).ok()?.checkpoint.checkpoint.generation)
    }

    #[test]
    fn whatever_a_cut_leaves_of_a_checkpoint_is_the_old_or_the_new_one_and_a_new_file_may_be_missing() {
        let path = Path::new("/edb.chk");
        for exists in [true, false] {
            for seed in 0..100 {
                count_up(|k| {
                    let memory = MemoryFileSystem::default();
                    if exists {
                        memory
                            .write_file(path, &checkpoint(1).encode_copy().repeat(2))
                            .unwrap();
                    }
                    let fs = FaultFileSystem::new(Arc::new(memory));
                    fs.cut_power_at(k, Which::Changing, seed);
                    let done = write_checkpoint(&fs, path, &checkpoint(2)).is_ok();
                    let reached = fs.reached();
                    if !reached {
                        fs.cut_power(seed).unwrap();
                    }
                    fs.restart();
                    let found = generation(&fs);
                    let old = if exists { Some(1) } else { None };
                    assert!(found == Some(2) || (found == old && !done), "{found:?}");
                    reached
                });
            }
        }
    }
}
