//! Which bytes of a file were delivered: ranges, merged as they meet, so that a file read from start to end is one.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// The bytes of one file that readers got. Once all are there, adding costs nothing.
#[derive(Debug)]
pub struct Delivered {
    len: u64,
    complete: AtomicBool,
    ranges: Mutex<Ranges>,
}

/// Disjoint ranges that do not touch: start to end (exclusive).
#[derive(Debug, Default)]
struct Ranges(BTreeMap<u64, u64>);

impl Delivered {
    /// Nothing delivered yet of `len` bytes. An empty file is complete.
    pub fn new(len: u64) -> Self {
        Delivered {
            len,
            complete: AtomicBool::new(len == 0),
            ranges: Mutex::default(),
        }
    }

    /// Notes that the `count` bytes at `offset` were delivered.
    pub fn add(&self, offset: u64, count: u64) {
        let end = offset.saturating_add(count).min(self.len);
        if offset >= end || self.is_complete() {
            return;
        }
        let mut ranges = self.ranges.lock();
        ranges.add(offset, end);
        if ranges.0.get(&0) == Some(&self.len) {
            self.complete.store(true, Ordering::Release);
        }
    }

    /// Notes that somebody vouches for all bytes: a tool found its copy equal and did not read them again.
    pub fn add_all(&self) {
        self.add(0, self.len);
    }

    /// Whether every byte was delivered.
    pub fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    /// How many different bytes were delivered.
    pub fn bytes(&self) -> u64 {
        self.ranges.lock().0.iter().map(|(start, end)| end - start).sum()
    }
}

impl Ranges {
    fn add(&mut self, mut start: u64, mut end: u64) {
        // Ranges do not touch, so those that meet the new one end with the last that starts before its end.
        while let Some((&low, &high)) = self.0.range(..=end).next_back()
            && high >= start
        {
            self.0.remove(&low);
            start = start.min(low);
            end = end.max(high);
        }
        self.0.insert(start, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_file_read_from_start_to_end_is_one_range() {
        let delivered = Delivered::new(100);
        for offset in (0..100).step_by(10) {
            assert!(!delivered.is_complete());
            delivered.add(offset, 10);
        }
        assert!(delivered.is_complete());
        assert_eq!(delivered.ranges.lock().0.len(), 1);
    }

    #[test]
    fn bytes_past_the_end_do_not_count() {
        let delivered = Delivered::new(10);
        delivered.add(5, u64::MAX);
        delivered.add(50, 5);
        assert_eq!(delivered.bytes(), 5);
        assert!(!delivered.is_complete());
    }

    #[test]
    fn an_empty_file_is_complete() {
        assert!(Delivered::new(0).is_complete());
    }

    proptest! {
        #[test]
        fn ranges_know_what_a_byte_per_byte_map_knows(reads in prop::collection::vec((0u64..70, 0u64..20), 0..40)) {
            let delivered = Delivered::new(64);
            let mut map = [false; 64];
            for (offset, count) in reads {
                delivered.add(offset, count);
                for (at, byte) in map.iter_mut().enumerate() {
                    *byte |= (offset..offset + count).contains(&(at as u64));
                }
                prop_assert_eq!(delivered.bytes(), map.iter().filter(|byte| **byte).count() as u64);
                prop_assert_eq!(delivered.is_complete(), map.iter().all(|byte| *byte));
            }
        }
    }
}
