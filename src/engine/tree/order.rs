//! How nodes and separators compare with bookmarks (database-file.md section 4).
//!
//! A separator is compared with key and data as one string. That is the order of the leaves because no key of a tree
//! whose keys are not unique is the beginning of another one: normalised keys end where their columns end.

use crate::engine::bookmark::BookmarkRef;
use crate::format::Node;
use std::cmp::Ordering;

/// A node of a leaf with a bookmark. Data count only if `is_unique` is not.
pub(super) fn compare(node: &Node<'_>, bookmark: BookmarkRef<'_>, is_unique: bool) -> Ordering {
    let by_key = node.compare_key(bookmark.key);
    if is_unique || by_key != Ordering::Equal {
        return by_key;
    }
    node.data.cmp(bookmark.data)
}

/// A separator with a bookmark; the empty one is greater than everything.
pub(super) fn compare_separator(separator: &Node<'_>, bookmark: BookmarkRef<'_>) -> Ordering {
    if separator.key_len() == 0 {
        return Ordering::Greater;
    }
    if bookmark.data.is_empty() {
        return separator.compare_key(bookmark.key);
    }
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

/// How many leading bytes two strings have in common.
pub(super) fn common_len(left: &[u8], right: &[u8]) -> usize {
    left.iter()
        .zip(right)
        .take_while(|(left, right)| left == right)
        .count()
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
            separator in vec(0u8..3, 1..8), split in 0usize..8, key in vec(0u8..3, 0..6), data in vec(0u8..3, 0..4),
        ) {
            let (prefix, suffix) = separator.split_at(split.min(separator.len()));
            let node = Node { flags: NodeFlags::empty(), prefix, suffix, data: &[] };
            let whole = [&key[..], &data].concat();
            prop_assert_eq!(compare_separator(&node, bookmark(&key, &data)), separator.cmp(&whole));
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
