//! Nodes and the external header of a page that is being changed (database-file.md sections 2.4 and 2.5).

use super::PageBuffer;
use super::body::{Place, damaged};
use crate::format::error::FormatError;
use crate::format::node::{KEY_LEN_MASK, NodeFlags};
use crate::format::page::{NODE_FLAGS_SHIFT, PageFlags, TAG_LEN, offset};

/// Bytes of a length word.
const WORD_LEN: usize = 2;
/// The bits of a word that are node flags.
const FLAGS_MASK: usize = 7 << NODE_FLAGS_SHIFT;

/// A node as it is stored: the key is the first `prefix_len` bytes of the page's prefix key, and the suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeParts<'a> {
    /// Its flags; [`NodeFlags::COMPRESSED`] follows from `prefix_len` and is not looked at.
    pub flags: NodeFlags,
    /// How much of the page's prefix key the node's key begins with; 0 stores the node without compression.
    pub prefix_len: usize,
    /// The rest of the key.
    pub suffix: &'a [u8],
    /// The data.
    pub data: &'a [u8],
}

impl NodeParts<'_> {
    /// Bytes that the node takes on a page, its tag not counted.
    pub fn stored_len(&self) -> usize {
        self.head_len() + self.suffix.len() + self.data.len()
    }

    /// Bytes that the node takes of a page's room, its tag included.
    pub fn cost(&self) -> usize {
        self.stored_len() + TAG_LEN
    }

    fn head_len(&self) -> usize {
        if self.prefix_len > 0 {
            2 * WORD_LEN
        } else {
            WORD_LEN
        }
    }

    pub(super) fn stored_flags(&self) -> NodeFlags {
        let mut flags = self.flags;
        flags.set(NodeFlags::COMPRESSED, self.prefix_len > 0);
        flags
    }
}

impl PageBuffer {
    /// How many nodes the page has.
    pub fn node_count(&self) -> usize {
        self.tag_count().saturating_sub(self.reserved_tags())
    }

    /// Puts a node before that of line `line`, or behind the last one.
    ///
    /// # Errors
    /// There is no such line; the page has no [room](Self::room) for the node and its tag; the page's prefix key is
    /// shorter than `prefix_len`; a node without data, or in a leaf without key.
    pub fn insert_node(&mut self, line: usize, node: NodeParts<'_>) -> Result<(), FormatError> {
        self.check_parts(&node)?;
        if line > self.node_count() {
            return Err(self.no_line(line));
        }
        let needed = node.cost();
        if needed > self.room() {
            return Err(self.no_room(needed));
        }
        let index = self.tag_of(line);
        let place = self.open_tag(index, node.stored_len())?;
        self.write_parts(place, &node);
        self.put_flags(index, place, node.stored_flags());
        Ok(())
    }

    /// Replaces the whole node of a line.
    ///
    /// # Errors
    /// As [`insert_node`](Self::insert_node), but that the node may also grow into `cbUncommittedFree`, which may be
    /// its own.
    pub fn replace_node(&mut self, line: usize, node: NodeParts<'_>) -> Result<(), FormatError> {
        self.check_parts(&node)?;
        self.store(line, &node)
    }

    /// Stores other parts in a line, whether or not they go with the page's present prefix key.
    pub(super) fn store(&mut self, line: usize, node: &NodeParts<'_>) -> Result<(), FormatError> {
        let index = self.tag_of_existing(line)?;
        let place = self.resize_tag(index, node.stored_len(), 0)?;
        self.write_parts(place, node);
        self.put_flags(index, place, node.stored_flags());
        Ok(())
    }

    /// Replaces the data of a line's node; key, compression and flags stay. The node may grow into
    /// `cbUncommittedFree`, which may be its own.
    ///
    /// # Errors
    /// There is no such line; no data; not so many free bytes.
    pub fn replace_data(&mut self, line: usize, data: &[u8]) -> Result<(), FormatError> {
        self.check_data(data)?;
        let index = self.tag_of_existing(line)?;
        let head = self.data_start(line)?;
        let place = self.resize_tag(index, head + data.len(), head)?;
        self.write(place.start + head, data);
        Ok(())
    }

    /// The data of a line's node, to be changed in place.
    ///
    /// # Errors
    /// There is no such line.
    pub fn node_data_mut(&mut self, line: usize) -> Result<&mut [u8], FormatError> {
        let index = self.tag_of_existing(line)?;
        let (head, place) = (self.data_start(line)?, self.place(index)?);
        let header = self.size.header_len();
        self.bytes
            .get_mut(header + place.start + head..header + place.end())
            .ok_or_else(|| damaged(header, "a node is outside of the page"))
    }

    /// Removes the node of a line.
    ///
    /// # Errors
    /// There is no such line.
    pub fn delete_node(&mut self, line: usize) -> Result<(), FormatError> {
        let index = self.tag_of_existing(line)?;
        self.close_tag(index)
    }

    /// Removes all nodes, from the last to the first.
    ///
    /// # Errors
    /// The tags contradict the page.
    pub fn clear_nodes(&mut self) -> Result<(), FormatError> {
        (0..self.node_count())
            .rev()
            .try_for_each(|line| self.delete_node(line))
    }

    /// What becomes of a page that a merge leaves empty: no prefix (but a root keeps its external header), no nodes,
    /// the flag Empty.
    ///
    /// # Errors
    /// The tags contradict the page.
    pub fn make_empty(&mut self) -> Result<(), FormatError> {
        let flags = self.header()?.flags;
        if !flags.contains(PageFlags::ROOT) && self.tag_count() > 0 {
            self.set_external_header(&[])?;
        }
        self.clear_nodes()?;
        self.set_flags(flags | PageFlags::EMPTY);
        Ok(())
    }

    /// The flags of a line's node.
    ///
    /// # Errors
    /// There is no such line.
    pub fn node_flags(&self, line: usize) -> Result<NodeFlags, FormatError> {
        let index = self.tag_of_existing(line)?;
        let word = self.word(self.flags_at(index, self.place(index)?)?);
        let [bits, _] = super::below_64k(word >> NODE_FLAGS_SHIFT).to_le_bytes();
        Ok(NodeFlags::from_bits_truncate(bits))
    }

    /// Sets the flags of a line's node; [`NodeFlags::COMPRESSED`] stays what it is, since it says how to read the node.
    ///
    /// # Errors
    /// There is no such line.
    pub fn set_node_flags(&mut self, line: usize, flags: NodeFlags) -> Result<(), FormatError> {
        let compressed = self.node_flags(line)? & NodeFlags::COMPRESSED;
        let index = self.tag_of_existing(line)?;
        let place = self.place(index)?;
        self.flags_at(index, place)?;
        self.put_flags(index, place, (flags - NodeFlags::COMPRESSED) | compressed);
        Ok(())
    }

    /// The bytes of tag 0: space header, split buffer, or prefix key; none on a page without tags.
    ///
    /// # Errors
    /// The tag is outside of the page.
    pub fn external_header(&self) -> Result<&[u8], FormatError> {
        self.view()?.external_header()
    }

    /// Replaces all of tag 0. Nodes that need more of the prefix key than is left cannot be read any more until they
    /// are replaced, see [`longest_prefix`](Self::longest_prefix).
    ///
    /// # Errors
    /// The page has no tags; not so many free bytes.
    pub fn set_external_header(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        let place = self.resize_tag(0, bytes.len(), 0)?;
        self.write(place.start, bytes);
        if self.size.is_small() {
            self.put_flags(0, place, NodeFlags::empty());
        }
        Ok(())
    }

    /// How many bytes of the prefix key the nodes of the page need.
    ///
    /// # Errors
    /// A node is outside of the page.
    pub fn longest_prefix(&self) -> Result<usize, FormatError> {
        let mut longest = 0;
        for line in 0..self.node_count() {
            longest = longest.max(self.prefix_len(line)?);
        }
        Ok(longest)
    }

    /// How many bytes of the prefix key the node of a line needs.
    pub(super) fn prefix_len(&self, line: usize) -> Result<usize, FormatError> {
        if !self.node_flags(line)?.contains(NodeFlags::COMPRESSED) {
            return Ok(0);
        }
        let place = self.place(self.tag_of(line))?;
        Ok(self.word(self.size.header_len() + place.start) & usize::from(KEY_LEN_MASK))
    }

    fn tag_of(&self, line: usize) -> usize {
        line.saturating_add(self.reserved_tags())
    }

    fn tag_of_existing(&self, line: usize) -> Result<usize, FormatError> {
        if line < self.node_count() {
            return Ok(self.tag_of(line));
        }
        Err(self.no_line(line))
    }

    fn no_line(&self, line: usize) -> FormatError {
        let count = self.node_count();
        damaged(
            offset::TAG_STATE,
            format!("has {count} nodes, and so no line {line}"),
        )
    }

    /// Where the data begin in the bytes of a node.
    fn data_start(&self, line: usize) -> Result<usize, FormatError> {
        let node = self.view()?.node(line)?;
        let head = if node.flags.contains(NodeFlags::COMPRESSED) {
            2 * WORD_LEN
        } else {
            WORD_LEN
        };
        Ok(head + node.suffix.len())
    }

    fn check_parts(&self, node: &NodeParts<'_>) -> Result<(), FormatError> {
        let page = self.view()?;
        self.check_data(node.data)?;
        let longest = usize::from(KEY_LEN_MASK);
        if node.suffix.len() > longest || node.prefix_len > longest {
            return Err(damaged(0, "a key is longer than a node can say"));
        }
        if node.prefix_len > page.prefix_key()?.len() {
            let what = format!(
                "a node needs {} bytes of the prefix key, more than it has",
                node.prefix_len
            );
            return Err(damaged(0, what));
        }
        let needs_key = page.is_leaf() && !page.flags().contains(PageFlags::SPACE_TREE);
        if needs_key && node.suffix.is_empty() && node.prefix_len == 0 {
            return Err(damaged(0, "a node of a leaf has no key"));
        }
        Ok(())
    }

    fn check_data(&self, data: &[u8]) -> Result<(), FormatError> {
        if data.is_empty() && !self.flags().contains(PageFlags::SPACE_TREE) {
            return Err(damaged(0, "a node has no data"));
        }
        Ok(())
    }

    fn write_parts(&mut self, place: Place, node: &NodeParts<'_>) {
        let mut at = self.size.header_len() + place.start;
        if node.prefix_len > 0 {
            self.put_word(at, node.prefix_len);
            at += WORD_LEN;
        }
        self.put_word(at, node.suffix.len());
        let start = place.start + node.head_len();
        self.write(start, node.suffix);
        self.write(start + node.suffix.len(), node.data);
    }

    /// Where the word with a node's flags stands: the tag's on small pages, the node's first on large ones.
    fn flags_at(&self, index: usize, place: Place) -> Result<usize, FormatError> {
        if self.size.is_small() {
            return Ok(self.tag_at(index) + WORD_LEN);
        }
        if place.len < WORD_LEN {
            return Err(damaged(
                place.start,
                format!("tag {index} is too short for a node"),
            ));
        }
        Ok(self.size.header_len() + place.start)
    }

    fn put_flags(&mut self, index: usize, place: Place, flags: NodeFlags) {
        if let Ok(at) = self.flags_at(index, place) {
            let bits = usize::from(flags.bits()) << NODE_FLAGS_SHIFT;
            self.put_word(at, self.word(at) & !FLAGS_MASK | bits);
        }
    }
}
