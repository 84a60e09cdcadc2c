//! Trees made, split, merged, emptied and moved (log-and-recovery.md section 4.6).

use super::operation::{NodeOperation, PageOperation, flag_field, named_number};
use super::shape::{Tail, record};
use super::value::{FieldValue, Sink};
use crate::format::bytes::put;

record! {
    /// `CreateMultipleExtentFDP`: a tree with space trees of its own.
    pub struct CreateMultipleExtentFdp is 56 {
        /// The root, and what it gets.
        0 page: PageOperation,
        /// `objid` of the tree.
        32 objid: u32,
        /// `pgnoOE`.
        36 page_oe: u32,
        /// `pgnoAE`.
        40 page_ae: u32,
        /// `pgnoFDPParent`.
        44 page_parent_fdp: u32,
        /// `cpgPrimary`: pages of the primary extent, the root included.
        48 primary_pages: u32,
        /// `fPageFlags`.
        52 page_flags: u32,
    }
}

record! {
    /// `CreateSingleExtentFDP`: a tree whose free pages are bits in its root.
    pub struct CreateSingleExtentFdp is 48 {
        /// The root, and what it gets.
        0 page: PageOperation,
        /// `objid` of the tree.
        32 objid: u32,
        /// `pgnoFDPParent`.
        36 page_parent_fdp: u32,
        /// `cpgPrimary`: pages of the primary extent, the root included.
        40 primary_pages: u32,
        /// `fPageFlags`.
        44 page_flags: u32,
    }
}

record! {
    /// `ConvertFDP2`: a tree of a single extent gets space trees.
    pub struct ConvertFdp is 68 {
        /// The root.
        0 page: PageOperation,
        /// `objid` of the tree.
        32 objid: u32,
        /// `pgnoOE`.
        36 page_oe: u32,
        /// `pgnoAE`.
        40 page_ae: u32,
        /// `pgnoFDPParent`.
        44 page_parent_fdp: u32,
        /// `pgnoSecondaryFirst`: first page of the secondary extent.
        48 page_secondary_first: u32,
        /// `cpgPrimary`.
        52 primary_pages: u32,
        /// `cpgSecondary`.
        56 secondary_pages: u32,
        /// `rgbitAvail`: the free pages after the root, before the conversion.
        60 free_bits: u32,
        /// `fCpageFlags`.
        64 page_flags: u32,
    }
}

named_number! {
    /// `splittype`.
    pub enum SplitType: u8 {
        /// The root moves into a new page and keeps a pointer to it.
        Vertical = 0,
        /// Lines move to a new page on the right.
        Right = 1,
        /// A new, empty page on the right.
        Append = 2,
    }
}

named_number! {
    /// `splitoper`: the operation for which there was no room.
    pub enum SplitOperation: u8 {
        /// None.
        None = 0,
        /// An insertion.
        Insert = 1,
        /// A replacement.
        Replace = 2,
        /// A flag-insertion with other data.
        FlagInsertAndReplaceData = 3,
    }
}

bitflags::bitflags! {
    /// How a before-image is stored.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct ImageFlags: u32 {
        /// The gap between data and tags is cut out.
        const DEHYDRATED = 1;
        /// Compressed, after the cutting.
        const COMPRESSED = 2;
    }
}

record! {
    /// `Split2`: one level of a split. With `page_new` 0 the level only gets a pointer.
    pub struct Split<'a> is 110 {
        /// The page that is split.
        0 page: PageOperation,
        /// `pgnoNew`.
        32 page_new: u32,
        /// `pgnoRight`: the sibling; 0 is none.
        36 page_right: u32,
        /// `dbtimeRightBefore`.
        40 dbtime_right_before: u64,
        /// `pgnoParent`; 0 is none.
        48 page_parent: u32,
        /// `dbtimeParentBefore`.
        52 dbtime_parent_before: u64,
        /// `pgnoFDP`.
        60 page_fdp: u32,
        /// `objidFDP`.
        64 objid: u32,
        /// `splittype`.
        68 split_type: SplitType,
        /// `splitoper`.
        69 operation: SplitOperation,
        /// `ilineOper`: the line of the operation.
        70 line_operation: u16,
        /// `ilineSplit`: the first line that moves.
        72 line_split: u16,
        /// `clines`: lines, one that is inserted included.
        74 line_count: u16,
        /// `fNewPageFlags`.
        76 new_page_flags: u32,
        /// `fSplitPageFlags`.
        80 split_page_flags: u32,
        /// `cbUncFreeSrc`.
        84 uncommitted_free_source: i16,
        /// `cbUncFreeDest`.
        86 uncommitted_free_new: i16,
        /// `ilinePrefixSplit`: the line whose key is the new prefix of the split page; -1 is none.
        88 line_prefix_split: i32,
        /// `ilinePrefixNew`: the same of the new page, counted from `line_split`.
        92 line_prefix_new: i32,
        /// Flags of the before-image.
        102 image_flags: ImageFlags,
    }
    tail {
        /// `kdfParent`: the separator for the parent.
        parent_key: &'a [u8] = u16 @ 100,
        /// The prefix of the split page before.
        old_prefix: &'a [u8] = u16 @ 96,
        /// The prefix of the split page after.
        new_prefix: &'a [u8] = u16 @ 98,
        /// The split page before; empty if no lines move.
        before_image: &'a [u8] = u32 @ 106,
    }
}

named_number! {
    /// `mergetype`.
    pub enum MergeType: u8 {
        /// A parent's level: nothing merges.
        None = 0,
        /// The page is empty.
        EmptyPage = 1,
        /// All lines go to the right sibling.
        FullRight = 2,
        /// The last lines go to the right sibling.
        PartialRight = 3,
        /// The tree becomes empty.
        EmptyTree = 4,
        /// All lines go to the left sibling.
        FullLeft = 5,
        /// The first lines go to the left sibling.
        PartialLeft = 6,
        /// The page moves.
        PageMove = 7,
    }
}

bitflags::bitflags! {
    /// What a merge does to a level.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct MergeFlags: u8 {
        /// The key of the line becomes the separator.
        const KEY_CHANGE = 1;
        /// The line goes.
        const DELETE_NODE = 2;
        /// The page becomes empty.
        const EMPTY_PAGE = 4;
    }
}

record! {
    /// `Merge2`: one level of a merge; the last record is the leaf.
    pub struct Merge<'a> is 96 {
        /// The page that is merged.
        0 page: PageOperation,
        /// `pgnoRight`; 0 is none.
        32 page_right: u32,
        /// `dbtimeRightBefore`.
        36 dbtime_right_before: u64,
        /// `pgnoLeft`; 0 is none.
        44 page_left: u32,
        /// `dbtimeLeftBefore`.
        48 dbtime_left_before: u64,
        /// `pgnoParent`; 0 is none.
        56 page_parent: u32,
        /// `dbtimeParentBefore`.
        60 dbtime_parent_before: u64,
        /// `pgnoFDP`.
        68 page_fdp: u32,
        /// `objidFDP`.
        72 objid: u32,
        /// `cbSizeTotal` of the lines that move.
        76 size_total: u16,
        /// `cbSizeMaxTotal`.
        78 size_most_total: u16,
        /// `cbUncFreeDest`.
        80 uncommitted_free_destination: u16,
        /// `ilineMerge`: the first (to the right) or last (to the left) line that moves.
        82 line_merge: u16,
        /// `flags`.
        84 merge_flags: MergeFlags,
        /// `mergetype`.
        85 merge_type: MergeType,
        /// Flags of the before-image.
        88 image_flags: ImageFlags,
    }
    tail {
        /// `kdfParentSep`.
        separator_key: &'a [u8] = u16 @ 86,
        /// The merged page before; empty if no lines move.
        before_image: &'a [u8] = u32 @ 92,
    }
}

flag_field! { ImageFlags: u32, MergeFlags: u8, }

record! {
    /// `EmptyTree`: only the root of a tree is left.
    pub struct EmptyTree<'a> is 46 {
        /// The root.
        0 node: NodeOperation,
    }
    tail {
        /// The pages that become empty.
        emptied: EmptiedPages<'a> = u16 @ 44,
    }
}

/// The list in an [`EmptyTree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmptiedPages<'a>(&'a [u8]);

/// `EMPTYPAGE`: a page that becomes empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmptiedPage {
    /// `dbtimeBefore`.
    pub dbtime_before: u64,
    /// `pgno`.
    pub page: u32,
    /// Flags.
    pub flags: u32,
}

impl EmptiedPage {
    /// The 16 bytes of the list.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        put(&mut bytes, 0, &self.dbtime_before.to_le_bytes());
        put(&mut bytes, 8, &self.page.to_le_bytes());
        put(&mut bytes, 12, &self.flags.to_le_bytes());
        bytes
    }
}

impl<'a> EmptiedPages<'a> {
    /// The list in these bytes, 16 for each page.
    pub fn new(bytes: &'a [u8]) -> Self {
        EmptiedPages(bytes)
    }

    /// The pages; a rest that is no whole entry is none.
    pub fn iter(self) -> impl Iterator<Item = EmptiedPage> + 'a {
        let (entries, _) = self.0.as_chunks::<16>();
        entries.iter().map(|entry| {
            let [a, b, c, d, e, f, g, h, page @ .., w, x, y, z] = *entry;
            EmptiedPage {
                dbtime_before: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
                page: u32::from_le_bytes(page),
                flags: u32::from_le_bytes([w, x, y, z]),
            }
        })
    }
}

impl<'a> Tail<'a> for EmptiedPages<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        EmptiedPages(bytes)
    }

    fn bytes(&self) -> &'a [u8] {
        self.0
    }

    fn visit(&self, name: &'static str, sink: Sink<'_, 'a>) {
        let pages = self
            .iter()
            .map(|entry| format!("{}:{:#x}", entry.page, entry.dbtime_before));
        sink(name, FieldValue::Text(pages.collect::<Vec<_>>().join(" ")));
    }
}

bitflags::bitflags! {
    /// Which root moves.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct MoveFlags: u32 {
        /// Of the tree.
        const ROOT_FDP = 1;
        /// Of its space tree of owned extents.
        const ROOT_OE = 2;
        /// Of its space tree of available extents.
        const ROOT_AE = 4;
    }
}

flag_field! { MoveFlags: u32, }

record! {
    /// `PageMove`.
    pub struct PageMove<'a> is 96 {
        /// The page that moves.
        0 page: PageOperation,
        /// `pgnoDest`.
        32 page_destination: u32,
        /// `pgnoLeft`; 0 is none.
        36 page_left: u32,
        /// `pgnoRight`; 0 is none.
        40 page_right: u32,
        /// `pgnoParent`.
        44 page_parent: u32,
        /// `dbtimeLeftBefore`.
        48 dbtime_left_before: u64,
        /// `dbtimeRightBefore`.
        56 dbtime_right_before: u64,
        /// `dbtimeParentBefore`.
        64 dbtime_parent_before: u64,
        /// `pgnoFDP`.
        72 page_fdp: u32,
        /// `objidFDP`.
        76 objid: u32,
        /// `ilineParent`: the pointer in the parent.
        80 line_parent: i32,
        /// `fMoveFlags`.
        84 move_flags: MoveFlags,
    }
    tail {
        /// The page up to its free gap.
        header: &'a [u8] = u32 @ 88,
        /// The page after its free gap.
        trailer: &'a [u8] = u32 @ 92,
    }
}

record! {
    /// `RootPageMove`: begins the macro that moves a tree's root.
    pub struct RootPageMove is 16 {
        /// `dbtimeAfter`.
        1 dbtime: u64,
        /// `dbid`.
        9 database: u8,
        /// `objid` of the tree.
        10 objid: u32,
        /// `procid`.
        14 session: u16,
    }
}

record! {
    /// `ScrubPage`: what is deleted on a page is overwritten.
    pub struct ScrubPage<'a> is 54 {
        /// The page.
        0 node: NodeOperation,
        /// 1: the page is unused.
        44 scrub_flags: u32,
        /// `cscrubOper`: how many operations.
        48 operation_count: u32,
    }
    tail {
        /// One byte for each line: 1 its data, 2 its long value data are overwritten.
        operations: &'a [u8] = u16 @ 52,
    }
}

record! {
    /// `NewPage`: a blank page.
    pub struct NewPage is 20 {
        /// `procid`.
        1 session: u16,
        /// `dbid`.
        3 database: u8,
        /// `pgno`.
        4 page: u32,
        /// `objid` of its tree.
        8 objid: u32,
        /// `dbtimeAfter`.
        12 dbtime: u64,
    }
}
