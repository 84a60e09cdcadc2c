//! How nodes and separators compare with bookmarks (database-file.md section 4).
//!
//! A separator is compared with key and data as one string. That is the order of the leaves because no key of a tree
//! whose keys are not unique is the beginning of another one: normalised keys end where their columns end.

use crate::engine::bookmark::BookmarkRef;
use crate::format::bytes::common_len;
use crate::format::{FormatError, Node, Page};
use std::cmp::Ordering;

/// How the nodes of one page compare with a bookmark: what its key shares with the page's prefix key is looked at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order<'b> {
    bookmark: BookmarkRef<'b>,
    /// How many bytes of the prefix key the bookmark's key begins with.
    common: usize,
    /// How all keys compare that begin with more of it.
    beyond: Ordering,
}

impl<'b> Order<'b> {
    #[inline]
    pub(super) fn new(prefix_key: &[u8], bookmark: BookmarkRef<'b>) -> Self {
        let common = common_len(prefix_key, bookmark.key);
        let beyond = prefix_key.get(common).cmp(&bookmark.key.get(common));
        Order {
            bookmark,
            common,
            beyond,
        }
    }

    /// A node of a leaf with the bookmark. Data count only if `is_unique` is not.
    #[inline]
    pub(super) fn node(&self, node: &Node<'_>, is_unique: bool) -> Ordering {
        let by_key = self.key(node.prefix.len(), node.suffix);
        if is_unique || by_key != Ordering::Equal {
            return by_key;
        }
        node.data.cmp(self.bookmark.data)
    }

    /// A separator with the bookmark; the empty one is greater than everything.
    #[inline]
    pub(super) fn separator(&self, separator: &Node<'_>) -> Ordering {
        if separator.key_len() == 0 {
            return Ordering::Greater;
        }
        if self.bookmark.data.is_empty() {
            return self.key(separator.prefix.len(), separator.suffix);
        }
        compare_separator(separator, self.bookmark)
    }

    /// The first node of a leaf that is not before the bookmark.
    pub(super) fn first_in_leaf(&self, leaf: &Page<'_>, is_unique: bool) -> Result<usize, FormatError> {
        if is_unique {
            return leaf.first_key_where(|prefix_len, suffix| self.key(prefix_len, suffix) != Ordering::Less);
        }
        leaf.first_where(|node| self.node(node, is_unique) != Ordering::Less)
    }

    /// The first separator of an internal page that is greater than the bookmark.
    pub(super) fn first_above(&self, page: &Page<'_>) -> Result<usize, FormatError> {
        if self.bookmark.data.is_empty() {
            return page.first_key_where(|prefix_len, suffix| {
                prefix_len + suffix.len() == 0 || self.key(prefix_len, suffix) == Ordering::Greater
            });
        }
        page.first_where(|separator| self.separator(separator) == Ordering::Greater)
    }

    /// A key that begins with so many bytes of the prefix key with that of the bookmark.
    #[inline]
    pub(super) fn key(&self, prefix_len: usize, suffix: &[u8]) -> Ordering {
        if prefix_len > self.common {
            return self.beyond;
        }
        let rest = self.bookmark.key.get(prefix_len..);
        suffix.cmp(rest.unwrap_or_default())
    }
}

/// A separator with a bookmark that has data.
fn compare_separator(separator: &Node<'_>, bookmark: BookmarkRef<'_>) -> Ordering {
    let Some((head, tail)) = bookmark.key.split_at_checked(separator.prefix.len()) else {
        let whole = bookmark.key.iter().chain(bookmark.data);
        return separator.prefix.iter().chain(separator.suffix).cmp(whole);
    };
    let by_prefix = separator.prefix.cmp(head);
    let Some((to_key, to_data)) = separator.suffix.split_at_checked(tail.len()) else {
        // Shorter than the key: equal as far as it goes is less.
        return by_prefix.then_with(|| separator.suffix.cmp(tail));
    };
    by_prefix
        .then_with(|| to_key.cmp(tail))
        .then_with(|| to_data.cmp(bookmark.data))
}

/// The shortest separator of two leaves: greater than the last bookmark of the left one, not greater than the first of
/// the right one.
pub(super) fn separator(left: BookmarkRef<'_>, right: BookmarkRef<'_>) -> Vec<u8> {
    let common = common_len(left.key, right.key);
    if let Some(key) = right.key.get(..common + 1) {
        return key.to_vec();
    }
    let common = common_len(left.data, right.data);
    let data = right.data.get(..common + 1).unwrap_or(right.data);
    [right.key, data].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::NodeFlags;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn bookmark<'a>(key: &'a [u8], data: &'a [u8]) -> BookmarkRef<'a> {
        BookmarkRef { key, data }
    }

    proptest! {
        #[test]
        fn a_separator_is_compared_in_whatever_parts_it_is_stored(
            separator in vec(0u8..3, 1..8), split in 0usize..8, more in vec(0u8..3, 0..3),
            key in vec(0u8..3, 0..6), data in vec(0u8..3, 0..4),
        ) {
            let (prefix, suffix) = separator.split_at(split.min(separator.len()));
            // Other nodes of the page may share more of its prefix key.
            let prefix_key = [prefix, &more].concat();
            let node = Node { flags: NodeFlags::empty(), prefix, suffix, data: &[] };
            let whole = [&key[..], &data].concat();
            let order = Order::new(&prefix_key, bookmark(&key, &data));
            prop_assert_eq!(order.separator(&node), separator.cmp(&whole));
            prop_assert_eq!(order.node(&node, true), separator.cmp(&key));
        }

        #[test]
        fn a_separator_lies_between_its_neighbours(
            mut keys in prop::array::uniform2((vec(0u8..3, 3), vec(0u8..3, 1..5))),
        ) {
            keys.sort();
            let [(left, left_data), (right, right_data)] = &keys;
            prop_assume!(keys[0] != keys[1]);
            let separator = separator(bookmark(left, left_data), bookmark(right, right_data));
            let joined = |key: &[u8], data: &[u8]| [key, data].concat();
            prop_assert!(separator > joined(left, left_data));
            prop_assert!(separator <= joined(right, right_data));
        }
    }
}
