//! A bit for each page of a database.

/// Bits of a word.
const WORD: u32 = u64::BITS;

/// A set of pages, one bit each: 32 MiB for a database of 1 TiB with pages of 4 KiB.
#[derive(Debug)]
pub(super) struct PageBits(Vec<u64>);

impl PageBits {
    /// An empty set of pages up to `last`.
    pub(super) fn new(last: u32) -> Self {
        PageBits(vec![0; usize::try_from(last / WORD).unwrap_or(0) + 1])
    }

    /// Whether the page is in the set.
    pub(super) fn contains(&self, pgno: u32) -> bool {
        let (word, bit) = place(pgno);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Adds a page. False if it was there already.
    pub(super) fn insert(&mut self, pgno: u32) -> bool {
        let (word, bit) = place(pgno);
        match self.0.get_mut(word) {
            Some(word) => {
                let is_new = *word & bit == 0;
                *word |= bit;
                is_new
            }
            None => true,
        }
    }

    /// How many pages are in it.
    pub(super) fn len(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}

fn place(pgno: u32) -> (usize, u64) {
    (
        usize::try_from(pgno / WORD).unwrap_or(usize::MAX),
        1 << (pgno % WORD),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_new_once() {
        let mut pages = PageBits::new(200);
        assert!(pages.insert(128) && !pages.insert(128) && pages.insert(200));
        assert!(pages.contains(128) && !pages.contains(127) && !pages.contains(u32::MAX));
        assert_eq!(pages.len(), 2);
    }
}
