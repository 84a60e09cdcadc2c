//! Fills a database page from left to right, so that the invariants of database-file.md section 2.3 hold, and stamps
//! its checksum last (section 11.1, step 8). Nodes are left uncompressed, which every reader accepts.

use super::bytes::put;
use super::checksum;
use super::page::{PageFlags, PageHeader, TAG_LEN, offset};
use super::page_size::PageSize;

/// Bytes of a node's key length word.
const KEY_LEN_WORD: usize = 2;

/// The flags that every page written today carries; the flush type is 1 (section 2.2).
pub const WRITTEN_FLAGS: PageFlags = PageFlags::NEW_RECORD_FORMAT
    .union(PageFlags::NEW_CHECKSUM_FORMAT)
    .union(PageFlags::FLUSH_TYPE_LOW);

/// What a page is before it has nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageIdentity {
    /// `objidFDP`: the tree that the page belongs to.
    pub objid: u32,
    /// Kind and place in the tree; [`WRITTEN_FLAGS`] are added.
    pub flags: PageFlags,
    /// `dbtimeDirtied`.
    pub dbtime: u64,
}

/// A page that grows by nodes in key order.
#[derive(Debug, Clone)]
pub struct PageWriter {
    size: PageSize,
    bytes: Vec<u8>,
    /// Bytes of the body in use, from the end of the header.
    used: usize,
    tags: usize,
}

impl PageWriter {
    /// An empty page with `external_header` in tag 0: space header, split buffer, or nothing.
    pub fn new(size: PageSize, external_header: &[u8]) -> Self {
        let mut page = PageWriter {
            size,
            bytes: vec![0; size.bytes()],
            used: 0,
            tags: 0,
        };
        page.push_tag(&[external_header]);
        page
    }

    /// Adds a node after those that are there; `false` if it does not fit, and then nothing has changed.
    ///
    /// A key longer than 8191 bytes never fits, since its length word has 13 bits.
    #[must_use]
    pub fn push_node(&mut self, key: &[u8], data: &[u8]) -> bool {
        let fits = Self::cost(key, data) <= self.room();
        let Some(key_len) = u16::try_from(key.len()).ok().filter(|&len| len < 1 << 13 && fits) else {
            return false;
        };
        self.push_tag(&[&key_len.to_le_bytes(), key, data]);
        true
    }

    /// Puts `external_header` into the empty tag 0 of a page that has nodes already, for a page that becomes a root.
    /// `false` if there is no room, and then nothing has changed.
    #[must_use]
    pub fn set_external_header(&mut self, external_header: &[u8]) -> bool {
        let (start, len) = (self.size.header_len(), external_header.len());
        if len > self.room() {
            return false;
        }
        self.bytes.copy_within(start..start + self.used, start + len);
        put(&mut self.bytes, start, external_header);
        self.used += len;
        for index in 0..self.tags {
            let tag = self.size.bytes() - TAG_LEN * (index + 1);
            let field = if index == 0 { tag } else { tag + 2 };
            let old = self.bytes.get(field..field + 2).map_or(0, |word| {
                word.iter()
                    .rev()
                    .fold(0, |value, &byte| value << 8 | usize::from(byte))
            });
            put(&mut self.bytes, field, &below_64k(old + len).to_le_bytes());
        }
        true
    }

    /// How many nodes the page has.
    pub fn node_count(&self) -> usize {
        self.tags.saturating_sub(1)
    }

    /// Bytes that a node takes, its tag included.
    pub fn cost(key: &[u8], data: &[u8]) -> usize {
        TAG_LEN + KEY_LEN_WORD + key.len() + data.len()
    }

    /// Bytes that are left for nodes and their tags.
    pub fn room(&self) -> usize {
        self.body()
            .saturating_sub(self.used)
            .saturating_sub(TAG_LEN * self.tags)
    }

    /// Completes the page: header, links among the leaves (0 for none), page number, checksum.
    pub fn finish(mut self, pgno: u32, identity: PageIdentity, prev: u32, next: u32) -> Vec<u8> {
        let free = self.room();
        PageHeader {
            dbtime: identity.dbtime,
            prev,
            next,
            objid: identity.objid,
            free: below_64k(free),
            uncommitted_free: 0,
            mic_free: below_64k(self.used),
            tags: below_64k(self.tags),
            reserved_tags: 1,
            flags: identity.flags | WRITTEN_FLAGS,
        }
        .write(&mut self.bytes);
        if !self.size.is_small() {
            put(&mut self.bytes, offset::PGNO, &pgno.to_le_bytes());
        }
        checksum::stamp_page(&mut self.bytes, self.size, pgno);
        self.bytes
    }

    fn body(&self) -> usize {
        self.size.bytes() - self.size.header_len()
    }

    /// Appends the concatenated `parts` as the next tag. The caller has checked that they fit.
    fn push_tag(&mut self, parts: &[&[u8]]) {
        let start = self.used;
        for part in parts {
            put(&mut self.bytes, self.size.header_len() + self.used, part);
            self.used += part.len();
        }
        self.tags += 1;
        let tag = self.size.bytes() - TAG_LEN * self.tags;
        put(&mut self.bytes, tag, &below_64k(self.used - start).to_le_bytes());
        // An empty tag 0 is written as (0, 0).
        put(&mut self.bytes, tag + 2, &below_64k(start).to_le_bytes());
    }
}

/// Sizes inside a page, which has at most 32 KiB.
fn below_64k(value: usize) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Page, SpaceFlags, SpaceHeader};

    fn identity(objid: u32, flags: PageFlags) -> PageIdentity {
        PageIdentity {
            objid,
            flags,
            dbtime: 1000,
        }
    }

    /// Section 11.2, page 1.
    #[test]
    fn the_system_root_has_the_bytes_of_the_specification() {
        let space = SpaceHeader {
            primary: 254,
            parent: 0,
            flags: SpaceFlags::MULTIPLE_EXTENT,
            free: crate::format::FreeSpace::OwnedExtents(2),
        };
        let page = PageWriter::new(PageSize::Kib4, &space.to_bytes()).finish(
            1,
            identity(1, PageFlags::ROOT | PageFlags::LEAF),
            0,
            0,
        );
        let expected = "e80300000000000000000000000000000100\
                        0000c40f00001000010003a80000fe000000000000000100000002000000";
        assert_eq!(hex(&page[8..56]), expected);
        assert_eq!(hex(&page[4092..]), "10000000");
    }

    /// Section 11.2, page 2.
    #[test]
    fn its_space_tree_has_the_bytes_of_the_specification() {
        let mut writer = PageWriter::new(PageSize::Kib4, &[0; 16]);
        assert!(writer.push_node(&254u32.to_be_bytes(), &254u32.to_le_bytes()));
        let flags = PageFlags::ROOT | PageFlags::LEAF | PageFlags::SPACE_TREE;
        let page = writer.finish(2, identity(1, flags), 0, 0);
        assert_eq!(hex(&page[28..40]), "b60f00001a00020023a80000");
        assert_eq!(
            hex(&page[40..66]),
            "000000000000000000000000000000000400000000fefe000000"
        );
        assert_eq!(hex(&page[4088..]), "0a00100010000000");
    }

    #[test]
    fn a_full_page_keeps_every_invariant_and_gives_its_nodes_back() {
        for size in PageSize::ALL {
            let mut writer = PageWriter::new(size, b"");
            let mut nodes = Vec::new();
            for number in 0u32.. {
                let data = vec![7; (number % 50 + 1) as usize];
                if !writer.push_node(&number.to_be_bytes(), &data) {
                    break;
                }
                nodes.push((number.to_be_bytes().to_vec(), data));
            }
            let bytes = writer.finish(77, identity(9, PageFlags::LEAF), 76, 78);
            let page = Page::new(size, 77, &bytes).unwrap();
            page.check().unwrap();
            let read: Vec<_> = page
                .nodes()
                .map(|node| node.map(|node| (node.key(), node.data.to_vec())))
                .collect::<Result<_, _>>()
                .unwrap();
            assert_eq!(read, nodes);
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
