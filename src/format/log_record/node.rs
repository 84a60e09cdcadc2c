//! Operations on nodes, and their undoing (log-and-recovery.md sections 4.4 and 4.5).

use super::operation::{NodeOperation, named_number};
use super::shape::record;

record! {
    /// `Insert`.
    pub struct Insert<'a> is 50 {
        /// What and where.
        0 node: NodeOperation,
        /// `cbPrefix`: so many bytes of the key are the page's prefix, and the node is stored without them.
        46 prefix_len: u16,
    }
    tail {
        /// The complete key, the prefix included.
        key: &'a [u8] = two_u16 @ 44,
        /// The data.
        data: &'a [u8] = u16 @ 48,
    }
}

record! {
    /// `FlagInsert`: a deleted node comes back.
    pub struct FlagInsert<'a> is 48 {
        /// What and where.
        0 node: NodeOperation,
    }
    tail {
        /// The key.
        key: &'a [u8] = u16 @ 44,
        /// The data.
        data: &'a [u8] = u16 @ 46,
    }
}

record! {
    /// `FlagInsertAndReplaceData`: a deleted node comes back with other data.
    pub struct FlagInsertAndReplaceData<'a> is 52 {
        /// What and where; its `rceid` is that of the insertion.
        0 node: NodeOperation,
        /// `rceidReplace`.
        48 rceid_replace: u32,
    }
    tail {
        /// The key.
        key: &'a [u8] = u16 @ 44,
        /// The new data.
        data: &'a [u8] = u16 @ 46,
    }
}

record! {
    /// `Replace` with the whole new data, or `ReplaceD` with the difference.
    pub struct Replace<'a> is 50 {
        /// What and where.
        0 node: NodeOperation,
        /// `cb`: length of the image; the highest bit: a difference in the form for large pages.
        44 stored_len: u16,
        /// `cbOldData`.
        46 old_len: u16,
        /// `cbNewData`.
        48 new_len: u16,
    }
    tail {
        /// The new data, or the difference.
        image: &'a [u8] = u15 @ 44,
    }
}

impl Replace<'_> {
    /// Whether the difference has the form for pages of more than 8 KiB (`diff2`).
    pub fn is_wide(&self) -> bool {
        self.stored_len & 0x8000 != 0
    }
}

record! {
    /// `FlagDelete` sets the delete flag; `Delete` removes the node.
    pub struct NodeDeletion is 44 {
        /// What and where.
        0 node: NodeOperation,
    }
}

record! {
    /// `Delta`: adds to an integer in the data.
    pub struct Delta<'a> is 54 {
        /// What and where.
        0 node: NodeOperation,
        /// `delta`.
        48 delta: i32,
        /// `cbOffset` of the integer in the data.
        52 offset: u16,
    }
    tail {
        /// Key of the node.
        key: &'a [u8] = u16 @ 44,
        /// Data of the bookmark.
        bookmark_data: &'a [u8] = u16 @ 46,
    }
}

record! {
    /// `Delta64`: adds to an integer of eight bytes in the data.
    pub struct Delta64<'a> is 58 {
        /// What and where.
        0 node: NodeOperation,
        /// `delta`.
        48 delta: i64,
        /// `cbOffset` of the integer in the data.
        56 offset: u16,
    }
    tail {
        /// Key of the node.
        key: &'a [u8] = u16 @ 44,
        /// Data of the bookmark.
        bookmark_data: &'a [u8] = u16 @ 46,
    }
}

record! {
    /// `SetExternalHeader`.
    pub struct SetExternalHeader<'a> is 46 {
        /// What and where; there is no line.
        0 node: NodeOperation,
    }
    tail {
        /// The whole new external header.
        data: &'a [u8] = u16 @ 44,
    }
}

named_number! {
    /// `oper`: which operation is undone.
    pub enum UndoneOperation: u16 {
        /// The node gets the delete flag.
        Insert = 1,
        /// The data become what they were.
        Replace = 2,
        /// The delete flag goes.
        FlagDelete = 3,
        /// The negated delta is added.
        Delta = 4,
        /// The same of eight bytes.
        Delta64 = 9,
    }
}

record! {
    /// `UndoInfo`: what a Replace or FlagDelete destroyed, logged before the page may reach the disk. Changes nothing.
    pub struct UndoInfo<'a> is 56 {
        /// As in the original record, but for dbtimes (nil), line (0) and the flag VERSIONED.
        0 node: NodeOperation,
        /// `oper`: Replace or FlagDelete.
        48 operation: UndoneOperation,
        /// `cbMaxSize`: the largest size of the data in the transaction.
        50 size_most: i16,
        /// `cbDelta`: by how much the size has changed.
        52 size_change: i16,
    }
    tail {
        /// Key of the node.
        key: &'a [u8] = u16 @ 44,
        /// Data of the bookmark, in a tree that is not unique.
        bookmark_data: &'a [u8] = u16 @ 46,
        /// The data before; empty for FlagDelete.
        before_image: &'a [u8] = u16 @ 54,
    }
}

record! {
    /// `Undo`: one versioned operation was undone.
    pub struct Undo<'a> is 51 {
        /// Where it was undone, which may be another page than that of the original record.
        0 node: NodeOperation,
        /// `oper`.
        48 operation: UndoneOperation,
        /// `level` of the version at that time.
        50 version_level: u8,
    }
    tail {
        /// Key of the node.
        key: &'a [u8] = u16 @ 44,
        /// Data of the bookmark, in a tree that is not unique.
        bookmark_data: &'a [u8] = u16 @ 46,
    }
}
