//! Nodes lifted off their page, to be stored on another page or with another prefix
//! (log-and-recovery.md section 4.6, points 2 to 4 of Split2).

use super::fault::corrupted;
use crate::error::JetResult;
use crate::format::bytes::common_len;
use crate::format::{Node, NodeFlags, NodeParts, PageBuffer};

/// A common prefix of so many bytes is not worth storing: its length takes as many (`cbPrefixOverhead`).
const PREFIX_OVERHEAD: usize = 2;

/// A node with its whole key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Its flags on the page that it was on.
    pub(super) flags: NodeFlags,
    /// Its key, the prefix included.
    pub(super) key: Vec<u8>,
    /// How many bytes of the key are the prefix of the page that it was on.
    pub(super) prefix_len: usize,
    /// Its data.
    pub(super) data: Vec<u8>,
}

impl Line {
    /// A node that was on no page yet.
    pub(super) fn new(key: &[u8], data: &[u8]) -> Self {
        Line {
            flags: NodeFlags::empty(),
            key: key.to_vec(),
            prefix_len: 0,
            data: data.to_vec(),
        }
    }

    fn of(node: &Node<'_>) -> Self {
        Line {
            flags: node.flags,
            key: node.key(),
            prefix_len: node.prefix.len(),
            data: node.data.to_vec(),
        }
    }

    /// All nodes of a page. What they take is bounded by the page, even if its tags overlap.
    ///
    /// # Errors
    /// A node is not inside of the page, or all nodes are more than the page can hold.
    pub(super) fn all(page: &PageBuffer) -> JetResult<Vec<Line>> {
        let view = page.view()?;
        let mut lines = Vec::with_capacity(view.node_count());
        let mut stored = 0;
        for node in view.nodes() {
            let node = node?;
            stored += node.suffix.len() + node.data.len();
            if stored > page.size().bytes() {
                return Err(corrupted(page.pgno(), "the page has more data than room"));
            }
            lines.push(Line::of(&node));
        }
        Ok(lines)
    }

    /// As a node whose key begins with so many bytes of its page's prefix.
    pub(super) fn parts(&self, prefix_len: usize) -> NodeParts<'_> {
        NodeParts {
            flags: self.flags,
            prefix_len,
            suffix: self.key.get(prefix_len..).unwrap_or_default(),
            data: &self.data,
        }
    }
}

/// How many bytes of `key` are to be left to the page's prefix.
pub(crate) fn shared_prefix(prefix: &[u8], key: &[u8]) -> usize {
    let common = common_len(prefix, key);
    if common > PREFIX_OVERHEAD { common } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_prefix_of_two_bytes_is_not_worth_it() {
        assert_eq!(shared_prefix(&[1, 2, 3, 4], &[1, 2, 9]), 0);
        assert_eq!(shared_prefix(&[1, 2, 3, 4], &[1, 2, 3]), 3);
        assert_eq!(shared_prefix(&[1, 2, 3], &[1, 2, 3, 4]), 3);
        assert_eq!(shared_prefix(&[], &[1]), 0);
    }
}
