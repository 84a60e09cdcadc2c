//! What is on a verified database page: header, tags, nodes, and the invariants between them
//! (database-file.md sections 2.1 to 2.3).

use super::bytes::{Fields, put};
use super::error::{FormatError, Structure};
use super::node::Node;
use super::page_size::PageSize;
use super::space::SplitBuffer;
use super::verified_page::VerifiedPage;
use std::ops::Range;

/// Offsets of the page header's fields; those of the checksums stand in `checksum.rs`.
pub(crate) mod offset {
    pub(crate) const DBTIME: usize = 8;
    pub(crate) const PREV: usize = 16;
    pub(crate) const NEXT: usize = 20;
    pub(crate) const OBJID: usize = 24;
    pub(crate) const FREE: usize = 28;
    pub(crate) const UNCOMMITTED_FREE: usize = 30;
    pub(crate) const MIC_FREE: usize = 32;
    pub(crate) const TAG_STATE: usize = 34;
    pub(crate) const FLAGS: usize = 36;
    /// Large pages only.
    pub(crate) const PGNO: usize = 64;
}

/// Bytes of the header that all pages have.
const HEADER_LEN: usize = 40;

/// Bytes of a tag.
pub(crate) const TAG_LEN: usize = 4;
/// Bits of a tag's words on small pages; the three bits above are node flags.
pub(crate) const SMALL_TAG_MASK: u16 = 0x1fff;
/// Bits of a tag's words on large pages.
pub(crate) const LARGE_TAG_MASK: u16 = 0x7fff;
/// Where the node flags stand in their word: the tag's on small pages, the node's first on large ones.
pub(crate) const NODE_FLAGS_SHIFT: u32 = 13;
/// `itagState`: the bits that count tags; those above count reserved tags.
pub(crate) const TAG_COUNT_MASK: u16 = 0x0fff;

bitflags::bitflags! {
    /// `fFlags` of a page (section 2.2).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct PageFlags: u32 {
        /// Root of a tree (FDP), or of a space tree.
        const ROOT = 0x1;
        /// Leaf.
        const LEAF = 0x2;
        /// Internal page above the leaves.
        const PARENT_OF_LEAF = 0x4;
        /// Emptied by a merge, awaiting the release of its space.
        const EMPTY = 0x8;
        /// A repair is in progress.
        const REPAIR = 0x10;
        /// Page of an OE or AE tree.
        const SPACE_TREE = 0x20;
        /// Page of a secondary index.
        const INDEX = 0x40;
        /// Page of a long value tree.
        const LONG_VALUE = 0x80;
        /// Secondary index in which (key, data) is the identity.
        const NON_UNIQUE_KEYS = 0x400;
        /// Tagged columns in the format of Windows 2000 and later.
        const NEW_RECORD_FORMAT = 0x800;
        /// ECC checksum.
        const NEW_CHECKSUM_FORMAT = 0x2000;
        /// Unused bytes were overwritten.
        const SCRUBBED = 0x4000;
        /// Lower bit of the flush type, which detects lost writes.
        const FLUSH_TYPE_LOW = 0x8000;
        /// Upper bit of the flush type.
        const FLUSH_TYPE_HIGH = 0x1_0000;
        /// Allocated but never filled: no tags.
        const PRE_INIT = 0x2_0000;
        /// Marker of the revert snapshot.
        const FDP_DELETE = 0x4_0000;
        // Flags of later formats are kept as they are.
        const _ = !0;
    }
}

/// The header of a page, without its checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageHeader {
    /// `dbtimeDirtied`: database time of the last change.
    pub dbtime: u64,
    /// `pgnoPrev`: left sibling among the leaves, 0 for none.
    pub prev: u32,
    /// `pgnoNext`: right sibling among the leaves, 0 for none.
    pub next: u32,
    /// `objidFDP`: the tree that the page belongs to.
    pub objid: u32,
    /// `cbFree`: free bytes, contiguous or not, tags not counted.
    pub free: u16,
    /// `cbUncommittedFree`: the part of `free` that a rollback may take back.
    pub uncommitted_free: u16,
    /// `ibMicFree`: first byte after the last used one, from the end of the header.
    pub mic_free: u16,
    /// Tags in use, reserved ones included; at most 4095.
    pub tags: u16,
    /// Reserved tags; at least 1.
    pub reserved_tags: u16,
    /// `fFlags`.
    pub flags: PageFlags,
}

impl PageHeader {
    /// Reads the header of a page.
    #[inline]
    pub fn read(page: &Fields<'_>) -> Result<Self, FormatError> {
        // Once for all fields: every look at a page begins here.
        let whole: [u8; HEADER_LEN] = page.array(0)?;
        let fields = Fields::new(Structure::Page, &whole);
        let state = fields.u16(offset::TAG_STATE)?;
        Ok(PageHeader {
            dbtime: fields.u64(offset::DBTIME)?,
            prev: fields.u32(offset::PREV)?,
            next: fields.u32(offset::NEXT)?,
            objid: fields.u32(offset::OBJID)?,
            free: fields.u16(offset::FREE)?,
            uncommitted_free: fields.u16(offset::UNCOMMITTED_FREE)?,
            mic_free: fields.u16(offset::MIC_FREE)?,
            tags: state & TAG_COUNT_MASK,
            reserved_tags: (state >> 12 & 7).max(1),
            flags: PageFlags::from_bits_retain(fields.u32(offset::FLAGS)?),
        })
    }

    /// Writes the header to the start of a page; the checksums and the page number of a large page are left alone.
    pub fn write(&self, page: &mut [u8]) {
        // One reserved tag is written as 0: files below update 270 know no other number.
        let reserved = if self.reserved_tags > 1 {
            self.reserved_tags
        } else {
            0
        };
        let state = self.tags & TAG_COUNT_MASK | (reserved & 7) << 12;
        put(page, offset::DBTIME, &self.dbtime.to_le_bytes());
        put(page, offset::PREV, &self.prev.to_le_bytes());
        put(page, offset::NEXT, &self.next.to_le_bytes());
        put(page, offset::OBJID, &self.objid.to_le_bytes());
        put(page, offset::FREE, &self.free.to_le_bytes());
        put(
            page,
            offset::UNCOMMITTED_FREE,
            &self.uncommitted_free.to_le_bytes(),
        );
        put(page, offset::MIC_FREE, &self.mic_free.to_le_bytes());
        put(page, offset::TAG_STATE, &state.to_le_bytes());
        put(page, offset::FLAGS, &self.flags.bits().to_le_bytes());
    }
}

/// An item of a page's tag array, with its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag<'a> {
    /// Offset of its bytes from the start of the page.
    pub offset: usize,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// The three bits above the offset; node flags on small pages, unused on large ones.
    pub bits: u16,
}

/// A view of a page whose checksum was verified. Creating it checks that the tag array is inside the page.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// The page size.
    pub size: PageSize,
    /// The page number.
    pub pgno: u32,
    /// The header.
    pub header: PageHeader,
    pub(super) bytes: &'a [u8],
}

impl<'a> Page<'a> {
    /// Views `bytes`, which are page `pgno` and were verified.
    #[inline]
    pub fn new(size: PageSize, pgno: u32, bytes: &'a [u8]) -> Result<Self, FormatError> {
        let fields = Fields::new(Structure::Page, bytes);
        let header = PageHeader::read(&fields)?;
        let page = Page {
            size,
            pgno,
            header,
            bytes,
        };
        if bytes.len() != size.bytes() {
            return Err(page.error(0, format!("has {} bytes, not {}", bytes.len(), size.bytes())));
        }
        if usize::from(header.tags) * TAG_LEN > size.bytes() - size.header_len() {
            return Err(fields.bad(
                offset::TAG_STATE,
                "itagMicFree",
                header.tags,
                "as many tags as a page can hold",
            ));
        }
        Ok(page)
    }

    /// Views a page that a file delivered.
    pub fn of(page: &'a VerifiedPage) -> Result<Self, FormatError> {
        Self::new(page.size(), page.pgno(), page.bytes())
    }

    /// The page's bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// `fFlags`.
    pub fn flags(&self) -> PageFlags {
        self.header.flags
    }

    /// Whether the page is a leaf.
    pub fn is_leaf(&self) -> bool {
        self.flags().contains(PageFlags::LEAF)
    }

    /// The right sibling, if any.
    pub fn next(&self) -> Option<u32> {
        Some(self.header.next).filter(|&pgno| pgno != 0)
    }

    /// The left sibling, if any.
    pub fn prev(&self) -> Option<u32> {
        Some(self.header.prev).filter(|&pgno| pgno != 0)
    }

    /// `dbtimeDirtied`.
    pub fn dbtime(&self) -> u64 {
        self.header.dbtime
    }

    /// `objidFDP`.
    pub fn objid(&self) -> u32 {
        self.header.objid
    }

    /// How many nodes the page has: all tags but the reserved ones.
    pub fn node_count(&self) -> usize {
        usize::from(self.header.tags.saturating_sub(self.header.reserved_tags))
    }

    /// Tag `index` (0 is the external header).
    #[inline]
    pub fn tag(&self, index: usize) -> Result<Tag<'a>, FormatError> {
        self.find_tag(index).ok_or_else(|| self.no_tag(index))
    }

    /// Tag `index`. Bisection comes here for each node: errors are made elsewhere.
    #[inline]
    fn find_tag(&self, index: usize) -> Option<Tag<'a>> {
        if index >= usize::from(self.header.tags) {
            return None;
        }
        let place = self.bytes.len().checked_sub((index + 1) * TAG_LEN)?;
        let [length, length_high, start, start_high] = *self.bytes.get(place..)?.first_chunk()?;
        let length = u16::from_le_bytes([length, length_high]);
        let start = u16::from_le_bytes([start, start_high]);
        let mask = if self.size.is_small() {
            SMALL_TAG_MASK
        } else {
            LARGE_TAG_MASK
        };
        let offset = self.size.header_len() + usize::from(start & mask);
        Some(Tag {
            offset,
            bytes: self.bytes.get(offset..)?.get(..usize::from(length & mask))?,
            bits: start >> NODE_FLAGS_SHIFT,
        })
    }

    #[cold]
    fn no_tag(&self, index: usize) -> FormatError {
        let what = match index < usize::from(self.header.tags) {
            true => format!("tag {index} is outside of the page"),
            false => format!("has no tag {index}"),
        };
        self.error(offset::TAG_STATE, what)
    }

    /// The bytes of tag 0: space header, split buffer, or prefix key (section 2.5). Empty if the page has no tags.
    pub fn external_header(&self) -> Result<&'a [u8], FormatError> {
        if self.header.tags == 0 {
            return Ok(&[]);
        }
        self.tag(0).map(|tag| tag.bytes)
    }

    /// The key that compressed nodes of this page begin with (section 2.4).
    pub fn prefix_key(&self) -> Result<&'a [u8], FormatError> {
        if !self.flags().contains(PageFlags::ROOT) {
            return self.external_header();
        }
        if self.flags().contains(PageFlags::SPACE_TREE) {
            let external = self.external_header()?;
            return Ok(external.get(SplitBuffer::LEN..).unwrap_or_default());
        }
        Ok(&[])
    }

    /// Node `index`, counted from 0 without the reserved tags.
    #[inline]
    pub fn node(&self, index: usize) -> Result<Node<'a>, FormatError> {
        self.node_after(self.prefix_key()?, index)
    }

    /// Node `index` of the page, whose prefix key this is.
    #[inline]
    pub(crate) fn node_after<'p>(&self, prefix_key: &'p [u8], index: usize) -> Result<Node<'p>, FormatError>
    where
        'a: 'p,
    {
        let tag = self.tag(index + usize::from(self.header.reserved_tags))?;
        Node::read(self.size, &tag, prefix_key)
    }

    /// All nodes in key order.
    pub fn nodes(&self) -> impl Iterator<Item = Result<Node<'a>, FormatError>> + use<'a> {
        let page = *self;
        (0..page.node_count()).map(move |index| page.node(index))
    }

    /// The child that internal node `index` points to.
    pub fn child(&self, index: usize) -> Result<u32, FormatError> {
        self.node(index)?.child()
    }

    /// The first node that fits, by bisection: those that do not fit must come first. The node count if none does.
    #[inline]
    pub(crate) fn first_where(&self, fits: impl Fn(&Node<'_>) -> bool) -> Result<usize, FormatError> {
        let prefix_key = self.prefix_key()?;
        let (mut low, mut high) = (0, self.node_count());
        while low < high {
            let middle = low.midpoint(high);
            if fits(&self.node_after(prefix_key, middle)?) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }

    /// The same by the keys alone: how many bytes of the page's prefix key a key begins with, and the rest of it. It looks
    /// at less of each node, and is for searches in leaves and above that every operation makes.
    #[inline]
    pub(crate) fn first_key_where(&self, fits: impl Fn(usize, &[u8]) -> bool) -> Result<usize, FormatError> {
        let reserved = usize::from(self.header.reserved_tags);
        let (mut low, mut high) = (0, self.node_count());
        while low < high {
            let middle = low.midpoint(high);
            let tag = self.tag(middle + reserved)?;
            let (prefix_len, suffix) = Node::key_parts(self.size, &tag)?;
            if fits(prefix_len, suffix) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }

    /// Checks the invariants of section 2.3, all of which the engine itself insists on.
    pub fn check(&self) -> Result<(), FormatError> {
        self.check_flags()?;
        let used = self.check_tags()?;
        let body = self.size.bytes() - self.size.header_len();
        let accounted = used + usize::from(self.header.free) + TAG_LEN * usize::from(self.header.tags);
        if accounted != body && !self.flags().contains(PageFlags::PRE_INIT) {
            return Err(self.error(
                offset::FREE,
                format!("tags, data and cbFree make {accounted} bytes, but the page has {body}"),
            ));
        }
        if !self.flags().contains(PageFlags::SPACE_TREE) {
            self.check_nodes()?;
        }
        Ok(())
    }

    fn check_flags(&self) -> Result<(), FormatError> {
        let flags = self.flags();
        let contradicts = flags.contains(PageFlags::EMPTY | PageFlags::PRE_INIT)
            || flags.contains(PageFlags::INDEX | PageFlags::LONG_VALUE)
            || flags.contains(PageFlags::REPAIR);
        if contradicts {
            return Err(self.error(
                offset::FLAGS,
                format!("flags {:#x} contradict each other", flags.bits()),
            ));
        }
        if self.header.tags == 0 && !flags.intersects(PageFlags::EMPTY | PageFlags::PRE_INIT) {
            return Err(self.error(offset::TAG_STATE, "has no tags"));
        }
        if !self.size.is_small() {
            let stored = Fields::new(Structure::Page, self.bytes).u32(offset::PGNO)?;
            if stored != self.pgno {
                return Err(self.error(offset::PGNO, format!("says that it is page {stored}")));
            }
        }
        Ok(())
    }

    /// Checks bounds and overlaps; returns the bytes that all tags hold.
    fn check_tags(&self) -> Result<usize, FormatError> {
        let mut ranges: Vec<Range<usize>> = Vec::with_capacity(usize::from(self.header.tags));
        let end_of_used = self.size.header_len() + usize::from(self.header.mic_free);
        for index in 0..usize::from(self.header.tags) {
            let tag = self.tag(index)?;
            let range = tag.offset..tag.offset + tag.bytes.len();
            if range.is_empty() && index >= usize::from(self.header.reserved_tags) {
                return Err(self.error(tag.offset, format!("tag {index} is empty")));
            }
            // An empty reserved tag keeps the offset that it had before the page was emptied.
            if range.is_empty() {
                continue;
            }
            if range.end > end_of_used {
                return Err(self.error(tag.offset, format!("tag {index} ends after ibMicFree")));
            }
            ranges.push(range);
        }
        if end_of_used > self.size.bytes() {
            return Err(self.error(offset::MIC_FREE, "ibMicFree is outside the page"));
        }
        ranges.sort_unstable_by_key(|range| range.start);
        for (left, right) in ranges.iter().zip(ranges.iter().skip(1)) {
            if left.end > right.start {
                return Err(self.error(right.start, "two tags overlap"));
            }
        }
        Ok(ranges.iter().map(|range| range.len()).sum())
    }

    fn check_nodes(&self) -> Result<(), FormatError> {
        let count = self.node_count();
        for index in 0..count {
            let node = self.node(index)?;
            if node.data.is_empty() {
                return Err(self.error(0, format!("node {index} has no data")));
            }
            let may_be_unbounded = !self.is_leaf() && index + 1 == count;
            if node.key_len() == 0 && !may_be_unbounded {
                return Err(self.error(0, format!("node {index} has no key")));
            }
        }
        Ok(())
    }

    fn error(&self, offset: usize, what: impl Into<std::borrow::Cow<'static, str>>) -> FormatError {
        FormatError::other(Structure::Page, offset, what)
    }
}
