//! The flags column of the catalog, by kind of entry (database-file.md section 6.4).

bitflags::bitflags! {
    /// Flags of a table.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct TableFlags: u32 {
        /// A table of the engine itself.
        const SYSTEM = 0x8000_0000;
        /// Its columns and indexes cannot be changed.
        const FIXED_DDL = 0x4000_0000;
        /// A template for derived tables.
        const TEMPLATE = 0x2000_0000;
        /// Derived from a template.
        const DERIVED = 0x1000_0000;
        /// A system table that the engine creates when needed.
        const SYSTEM_DYNAMIC = 0x0800_0000;
        /// Derived tables may not add fixed or variable columns.
        const NO_FIXED_VAR_IN_DERIVED = 0x0400_0000;
        /// Bits that have no name here.
        const _ = !0;
    }

    /// Flags of a column.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct ColumnFlags: u32 {
        /// NULL is not allowed.
        const NOT_NULL = 0x0001;
        /// Counts the updates of the record.
        const VERSION = 0x0002;
        /// Numbered by the engine.
        const AUTO_INCREMENT = 0x0004;
        /// May hold several values (tagged columns only).
        const MULTI_VALUED = 0x0008;
        /// Has a default value.
        const DEFAULT = 0x0010;
        /// Changed by escrow updates.
        const ESCROW_UPDATE = 0x0020;
        /// Calls back when an escrow column falls to zero.
        const FINALIZE = 0x0040;
        /// Its default comes from a callback.
        const USER_DEFINED_DEFAULT = 0x0080;
        /// Belongs to a template table of the 1998 format.
        const TEMPLATE_COLUMN_ESE98 = 0x0100;
        /// The record is deleted when it falls to zero.
        const DELETE_ON_ZERO = 0x0200;
        /// Placeholder of a primary index.
        const PRIMARY_INDEX_PLACEHOLDER = 0x0800;
        /// Values may be compressed.
        const COMPRESSED = 0x1000;
        /// Values are encrypted.
        const ENCRYPTED = 0x2000;
        /// Bits that have no name here.
        const _ = !0;
    }

    /// Flags of an index: `IDBFLAG` in the low half, `IDXFLAG` in the high one.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct IndexFlags: u32 {
        /// No key may stand twice.
        const UNIQUE = 0x0001;
        /// A record whose segments are all NULL has an entry.
        const ALLOW_ALL_NULLS = 0x0002;
        /// A record whose first segment is NULL has an entry.
        const ALLOW_FIRST_NULL = 0x0004;
        /// A record with any NULL segment has an entry.
        const ALLOW_SOME_NULLS = 0x0008;
        /// Every record has an entry, whatever is NULL.
        const ALLOW_ANY_NULLS = 0x000e;
        /// NULL segments are refused.
        const NO_NULL_SEGMENT = 0x0010;
        /// The order of the table itself.
        const PRIMARY = 0x0020;
        /// A locale was given.
        const LOCALE_SET = 0x0040;
        /// A segment is multi-valued.
        const MULTI_VALUED = 0x0080;
        /// Belongs to a template table.
        const TEMPLATE = 0x0100;
        /// Inherited from a template table.
        const DERIVED = 0x0200;
        /// A segment is Unicode text.
        const LOCALIZED_TEXT = 0x0400;
        /// NULLs come last.
        const SORT_NULLS_HIGH = 0x0800;
        /// Old: entries of undefined characters are tracked.
        const UNICODE_FIXUP = 0x1000;
        /// One entry per combination of the values of multi-valued segments.
        const CROSS_PRODUCT = 0x2000;
        /// Keys that would be cut are refused.
        const DISALLOW_TRUNCATION = 0x4000;
        /// Multi-valued segments advance together.
        const NESTED_TABLE = 0x8000;
        /// Segments are 4 bytes; always set today.
        const EXTENDED_COLUMNS = 0x1_0000;
        /// GUIDs sort as .NET sorts them.
        const DOT_NET_GUID = 0x2_0000;
        /// Filled after its creation.
        const DEFER_POPULATE = 0x4_0000;
        /// Uniqueness may be ignored.
        const OPTIONALLY_UNIQUE = 0x8_0000;
        /// Bits that have no name here.
        const _ = !0;
    }
}
