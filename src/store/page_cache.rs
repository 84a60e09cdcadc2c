//! Pages that were verified, the most recently used ones, bounded in bytes.

use crate::format::VerifiedPage;
use lru::LruCache;
use parking_lot::Mutex;
use std::sync::Arc;

/// Pages by number. Safe to share.
#[derive(Debug)]
pub(crate) struct PageCache {
    pages: Mutex<LruCache<u32, Arc<VerifiedPage>>>,
    limit: usize,
}

impl PageCache {
    /// A cache of at most `bytes` bytes of pages (at least one page).
    pub(crate) fn new(bytes: usize) -> Self {
        PageCache {
            pages: Mutex::new(LruCache::unbounded()),
            limit: bytes,
        }
    }

    /// The page, if it is there.
    pub(crate) fn get(&self, pgno: u32) -> Option<Arc<VerifiedPage>> {
        self.pages.lock().get(&pgno).cloned()
    }

    /// Keeps a page; the least recently used ones make room.
    pub(crate) fn put(&self, page: &Arc<VerifiedPage>) {
        let mut pages = self.pages.lock();
        let most = (self.limit / page.size().bytes()).max(1);
        while pages.len() >= most {
            pages.pop_lru();
        }
        pages.put(page.pgno(), Arc::clone(page));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{PageSize, Verified, checksum::stamp_page};

    fn page(pgno: u32) -> Arc<VerifiedPage> {
        let mut bytes = vec![1; 4096];
        stamp_page(&mut bytes, PageSize::Kib4, pgno);
        match VerifiedPage::verify(bytes, PageSize::Kib4, pgno).unwrap() {
            Verified::Good(page) => Arc::new(page),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_least_recently_used_page_goes_first() {
        let cache = PageCache::new(2 * 4096);
        cache.put(&page(1));
        cache.put(&page(2));
        assert!(cache.get(1).is_some());
        cache.put(&page(3));
        assert!(cache.get(1).is_some() && cache.get(2).is_none() && cache.get(3).is_some());
    }
}
