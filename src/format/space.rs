//! Space: the header of a tree's root page, and the extents in OE and AE trees
//! (database-file.md sections 2.5, 2.6 and 5).

use super::bytes::{Fields, put};
use super::error::{FormatError, Structure};

/// Root page of the file's own space: it owns all pages.
pub const SYSTEM_ROOT: u32 = 1;
/// Bit of an AE key's first byte that says that the low bits name a pool.
pub(crate) const POOL_MARKER: u8 = 0x80;
/// Bits of that byte that are the pool.
pub(crate) const POOL_MASK: u8 = 0x07;

bitflags::bitflags! {
    /// Flags of a space header.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct SpaceFlags: u32 {
        /// OE and AE trees exist; otherwise a bitmap says which pages are free.
        const MULTIPLE_EXTENT = 1;
        /// The tree's keys are not unique.
        const NON_UNIQUE = 2;
        /// `cpgPrimary` is the size of the last extent that was allocated.
        const V2 = 4;
        // Flags of later formats are kept as they are.
        const _ = !0;
    }
}

/// `SPACE_HEADER`, in tag 0 of the root page (FDP) of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceHeader {
    /// `cpgPrimary`: pages of the first extent; with [`SpaceFlags::V2`] of the last one.
    pub primary: u32,
    /// Root page of the tree that lends the space: 0 for the system root.
    pub parent: u32,
    /// Flags.
    pub flags: SpaceFlags,
    /// Where free pages are recorded.
    pub free: FreeSpace,
}

/// How a tree records its free pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreeSpace {
    /// Single extent: bit *i* set means that page FDP + 1 + *i* is free.
    Bitmap(u32),
    /// Multiple extents: root page of the OE tree; that of the AE tree is the next page.
    OwnedExtents(u32),
}

impl SpaceHeader {
    /// Bytes in a page.
    pub const LEN: usize = 16;

    /// Reads the 16 bytes at `offset`.
    pub fn read(fields: &Fields<'_>, offset: usize) -> Result<Self, FormatError> {
        let flags = SpaceFlags::from_bits_retain(fields.u32(offset + 8)?);
        let last = fields.u32(offset + 12)?;
        Ok(SpaceHeader {
            primary: fields.u32(offset)?,
            parent: fields.u32(offset + 4)?,
            flags,
            free: if flags.contains(SpaceFlags::MULTIPLE_EXTENT) {
                FreeSpace::OwnedExtents(last)
            } else {
                FreeSpace::Bitmap(last)
            },
        })
    }

    /// The 16 bytes.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let last = match self.free {
            FreeSpace::Bitmap(bits) => bits,
            FreeSpace::OwnedExtents(pgno) => pgno,
        };
        put(&mut bytes, 0, &self.primary.to_le_bytes());
        put(&mut bytes, 4, &self.parent.to_le_bytes());
        put(&mut bytes, 8, &self.flags.bits().to_le_bytes());
        put(&mut bytes, 12, &last.to_le_bytes());
        bytes
    }

    /// Root page of the OE tree, if there is one.
    pub fn owned_extents(&self) -> Option<u32> {
        match self.free {
            FreeSpace::Bitmap(_) => None,
            FreeSpace::OwnedExtents(pgno) => Some(pgno),
        }
    }
}

/// Tag 0 of the root page of a tree, in the plain or the extended form (section 2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootHeader {
    /// The space header; the extended form may lack it.
    pub space: Option<SpaceHeader>,
    /// The extended form's highest auto-increment value.
    pub auto_increment: Option<u64>,
}

impl RootHeader {
    /// Extended form: the space header is there.
    pub(crate) const HAS_SPACE: u8 = 1;
    /// Extended form: the auto-increment maximum is there.
    pub(crate) const HAS_AUTO_INCREMENT: u8 = 2;

    /// Reads tag 0 of a root page that is not the root of a space tree.
    pub fn read(external_header: &[u8]) -> Result<Self, FormatError> {
        let fields = Fields::new(Structure::Space, external_header);
        if external_header.len() <= SpaceHeader::LEN {
            return Ok(RootHeader {
                space: Some(SpaceHeader::read(&fields, 0)?),
                auto_increment: None,
            });
        }
        let present = fields.u8(0)?;
        let mut offset = 1;
        let mut header = RootHeader {
            space: None,
            auto_increment: None,
        };
        if present & Self::HAS_SPACE != 0 {
            header.space = Some(SpaceHeader::read(&fields, offset)?);
            offset += SpaceHeader::LEN;
        }
        if present & Self::HAS_AUTO_INCREMENT != 0 {
            header.auto_increment = Some(fields.u64(offset)?);
        }
        Ok(header)
    }

    /// Tag 0 with another space header, in the form that it has; all else in it stays.
    ///
    /// # Errors
    /// The extended form is too short for the space header that it says to have.
    pub fn with_space(external_header: &[u8], space: SpaceHeader) -> Result<Vec<u8>, FormatError> {
        let fields = Fields::new(Structure::Space, external_header);
        if external_header.len() <= SpaceHeader::LEN {
            return Ok(space.to_bytes().to_vec());
        }
        let present = fields.u8(0)?;
        let rest = if present & Self::HAS_SPACE != 0 {
            fields.from(1 + SpaceHeader::LEN)?
        } else {
            fields.from(1)?
        };
        Ok([&[present | Self::HAS_SPACE], &space.to_bytes()[..], rest].concat())
    }
}

/// `SPLIT_BUFFER`, in tag 0 of the root page of a space tree: pages kept for splitting the tree itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SplitBuffer {
    /// Two reserves; count 0 means none.
    pub reserves: [Extent; 2],
}

impl SplitBuffer {
    /// Bytes in a page.
    pub const LEN: usize = 16;

    /// The 16 bytes.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        for (at, reserve) in self.reserves.iter().enumerate() {
            put(&mut bytes, 8 * at, &reserve.last.to_le_bytes());
            put(&mut bytes, 8 * at + 4, &reserve.count.to_le_bytes());
        }
        bytes
    }

    /// Reads tag 0; an empty one (databases upgraded from older engines) has no reserves.
    pub fn read(external_header: &[u8]) -> Result<Self, FormatError> {
        if external_header.is_empty() {
            return Ok(SplitBuffer::default());
        }
        let fields = Fields::new(Structure::Space, external_header);
        let extent = |offset| -> Result<Extent, FormatError> {
            Ok(Extent {
                last: fields.u32(offset)?,
                count: fields.u32(offset + 4)?,
            })
        };
        Ok(SplitBuffer {
            reserves: [extent(0)?, extent(8)?],
        })
    }
}

/// A run of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    /// Its last page.
    pub last: u32,
    /// How many pages it has.
    pub count: u32,
}

impl Extent {
    /// Its pages; none if the numbers are impossible.
    pub fn pages(self) -> std::ops::RangeInclusive<u32> {
        match self.last.checked_sub(self.count) {
            Some(before) => before + 1..=self.last,
            #[allow(clippy::reversed_empty_ranges, reason = "an empty range is what is meant")]
            None => 1..=0,
        }
    }
}

/// A node of an OE or AE tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceNode {
    /// The pages.
    pub extent: Extent,
    /// The pool: 0 general, 1 continuous, 2 shelved (beyond the end of the file).
    pub pool: u8,
}

impl SpaceNode {
    /// Reads the key and data of a leaf node of an OE or AE tree (section 5.3).
    pub fn read(key: &[u8], data: &[u8]) -> Result<Self, FormatError> {
        let fields = Fields::new(Structure::Space, key);
        let (pool, last) = match key.len() {
            4 => (0, fields.u32_be(0)?),
            5 if fields.u8(0)? & POOL_MARKER != 0 => (fields.u8(0)? & POOL_MASK, fields.u32_be(1)?),
            len => {
                return Err(FormatError::other(
                    Structure::Space,
                    0,
                    format!("no key of an extent has these {len} bytes"),
                ));
            }
        };
        let count = Fields::new(Structure::Space, data).u32(0)?;
        // A used-up extent stays with a count of 0; one that begins before page 1 cannot be.
        if count > last {
            return Err(fields.bad(
                0,
                "extent length",
                count,
                "no more pages than lie before its last page",
            ));
        }
        Ok(SpaceNode {
            extent: Extent { last, count },
            pool,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_space_header_of_msysobjects_names_its_oe_tree() {
        let bytes = [0x14, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0];
        let space = RootHeader::read(&bytes).unwrap().space.unwrap();
        assert_eq!(
            (space.primary, space.parent, space.owned_extents()),
            (20, 1, Some(5))
        );
        assert_eq!(space.to_bytes(), bytes);
    }

    #[test]
    fn the_extended_form_carries_the_auto_increment_maximum() {
        let mut bytes = vec![3];
        bytes.extend([10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xfc, 1, 0, 0]);
        bytes.extend(30u64.to_le_bytes());
        let header = RootHeader::read(&bytes).unwrap();
        assert_eq!(header.auto_increment, Some(30));
        assert_eq!(header.space.unwrap().free, FreeSpace::Bitmap(0x1fc));
    }

    #[test]
    fn another_space_header_leaves_the_rest_as_it_is() {
        let space = SpaceHeader {
            primary: 9,
            parent: 1,
            flags: SpaceFlags::MULTIPLE_EXTENT,
            free: FreeSpace::OwnedExtents(77),
        };
        for (before, auto_increment) in [
            (vec![7; 16], None),
            ([&[3][..], &[7; 16], &30u64.to_le_bytes()].concat(), Some(30)),
            ([&[2][..], &30u64.to_le_bytes(), &[0; 16]].concat(), Some(30)),
        ] {
            let after = RootHeader::with_space(&before, space).unwrap();
            let header = RootHeader::read(&after).unwrap();
            assert_eq!(
                (header.space, header.auto_increment),
                (Some(space), auto_increment)
            );
        }
        assert!(RootHeader::with_space(&[3; 17][..17], space).is_ok());
    }

    #[test]
    fn an_extent_before_the_first_page_has_no_pages() {
        assert_eq!(Extent { last: 3, count: 5 }.pages().count(), 0);
        assert_eq!(Extent { last: 23, count: 20 }.pages(), 4..=23);
    }
}
