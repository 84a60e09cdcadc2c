//! Which key becomes the prefix of a page (database-file.md section 2.4): nodes store their key without what they share
//! with it.

use super::super::limits::whole_cost;
use crate::engine::bookmark::{BookmarkRef, TreeId};
use crate::recovery::shared_prefix;
use std::borrow::Cow;

/// A node that needs a place on one of two pages.
#[derive(Debug, Clone)]
pub(super) struct Item<'p> {
    /// The whole key.
    pub(super) key: Cow<'p, [u8]>,
    /// The data, where they may be part of the bookmark.
    pub(super) data: &'p [u8],
    /// Bytes of the data for which there must be room.
    pub(super) len: usize,
    /// What is kept for rollbacks.
    pub(super) kept: usize,
}

impl<'p> Item<'p> {
    pub(super) fn new(key: Cow<'p, [u8]>, data: &'p [u8]) -> Self {
        Item {
            key,
            data,
            len: data.len(),
            kept: 0,
        }
    }

    /// A pointer to a page.
    pub(super) fn pointer(key: Cow<'p, [u8]>) -> Self {
        Item::new(key, &[0; 4])
    }

    pub(super) fn bookmark(&self, tree: TreeId) -> BookmarkRef<'_> {
        tree.bookmark(&self.key, self.data)
    }

    /// Bytes that it takes on a page with this prefix.
    pub(super) fn cost(&self, prefix: &[u8]) -> usize {
        // The length of what is shared takes two bytes.
        let saved = shared_prefix(prefix, &self.key).saturating_sub(2);
        whole_cost(self.key.len(), self.len) + self.kept - saved
    }
}

/// The item whose key is the best prefix for a page with these items; `None` if none is better. With it they take no
/// more than with `old`, the prefix that they had: the item that shares most of `old` is as good for all the others.
pub(super) fn select(items: &[Item<'_>], old: &[u8]) -> Option<usize> {
    let most_of_old = || {
        let shared = items.iter().map(|item| shared_prefix(old, &item.key));
        shared.enumerate().max_by_key(|(_, len)| *len)
    };
    let of_old = (!old.is_empty()).then(most_of_old).flatten();
    let candidates = [Some(items.len() / 2), of_old.map(|(line, _)| line)];
    let mut best = (total(items, &[]), None);
    for line in candidates.into_iter().flatten() {
        let Some(item) = items.get(line) else {
            continue;
        };
        let bytes = item.key.len() + total(items, &item.key);
        if bytes < best.0 {
            best = (bytes, Some(line));
        }
    }
    best.1
}

fn total(items: &[Item<'_>], prefix: &[u8]) -> usize {
    items.iter().map(|item| item.cost(prefix)).sum()
}
