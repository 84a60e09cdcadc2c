//! Pages that a backup reads are not written meanwhile (external-backup.md section 4.4).

use parking_lot::{Condvar, Mutex};
use std::ops::RangeInclusive;

/// Which pages of a file are being read, and which written: never both.
#[derive(Debug, Default)]
pub(crate) struct RangeLock {
    ranges: Mutex<Ranges>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Ranges {
    read: Vec<RangeInclusive<u32>>,
    written: Vec<u32>,
}

/// Pages that nobody writes until this is dropped.
#[derive(Debug)]
pub(crate) struct LockedRange<'l> {
    lock: &'l RangeLock,
    range: RangeInclusive<u32>,
}

/// Pages that are being written until this is dropped.
#[derive(Debug)]
pub(crate) struct PagesWritten<'l>(&'l RangeLock);

impl RangeLock {
    /// Locks a range to read it: no write of its pages begins any more, and one that is under way is waited for.
    pub(crate) fn lock(&self, range: RangeInclusive<u32>) -> LockedRange<'_> {
        let mut ranges = self.ranges.lock();
        ranges.read.push(range.clone());
        while ranges.written.iter().any(|pgno| range.contains(pgno)) {
            self.changed.wait(&mut ranges);
        }
        LockedRange { lock: self, range }
    }

    /// Waits until nobody reads any of these pages; nobody begins to before the answer is dropped. One writer at a time.
    pub(crate) fn write(&self, pages: Vec<u32>) -> PagesWritten<'_> {
        let mut ranges = self.ranges.lock();
        while ranges
            .read
            .iter()
            .any(|range| pages.iter().any(|pgno| range.contains(pgno)))
        {
            self.changed.wait(&mut ranges);
        }
        ranges.written = pages;
        PagesWritten(self)
    }
}

impl Drop for LockedRange<'_> {
    fn drop(&mut self) {
        let mut ranges = self.lock.ranges.lock();
        if let Some(place) = ranges.read.iter().position(|range| *range == self.range) {
            ranges.read.swap_remove(place);
        }
        self.lock.changed.notify_all();
    }
}

impl Drop for PagesWritten<'_> {
    fn drop(&mut self) {
        self.0.ranges.lock().written.clear();
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn a_page_never_changes_while_it_is_read() {
        let lock = RangeLock::default();
        let pages: Vec<AtomicU64> = (0..16).map(AtomicU64::new).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..2000_u32 {
                    let first = round % 12;
                    let _written = lock.write(vec![first, first + 3]);
                    for pgno in [first, first + 3] {
                        pages[pgno as usize].fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
            for reader in 0..3_u32 {
                let (lock, pages) = (&lock, &pages);
                scope.spawn(move || {
                    for round in 0..2000 {
                        let first = (round * 5 + reader) % 14;
                        let _locked = lock.lock(first..=first + 1);
                        let read =
                            || [0, 1].map(|next| pages[(first + next) as usize].load(Ordering::Relaxed));
                        let before = read();
                        std::thread::yield_now();
                        assert_eq!(before, read());
                    }
                });
            }
        });
    }
}
