//! Reading a file from front to back in pieces that fit in memory, past places that cannot be read.

use crate::io::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes read at once; a multiple of every page and segment.
const CHUNK: usize = 1 << 20;

/// How far a verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that were looked at.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// Counts bytes over all threads, and tells who wants to know.
pub(super) struct Meter<'a> {
    done: AtomicU64,
    total: u64,
    tell: &'a (dyn Fn(Progress) + Sync),
}

impl<'a> Meter<'a> {
    pub(super) fn new(total: u64, tell: &'a (dyn Fn(Progress) + Sync)) -> Self {
        Meter {
            done: AtomicU64::new(0),
            total,
            tell,
        }
    }

    pub(super) fn add(&self, bytes: u64) {
        let done = self
            .done
            .fetch_add(bytes, Ordering::Relaxed)
            .saturating_add(bytes);
        (self.tell)(Progress {
            done: done.min(self.total),
            total: self.total,
        });
    }
}

/// A unit at its offset: its bytes (fewer at the end of the file), or why it cannot be read.
pub(super) type Visit<'v> = dyn FnMut(u64, io::Result<&mut [u8]>) + 'v;

/// Visits the units of `unit` bytes from `start` to `end`, or to the end of the file if that comes first.
pub(super) fn visit_units(
    file: &dyn File,
    (start, end): (u64, u64),
    unit: usize,
    meter: &Meter<'_>,
    visit: &mut Visit<'_>,
) {
    let mut buffer = vec![0; CHUNK / unit * unit];
    let mut offset = start;
    while offset < end {
        let wanted = usize::try_from(end - offset).unwrap_or(CHUNK).min(buffer.len());
        let chunk = buffer.get_mut(..wanted).unwrap_or_default();
        match file.read_full_at(chunk, offset) {
            Ok(len) => {
                visit_chunk(chunk.get_mut(..len).unwrap_or_default(), offset, unit, visit);
                if len < wanted {
                    return meter.add(end - offset);
                }
            }
            Err(_) => visit_one_by_one(file, chunk, offset, unit, visit),
        }
        meter.add(wanted as u64);
        offset += wanted as u64;
    }
}

fn visit_chunk(chunk: &mut [u8], offset: u64, unit: usize, visit: &mut Visit<'_>) {
    for (index, bytes) in chunk.chunks_mut(unit).enumerate() {
        visit(offset + (index * unit) as u64, Ok(bytes));
    }
}

/// A chunk cannot be read as a whole: most of its units perhaps can.
fn visit_one_by_one(file: &dyn File, chunk: &mut [u8], offset: u64, unit: usize, visit: &mut Visit<'_>) {
    for (index, bytes) in chunk.chunks_mut(unit).enumerate() {
        let at = offset + (index * unit) as u64;
        match file.read_full_at(bytes, at) {
            Ok(len) => visit(at, Ok(bytes.get_mut(..len).unwrap_or_default())),
            Err(error) => visit(at, Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{FaultFileSystem, FileSystem, OpenMode, Operation, Which};

    #[test]
    fn every_unit_is_visited_once_and_a_bad_place_hides_only_itself() {
        let fs = FaultFileSystem::in_memory();
        let file = fs.open("/a".as_ref(), OpenMode::CreateNew).unwrap();
        let len = 3 * CHUNK as u64 + 100;
        file.set_len(len).unwrap();
        // The second chunk fails, and so does its third unit when read alone.
        fs.fail_from(2, Which::Only(Operation::Read), io::ErrorKind::Other);
        let meter = Meter::new(len, &|_| ());
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        visit_units(&*file, (0, len), 4096, &meter, &mut |offset, unit| match unit {
            Ok(bytes) => {
                good.push((offset, bytes.len()));
                if offset == CHUNK as u64 + 2 * 4096 {
                    fs.disarm();
                }
            }
            Err(_) => {
                bad.push(offset);
                if bad.len() == 3 {
                    fs.disarm();
                }
            }
        });
        assert_eq!(bad, [CHUNK as u64, CHUNK as u64 + 4096, CHUNK as u64 + 8192]);
        assert_eq!(good.len() + bad.len(), 3 * 256 + 1);
        assert_eq!(good.last(), Some(&(3 * CHUNK as u64, 100)));
    }
}
