//! Changing the prefix key of a page whose nodes are compressed with it (log-and-recovery.md section 4.6, point 4).

use super::{NodeParts, PageBuffer};
use crate::format::error::FormatError;
use crate::format::page::offset;

impl PageBuffer {
    /// Gives the page another prefix key, and its nodes, all of them, the parts that go with it.
    ///
    /// In the order of the engine: the old prefix goes, then the nodes that become shorter are stored, then those that
    /// become longer, then the new prefix.
    ///
    /// # Errors
    /// More or fewer parts than the page has nodes; parts that need more than the new prefix; not so many free bytes.
    pub fn change_prefix(&mut self, prefix: &[u8], nodes: &[NodeParts<'_>]) -> Result<(), FormatError> {
        let fits = nodes.iter().all(|node| node.prefix_len <= prefix.len());
        if nodes.len() != self.node_count() || !fits {
            let what = "the nodes do not go with the new prefix key";
            return Err(super::body::damaged(offset::TAG_STATE, what));
        }
        let lens = (0..nodes.len())
            .map(|line| self.prefix_len(line))
            .collect::<Result<Vec<_>, _>>()?;
        let changes = || nodes.iter().zip(lens.iter().copied()).enumerate();
        self.set_external_header(&[])?;
        for (line, (node, _)) in changes().filter(|(_, (node, len))| node.prefix_len > *len) {
            self.store(line, node)?;
        }
        for (line, (node, _)) in changes().filter(|(_, (node, len))| node.prefix_len < *len) {
            self.store(line, node)?;
        }
        self.set_external_header(prefix)
    }
}
