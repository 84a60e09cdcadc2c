//! Nodes: key and data of an item on a page (database-file.md section 2.4).

use super::bytes::Fields;
use super::error::{FormatError, Structure};
use super::page::{NODE_FLAGS_SHIFT, Tag};
use super::page_size::PageSize;
use std::cmp::Ordering;

/// Bits of a node's length words that are the length.
pub(crate) const KEY_LEN_MASK: u16 = 0x1fff;

bitflags::bitflags! {
    /// The flags of a node.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct NodeFlags: u8 {
        /// A version of it may exist; means nothing in a file at rest.
        const VERSIONED = 1;
        /// Deleted, its space not yet given back: not a row.
        const DELETED = 2;
        /// The key begins with a part of the page's prefix key.
        const COMPRESSED = 4;
    }
}

/// A node. Its key is `prefix` followed by `suffix`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node<'a> {
    /// Its flags.
    pub flags: NodeFlags,
    /// The part of the key that stands in the page's prefix key.
    pub prefix: &'a [u8],
    /// The part of the key that stands in the node.
    pub suffix: &'a [u8],
    /// Record, index entry, long value chunk, extent; on internal pages the child's page number.
    pub data: &'a [u8],
}

impl<'a> Node<'a> {
    /// Reads the node in `tag` of a page with prefix key `prefix_key`.
    #[inline]
    pub fn read(size: PageSize, tag: &Tag<'a>, prefix_key: &'a [u8]) -> Result<Self, FormatError> {
        Self::parse(size, tag, prefix_key).ok_or_else(|| outside(tag))
    }

    #[inline]
    fn parse(size: PageSize, tag: &Tag<'a>, prefix_key: &'a [u8]) -> Option<Self> {
        let (first, rest) = tag.bytes.split_first_chunk()?;
        let first = u16::from_le_bytes(*first);
        let bits = if size.is_small() {
            tag.bits
        } else {
            first >> NODE_FLAGS_SHIFT
        };
        let flags = NodeFlags::from_bits_truncate(bits.to_le_bytes()[0]);
        let (prefix, suffix_len, rest) = if flags.contains(NodeFlags::COMPRESSED) {
            let (second, rest) = rest.split_first_chunk()?;
            let prefix = prefix_key.get(..usize::from(first & KEY_LEN_MASK))?;
            (prefix, u16::from_le_bytes(*second), rest)
        } else {
            (&[][..], first, rest)
        };
        let (suffix, data) = rest.split_at_checked(usize::from(suffix_len & KEY_LEN_MASK))?;
        Some(Node {
            flags,
            prefix,
            suffix,
            data,
        })
    }

    /// Of the key of the node in `tag`, how many bytes stand in the page's prefix key, and the bytes that do not.
    #[inline]
    pub(super) fn key_parts(size: PageSize, tag: &Tag<'a>) -> Result<(usize, &'a [u8]), FormatError> {
        let parts = || {
            let (first, rest) = tag.bytes.split_first_chunk()?;
            let first = u16::from_le_bytes(*first);
            let bits = if size.is_small() {
                tag.bits
            } else {
                first >> NODE_FLAGS_SHIFT
            };
            let first = usize::from(first & KEY_LEN_MASK);
            if bits & u16::from(NodeFlags::COMPRESSED.bits()) == 0 {
                return Some((0, rest.get(..first)?));
            }
            let (second, rest) = rest.split_first_chunk()?;
            let suffix_len = usize::from(u16::from_le_bytes(*second) & KEY_LEN_MASK);
            Some((first, rest.get(..suffix_len)?))
        };
        parts().ok_or_else(|| outside(tag))
    }

    /// Whether the node is deleted and so no row.
    pub fn is_deleted(&self) -> bool {
        self.flags.contains(NodeFlags::DELETED)
    }

    /// Length of the key.
    pub fn key_len(&self) -> usize {
        self.prefix.len() + self.suffix.len()
    }

    /// The key.
    pub fn key(&self) -> Vec<u8> {
        [self.prefix, self.suffix].concat()
    }

    /// Compares the node's key with `key`, bytewise as keys are ordered.
    #[inline]
    pub fn compare_key(&self, key: &[u8]) -> Ordering {
        if self.prefix.is_empty() {
            return self.suffix.cmp(key);
        }
        match key.split_at_checked(self.prefix.len()) {
            Some((head, tail)) => self.prefix.cmp(head).then_with(|| self.suffix.cmp(tail)),
            None => self.prefix.cmp(key),
        }
    }

    /// The child page, of an internal node.
    pub fn child(&self) -> Result<u32, FormatError> {
        Fields::new(Structure::Node, self.data).u32(0)
    }
}

#[cold]
fn outside(tag: &Tag<'_>) -> FormatError {
    let what = "a node's key does not lie in its tag and the page's prefix key";
    FormatError::other(Structure::Node, tag.offset, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node of basic.edb page 13 (section 12.3) and its prefix key.
    #[test]
    fn a_compressed_key_begins_with_the_prefix_of_the_page() {
        let prefix_key = [0x7f, 0x80, 0, 0, 2, 0x7f, 0x80, 2, 0x7f, 0x80, 0, 0, 1];
        let bytes = [7, 0, 6, 0, 0x01, 0x7f, 0x80, 0, 0, 2, 0x08, 0x80];
        let tag = Tag {
            offset: 40 + 13,
            bytes: &bytes,
            bits: 5,
        };
        let node = Node::read(PageSize::Kib4, &tag, &prefix_key).unwrap();
        assert_eq!(node.flags, NodeFlags::VERSIONED | NodeFlags::COMPRESSED);
        assert_eq!(
            node.key(),
            [0x7f, 0x80, 0, 0, 2, 0x7f, 0x80, 1, 0x7f, 0x80, 0, 0, 2]
        );
        assert_eq!(node.data, [0x08, 0x80]);
    }

    /// The node of large.edb page 13 (section 12.3), flags in its first word.
    #[test]
    fn on_large_pages_the_flags_stand_in_the_node() {
        let bytes = [0x04, 0x80, 1, 0, 2, 0x55];
        let tag = Tag {
            offset: 80,
            bytes: &bytes,
            bits: 0,
        };
        let node = Node::read(PageSize::Kib32, &tag, &[9, 8, 7, 6, 5]).unwrap();
        assert_eq!(node.flags, NodeFlags::COMPRESSED);
        assert_eq!(
            (node.prefix, node.suffix, node.data),
            (&[9, 8, 7, 6][..], &[2][..], &[0x55][..])
        );
    }

    #[test]
    fn keys_compare_as_if_they_were_in_one_piece() {
        let node = Node {
            flags: NodeFlags::COMPRESSED,
            prefix: &[1, 2],
            suffix: &[3],
            data: &[],
        };
        for key in [
            &[][..],
            &[1],
            &[1, 2],
            &[1, 2, 2],
            &[1, 2, 3],
            &[1, 2, 3, 0],
            &[1, 3],
            &[2],
            &[0, 9, 9, 9],
        ] {
            assert_eq!(node.compare_key(key), [1, 2, 3].as_slice().cmp(key), "{key:?}");
        }
    }

    #[test]
    fn a_prefix_longer_than_the_page_has_is_an_error() {
        let tag = Tag {
            offset: 40,
            bytes: &[9, 0, 0, 0],
            bits: 4,
        };
        assert!(Node::read(PageSize::Kib4, &tag, &[1]).is_err());
    }
}
