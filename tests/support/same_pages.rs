//! Whether two databases hold the same pages: by what the pages say, and byte by byte.
//!
//! By what they say: dbtime, siblings, tree, flags, external header, and every node with its key, data and flags. Where
//! on the page a node stands, and what lies in unused bytes, does not matter. Left out are the flush type (bits 0x18000
//! of the page flags) and whether a version of a node may exist, which means nothing in a file at rest
//! (database-file.md sections 2.2 and 2.4).
//!
//! Byte by byte: used and unused bytes are told apart. Unused are those that belong to no node, no tag and no header
//! field, and the place of an empty external header. The genuine engine keeps large pages in smaller buffers while they
//! are nearly empty, tags and all, which leaves traces in unused bytes of the whole page.

use jetfs::format::checksum::{PageState, check_page};
use jetfs::format::{NodeFlags, Page, PageFlags, PageSize};
use std::fmt;
use std::ops::Range;

/// Where the page header's fields are that the bytewise comparison leaves out (database-file.md section 2.1).
const CHECKSUM: Range<usize> = 0..8;
const LATER_CHECKSUMS: Range<usize> = 40..64;
const UNCOMMITTED_FREE: Range<usize> = 30..32;
const FLAGS: Range<usize> = 36..40;

/// In what the pages of two databases differ.
#[derive(Debug, Default)]
pub(crate) struct PageDifferences {
    /// Pages that either of them holds, blank ones not counted.
    pub(crate) compared: u32,
    /// Pages that do not say the same, each with the first difference.
    pub(crate) logical: Vec<(u32, String)>,
    /// Pages that say the same with other used bytes: nodes stand elsewhere, or their version flags differ.
    pub(crate) layout: Vec<u32>,
    /// Pages of which only unused bytes differ.
    pub(crate) unused: Vec<u32>,
}

impl PageDifferences {
    /// Fails the test unless all pages say the same with the same used bytes, and all bytes are the same but for those
    /// pages in `unused`.
    #[track_caller]
    pub(crate) fn assert_same(&self, what: &str, unused: UnusedBytes) {
        assert!(self.compared > 0, "{what}: no pages");
        assert!(
            self.logical.is_empty() && self.layout.is_empty(),
            "{what}: {self}"
        );
        let may_differ = matches!(unused, UnusedBytes::MayDiffer);
        assert!(may_differ || self.unused.is_empty(), "{what}: {self}");
    }
}

impl PageDifferences {
    /// Fails the test unless all pages say the same, wherever nodes stand on them.
    #[track_caller]
    pub(crate) fn assert_same_contents(&self, what: &str) {
        assert!(self.compared > 0, "{what}: no pages");
        assert!(self.logical.is_empty(), "{what}: {self}");
    }

    /// Passes over pages of which only the dbtime differs, by so much. A checkpoint names the highest dbtime of its own
    /// time, which no record may tell (log-and-recovery.md section 6.3); without it undo goes on from a lower one.
    pub(crate) fn pass_over_shifted_dbtimes(&mut self, shift: u64) {
        let is_shifted = |what: &str| dbtimes_in(what).is_some_and(|(low, high)| low + shift == high);
        self.logical.retain(|(_, what)| !is_shifted(what));
    }
}

/// The dbtimes of a page of which nothing else differs.
fn dbtimes_in(difference: &str) -> Option<(u64, u64)> {
    let (_, dbtimes) = difference.split_once(": dbtime 0x")?;
    let (low, high) = dbtimes.split_once(" and 0x")?;
    let parse = |text| u64::from_str_radix(text, 16).ok();
    Some((parse(low)?, parse(high)?))
}

/// What is expected of unused bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnusedBytes {
    /// They are the same too.
    Same,
    /// They mean nothing.
    MayDiffer,
}

impl fmt::Display for PageDifferences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PageDifferences {
            compared,
            logical,
            layout,
            unused,
        } = self;
        write!(
            f,
            "of {compared} pages {} differ, the layout of {layout:?}, unused bytes of {unused:?}",
            logical.len()
        )?;
        for (pgno, what) in self.logical.iter().take(20) {
            write!(f, "\n  page {pgno}: {what}")?;
        }
        Ok(())
    }
}

/// Compares the pages of two database files up to page `last`; a page that a file is too short for counts as blank.
pub(crate) fn compare_pages(a: &[u8], b: &[u8], size: PageSize, last: u32) -> PageDifferences {
    let mut found = PageDifferences::default();
    for pgno in 1..=last {
        let (page_a, page_b) = (page_of(a, size, pgno), page_of(b, size, pgno));
        if is_blank(&page_a) && is_blank(&page_b) {
            continue;
        }
        found.compared += 1;
        let logical = logical_difference(size, pgno, &page_a, &page_b);
        let (bytes_a, bytes_b) = (comparable(size, page_a), comparable(size, page_b));
        match logical {
            Some(what) => found.logical.push((pgno, what)),
            None if used(size, pgno, &bytes_a) != used(size, pgno, &bytes_b) => found.layout.push(pgno),
            None if bytes_a != bytes_b => found.unused.push(pgno),
            None => {}
        }
    }
    found
}

fn page_of(file: &[u8], size: PageSize, pgno: u32) -> Vec<u8> {
    let start = usize::try_from(size.offset_of(pgno)).unwrap();
    let page = file.get(start..start + size.bytes());
    page.map_or_else(|| vec![0; size.bytes()], <[u8]>::to_vec)
}

fn is_blank(page: &[u8]) -> bool {
    page.iter().all(|byte| *byte == 0)
}

/// The page without what the bytewise comparison leaves out.
fn comparable(size: PageSize, mut page: Vec<u8>) -> Vec<u8> {
    if is_blank(&page) {
        return page;
    }
    page[CHECKSUM].fill(0);
    page[UNCOMMITTED_FREE].fill(0);
    if !size.is_small() {
        page[LATER_CHECKSUMS].fill(0);
    }
    let flags = u32::from_le_bytes(page[FLAGS].try_into().unwrap());
    let flags = PageFlags::from_bits_retain(flags) - flush_type();
    page[FLAGS].copy_from_slice(&flags.bits().to_le_bytes());
    page
}

/// The page without its unused bytes.
fn used(size: PageSize, pgno: u32, bytes: &[u8]) -> Vec<u8> {
    let mut used = vec![0; bytes.len()];
    let Ok(page) = Page::new(size, pgno, bytes) else {
        return bytes.to_vec();
    };
    let tags = bytes.len() - 4 * usize::from(page.header.tags);
    for range in [0..size.header_len(), tags..bytes.len()] {
        used[range.clone()].copy_from_slice(&bytes[range]);
    }
    for index in 0..page.header.tags.into() {
        let Ok(tag) = page.tag(index) else {
            return bytes.to_vec();
        };
        let range = tag.offset..tag.offset + tag.bytes.len();
        used[range].copy_from_slice(tag.bytes);
        if tag.bytes.is_empty() {
            let place = bytes.len() - 4 * (index + 1) + 2;
            used[place..place + 2].fill(0);
        }
    }
    used
}

fn flush_type() -> PageFlags {
    PageFlags::FLUSH_TYPE_LOW | PageFlags::FLUSH_TYPE_HIGH
}

fn logical_difference(size: PageSize, pgno: u32, a: &[u8], b: &[u8]) -> Option<String> {
    match (is_blank(a), is_blank(b)) {
        (true, false) => return Some("only the first is blank".to_owned()),
        (false, true) => return Some("only the second is blank".to_owned()),
        _ => {}
    }
    for (page, which) in [(a, "first"), (b, "second")] {
        if check_page(page, size, pgno) != PageState::Good {
            return Some(format!("the {which} has a wrong checksum"));
        }
    }
    let (a, b) = match (Page::new(size, pgno, a), Page::new(size, pgno, b)) {
        (Ok(a), Ok(b)) => (a, b),
        (a, b) => return Some(format!("unreadable: {:?} and {:?}", a.err(), b.err())),
    };
    header_difference(&a, &b).or_else(|| contents_difference(&a, &b))
}

fn header_difference(a: &Page<'_>, b: &Page<'_>) -> Option<String> {
    let facts = |page: &Page<'_>| {
        let header = page.header;
        [
            ("dbtime", header.dbtime),
            ("previous", header.prev.into()),
            ("next", header.next.into()),
            ("objid", header.objid.into()),
            ("flags", (header.flags - flush_type()).bits().into()),
            ("tags", header.tags.into()),
            ("reserved tags", header.reserved_tags.into()),
            ("free bytes", header.free.into()),
        ]
    };
    let (of_a, of_b) = (facts(a), facts(b));
    let different: Vec<_> = of_a
        .iter()
        .zip(of_b)
        .filter(|((_, a), (_, b))| a != b)
        .map(|((name, a), (_, b))| format!("{name} {a:#x} and {b:#x}"))
        .collect();
    (!different.is_empty()).then(|| format!("objid {}: {}", a.objid(), different.join(", ")))
}

fn contents_difference(a: &Page<'_>, b: &Page<'_>) -> Option<String> {
    if a.header.tags == 0 {
        return None;
    }
    let external = (a.external_header().ok()?, b.external_header().ok()?);
    if external.0 != external.1 {
        return Some(format!(
            "objid {}: external header {:02x?} and {:02x?}",
            a.objid(),
            external.0,
            external.1
        ));
    }
    (0..a.node_count()).find_map(|line| {
        let what = match (a.node(line), b.node(line)) {
            (Ok(a), Ok(b)) => {
                let flags = (a.flags - NodeFlags::VERSIONED, b.flags - NodeFlags::VERSIONED);
                if flags.0 != flags.1 {
                    format!("flags {:?} and {:?}", flags.0, flags.1)
                } else if a.key() != b.key() {
                    format!("key {:02x?} and {:02x?}", a.key(), b.key())
                } else if a.data != b.data {
                    format!("data {:02x?} and {:02x?}", a.data, b.data)
                } else {
                    return None;
                }
            }
            (a, b) => format!("unreadable: {:?} and {:?}", a.err(), b.err()),
        };
        Some(format!("objid {} line {line}: {what}", a.objid()))
    })
}
