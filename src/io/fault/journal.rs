//! What was changed since it was last synced, so that a power cut can take it back: every change with what was
//! there before, in the order in which they were made. The file system below always holds the newest state.

use super::HIDDEN;
use crate::io::{File, FileKind, FileSystem, OpenMode, Seeded};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The unit in which a disk writes: whole or not at all.
pub(super) const SECTOR: usize = 512;

type Identity = (u64, u64);

/// What a power cut did with the changes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutKind {
    /// None arrived.
    Lost,
    /// Those before a moment arrived in order; the last one only up to a sector.
    Torn,
    /// Any sectors arrived.
    Reordered,
    /// All arrived.
    Kept,
}

/// A power cut, to print beside a failed check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutReport {
    /// What everything followed from.
    pub seed: u64,
    /// What it was.
    pub kind: CutKind,
    /// Changes that were not synced.
    pub unsynced: usize,
}

impl fmt::Display for CutReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CutReport { seed, kind, unsynced } = self;
        write!(
            f,
            "power cut with seed {seed}: {unsynced} unsynced changes, {kind:?}"
        )
    }
}

/// Unsynced changes, oldest first.
#[derive(Debug, Default)]
pub(super) struct Journal {
    changes: Vec<Change>,
    /// A handle to every file that was opened for writing, to change it after the cut.
    files: BTreeMap<Identity, Arc<dyn File>>,
    /// Files whose sync has failed.
    distrusted: BTreeSet<Identity>,
    hidden: u64,
}

#[derive(Debug, Clone)]
enum Change {
    Bytes {
        file: Identity,
        offset: u64,
        new: Vec<u8>,
        /// What was there, up to the old end of the file.
        old: Vec<u8>,
        old_len: u64,
    },
    Len {
        file: Identity,
        new_len: u64,
        old_len: u64,
        /// What a shrink cut off.
        cut: Vec<u8>,
    },
    Name {
        directory: PathBuf,
        change: NameChange,
    },
}

#[derive(Debug, Clone)]
enum NameChange {
    Created(PathBuf),
    Removed {
        path: PathBuf,
        hidden: PathBuf,
    },
    Renamed {
        from: PathBuf,
        to: PathBuf,
        replaced: Option<PathBuf>,
    },
}

/// Recording what happens.
impl Journal {
    /// Keeps a handle of a file that may be written.
    pub(super) fn watch(
        &mut self,
        identity: Identity,
        open: impl FnOnce() -> io::Result<Arc<dyn File>>,
    ) -> io::Result<()> {
        if let std::collections::btree_map::Entry::Vacant(place) = self.files.entry(identity) {
            place.insert(open()?);
        }
        Ok(())
    }

    /// Writes, keeping what was there.
    pub(super) fn write(
        &mut self,
        identity: Identity,
        file: &dyn File,
        buf: &[u8],
        offset: u64,
    ) -> io::Result<usize> {
        let old_len = file.stat()?.len;
        let mut old = vec![0; buf.len()];
        let was_there = file.read_full_at(&mut old, offset)?;
        old.truncate(was_there);
        let written = file.write_at(buf, offset)?;
        self.changes.push(Change::Bytes {
            file: identity,
            offset,
            new: buf.get(..written).unwrap_or(buf).to_vec(),
            old,
            old_len,
        });
        Ok(written)
    }

    /// Changes the length, keeping what is cut off.
    pub(super) fn set_len(&mut self, identity: Identity, file: &dyn File, new_len: u64) -> io::Result<()> {
        let old_len = file.stat()?.len;
        let cut_len = old_len.saturating_sub(new_len);
        let mut cut = vec![0; usize::try_from(cut_len).map_err(|_| io::ErrorKind::OutOfMemory)?];
        file.read_exact_at(&mut cut, new_len)?;
        file.set_len(new_len)?;
        self.changes.push(Change::Len {
            file: identity,
            new_len,
            old_len,
            cut,
        });
        Ok(())
    }

    /// A name came into being.
    pub(super) fn created(&mut self, directory: PathBuf, path: PathBuf) {
        let change = NameChange::Created(path);
        self.changes.push(Change::Name { directory, change });
    }

    /// Hides the file until the directory is synced.
    pub(super) fn remove(
        &mut self,
        inner: &dyn FileSystem,
        directory: PathBuf,
        path: PathBuf,
    ) -> io::Result<()> {
        let hidden = self.hidden_name(&directory);
        inner.rename(&path, &hidden)?;
        let change = NameChange::Removed { path, hidden };
        self.changes.push(Change::Name { directory, change });
        Ok(())
    }

    /// Renames, hiding a replaced file until the directory is synced.
    pub(super) fn rename(
        &mut self,
        inner: &dyn FileSystem,
        directory: PathBuf,
        from: PathBuf,
        to: PathBuf,
    ) -> io::Result<()> {
        if from == to {
            return inner.rename(&from, &to);
        }
        let hidden = self.hidden_name(&directory);
        let replaced = match inner.rename(&to, &hidden) {
            Ok(()) => Some(hidden),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(e),
        };
        if let Err(error) = inner.rename(&from, &to) {
            if let Some(hidden) = replaced {
                inner.rename(&hidden, &to)?;
            }
            return Err(error);
        }
        let change = NameChange::Renamed { from, to, replaced };
        self.changes.push(Change::Name { directory, change });
        Ok(())
    }

    fn hidden_name(&mut self, directory: &Path) -> PathBuf {
        self.hidden += 1;
        directory.join(format!("{HIDDEN}{}", self.hidden))
    }

    /// The file's bytes and length are durable, unless an earlier sync of it has failed.
    pub(super) fn synced(&mut self, identity: Identity) {
        if !self.distrusted.contains(&identity) {
            self.changes.retain(|change| change.file() != Some(identity));
        }
    }

    /// A sync of the file failed: what later syncs report is not to be believed.
    pub(super) fn distrust_syncs(&mut self, identity: Identity) {
        self.distrusted.insert(identity);
    }

    /// The machine was started again.
    pub(super) fn trust_syncs_again(&mut self) {
        self.distrusted.clear();
    }

    /// The directory's names are durable; hidden files go.
    pub(super) fn synced_directory(&mut self, inner: &dyn FileSystem, synced: &Path) -> io::Result<()> {
        let is_durable =
            |change: &mut Change| matches!(change, Change::Name { directory, .. } if directory == synced);
        for change in self.changes.extract_if(.., is_durable) {
            change.forget_hidden(inner)?;
        }
        Ok(())
    }
}

/// Taking back.
impl Journal {
    /// The same changes of a copy of the file system, whose files have the same identities.
    pub(super) fn of_copy(&self, copy: &dyn FileSystem) -> io::Result<Journal> {
        let mut files = BTreeMap::new();
        open_below(copy, Path::new("/"), &mut files)?;
        Ok(Journal {
            changes: self.changes.clone(),
            files,
            distrusted: BTreeSet::new(),
            hidden: self.hidden,
        })
    }

    /// Takes back every change, then makes those again that follow from the seed.
    pub(super) fn cut_power(self, inner: &dyn FileSystem, seed: u64) -> io::Result<CutReport> {
        let mut random = Seeded::new(seed);
        let kind = match random.below(4) {
            0 => CutKind::Lost,
            1 => CutKind::Torn,
            2 => CutKind::Reordered,
            _ => CutKind::Kept,
        };
        let arrival = match kind {
            CutKind::Lost => Arrival::torn(0, 0),
            CutKind::Torn => Arrival::torn(random.index(self.changes.len() + 1), random.next_u64()),
            CutKind::Reordered => Arrival::reordered(&self.changes, &mut random),
            CutKind::Kept => Arrival::torn(self.changes.len(), 0),
        };
        self.take_back_bytes()?;
        self.make_again(arrival, inner)?;
        Ok(CutReport {
            seed,
            kind,
            unsynced: self.changes.len(),
        })
    }

    fn take_back_bytes(&self) -> io::Result<()> {
        for change in self.changes.iter().rev() {
            let Some(file) = change.file().and_then(|file| self.files.get(&file)) else {
                continue;
            };
            match change {
                Change::Bytes {
                    offset, old, old_len, ..
                } => {
                    file.write_all_at(old, *offset)?;
                    file.set_len(*old_len)?;
                }
                Change::Len {
                    new_len,
                    old_len,
                    cut,
                    ..
                } => {
                    file.set_len(*old_len)?;
                    file.write_all_at(cut, *new_len)?;
                }
                Change::Name { .. } => {}
            }
        }
        Ok(())
    }

    fn make_again(&self, mut arrival: Arrival, inner: &dyn FileSystem) -> io::Result<()> {
        let mut lost_names = Vec::new();
        for (index, change) in self.changes.iter().enumerate() {
            match change {
                Change::Bytes {
                    file, offset, new, ..
                } => {
                    let Some(target) = self.files.get(file) else {
                        continue;
                    };
                    for (at, sector) in sectors(*offset, new) {
                        if arrival.of_sector(index, *file, at, *offset, new.len()) {
                            target.write_all_at(sector, at)?;
                        }
                    }
                }
                Change::Len { file, new_len, .. } => {
                    if let Some(target) = self.files.get(file).filter(|_| arrival.of_len(index)) {
                        target.set_len(*new_len)?;
                    }
                }
                Change::Name { directory, .. } if arrival.of_name(index, directory) => {
                    change.forget_hidden(inner)?;
                }
                Change::Name { .. } => lost_names.push(change),
            }
        }
        lost_names
            .iter()
            .rev()
            .try_for_each(|change| change.take_back_name(inner))
    }
}

impl Change {
    fn file(&self) -> Option<Identity> {
        match self {
            Change::Bytes { file, .. } | Change::Len { file, .. } => Some(*file),
            Change::Name { .. } => None,
        }
    }

    fn forget_hidden(&self, inner: &dyn FileSystem) -> io::Result<()> {
        match self {
            Change::Name {
                change:
                    NameChange::Removed { hidden, .. }
                    | NameChange::Renamed {
                        replaced: Some(hidden),
                        ..
                    },
                ..
            } => inner.remove(hidden),
            _ => Ok(()),
        }
    }

    fn take_back_name(&self, inner: &dyn FileSystem) -> io::Result<()> {
        let Change::Name { change, .. } = self else {
            return Ok(());
        };
        match change {
            NameChange::Created(path) => inner.remove(path),
            NameChange::Removed { path, hidden } => inner.rename(hidden, path),
            NameChange::Renamed { from, to, replaced } => {
                inner.rename(to, from)?;
                replaced
                    .as_ref()
                    .map_or(Ok(()), |hidden| inner.rename(hidden, to))
            }
        }
    }
}

/// Opens every file in a directory and below.
fn open_below(
    fs: &dyn FileSystem,
    directory: &Path,
    files: &mut BTreeMap<Identity, Arc<dyn File>>,
) -> io::Result<()> {
    for entry in fs.list(directory)? {
        let path = directory.join(entry.name);
        let stat = fs.stat(&path)?;
        if stat.kind == FileKind::Directory {
            open_below(fs, &path, files)?;
        } else {
            files.insert(stat.identity, fs.open(&path, OpenMode::ReadWrite)?);
        }
    }
    Ok(())
}

/// The pieces of a write that lie in different sectors of the file, each with its offset in the file.
fn sectors(offset: u64, mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut pieces = Vec::new();
    let mut at = offset;
    while !bytes.is_empty() {
        let in_sector = usize::try_from(at % SECTOR as u64).unwrap_or(0);
        let (piece, rest) = bytes.split_at(bytes.len().min(SECTOR - in_sector));
        pieces.push((at, piece));
        at += piece.len() as u64;
        bytes = rest;
    }
    pieces
}

/// Which changes arrived on the disk.
enum Arrival {
    /// Those before `whole`, and of the next one the sectors before a place that follows from `tear`.
    Torn { whole: usize, tear: u64 },
    /// Of every sector the first so many changes; of every directory the first so many.
    Reordered {
        sectors: BTreeMap<(Identity, u64), u64>,
        names: BTreeMap<PathBuf, u64>,
        lengths: BTreeSet<usize>,
    },
}

impl Arrival {
    fn torn(whole: usize, tear: u64) -> Self {
        Arrival::Torn { whole, tear }
    }

    fn reordered(changes: &[Change], random: &mut Seeded) -> Self {
        let mut sectors_seen = BTreeMap::new();
        let mut names = BTreeMap::new();
        let mut lengths = BTreeSet::new();
        for (index, change) in changes.iter().enumerate() {
            match change {
                Change::Bytes {
                    file, offset, new, ..
                } => {
                    for (at, _) in sectors(*offset, new) {
                        *sectors_seen.entry((*file, at / SECTOR as u64)).or_default() += 1;
                    }
                }
                Change::Name { directory, .. } => *names.entry(directory.clone()).or_default() += 1,
                Change::Len { .. } if random.one_in(2) => {
                    lengths.insert(index);
                }
                Change::Len { .. } => {}
            }
        }
        let counts = sectors_seen.values_mut().chain(names.values_mut());
        counts.for_each(|count: &mut u64| *count = random.below(*count + 1));
        Arrival::Reordered {
            sectors: sectors_seen,
            names,
            lengths,
        }
    }

    /// Whether the piece at `at` of the write `index` (`len` bytes at `offset`) arrived.
    fn of_sector(&mut self, index: usize, file: Identity, at: u64, offset: u64, len: usize) -> bool {
        match self {
            Arrival::Torn { whole, tear } => {
                let torn_at = tear.checked_rem(len as u64).unwrap_or(0);
                index < *whole
                    || (index == *whole
                        && *tear != 0
                        && at - offset < torn_at / SECTOR as u64 * SECTOR as u64)
            }
            Arrival::Reordered { sectors, .. } => take_one(sectors.get_mut(&(file, at / SECTOR as u64))),
        }
    }

    fn of_name(&mut self, index: usize, directory: &Path) -> bool {
        match self {
            Arrival::Torn { whole, .. } => index < *whole,
            Arrival::Reordered { names, .. } => take_one(names.get_mut(directory)),
        }
    }

    fn of_len(&self, index: usize) -> bool {
        match self {
            Arrival::Torn { whole, .. } => index < *whole,
            Arrival::Reordered { lengths, .. } => lengths.contains(&index),
        }
    }
}

fn take_one(left: Option<&mut u64>) -> bool {
    match left {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    }
}
