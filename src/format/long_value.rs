//! Long values: the nodes of a table's long value tree (database-file.md section 8).

use super::bytes::Fields;
use super::error::{FormatError, Structure};
use super::page_size::PageSize;

/// `ulReference` of a value that is partially deleted.
pub(crate) const PARTIALLY_DELETED: u32 = u32::MAX;

/// `LID`: the name of a long value in its table; big-endian in the tree, little-endian in records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lid {
    /// 4 bytes.
    Lid32(u32),
    /// 8 bytes, the top bit set (update 70 and later).
    Lid64(u64),
}

impl Lid {
    /// Top bit of the first byte of a key: the LID has 8 bytes.
    const WIDE: u8 = 0x80;

    /// Reads the LID that stands in a record for a separated value.
    pub fn from_record(data: &[u8]) -> Result<Self, FormatError> {
        let fields = Fields::new(Structure::LongValue, data);
        match data.len() {
            4 => fields.u32(0).map(Lid::Lid32),
            8 => fields.u64(0).map(Lid::Lid64),
            len => Err(FormatError::other(
                Structure::LongValue,
                0,
                format!("a LID of {len} bytes"),
            )),
        }
    }

    /// The bytes that stand in a record for a separated value.
    pub fn to_record(self) -> Vec<u8> {
        match self {
            Lid::Lid32(lid) => lid.to_le_bytes().to_vec(),
            Lid::Lid64(lid) => lid.to_le_bytes().to_vec(),
        }
    }

    /// How many bytes stand in a record.
    pub const fn record_len(self) -> usize {
        match self {
            Lid::Lid32(_) => 4,
            Lid::Lid64(_) => 8,
        }
    }

    /// Key of the value's root node.
    pub fn root_key(self) -> Vec<u8> {
        match self {
            Lid::Lid32(lid) => lid.to_be_bytes().to_vec(),
            Lid::Lid64(lid) => lid.to_be_bytes().to_vec(),
        }
    }

    /// Key of the chunk at `offset`.
    pub fn chunk_key(self, offset: u32) -> Vec<u8> {
        let mut key = self.root_key();
        key.extend(offset.to_be_bytes());
        key
    }
}

/// What the key of a node of a long value tree says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LongValueKey {
    /// The root of a value.
    Root(Lid),
    /// A chunk of a value, at this offset of the plain value.
    Chunk(Lid, u32),
}

impl LongValueKey {
    /// Reads a key.
    pub fn read(key: &[u8]) -> Result<Self, FormatError> {
        let fields = Fields::new(Structure::LongValue, key);
        let wide = key.first().is_some_and(|first| first & Lid::WIDE != 0);
        let lid64 = || -> Result<Lid, FormatError> { Ok(Lid::Lid64(u64::from_be_bytes(fields.array(0)?))) };
        match (key.len(), wide) {
            (4, _) => Ok(LongValueKey::Root(Lid::Lid32(fields.u32_be(0)?))),
            (8, false) => Ok(LongValueKey::Chunk(
                Lid::Lid32(fields.u32_be(0)?),
                fields.u32_be(4)?,
            )),
            (8, true) => Ok(LongValueKey::Root(lid64()?)),
            (12, true) => Ok(LongValueKey::Chunk(lid64()?, fields.u32_be(8)?)),
            (len, _) => Err(FormatError::other(
                Structure::LongValue,
                0,
                format!("no key has these {len} bytes"),
            )),
        }
    }
}

/// The root node of a long value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongValueRoot {
    /// Records that refer to it; 0 for an orphan.
    pub references: u32,
    /// Bytes of the plain value.
    pub size: u32,
    /// Whether its chunks are encrypted.
    pub encrypted: bool,
}

impl LongValueRoot {
    /// Reads the data of a root node.
    pub fn read(data: &[u8]) -> Result<Self, FormatError> {
        let fields = Fields::new(Structure::LongValue, data);
        Ok(LongValueRoot {
            references: fields.u32(0)?,
            size: fields.u32(4)?,
            encrypted: data.len() > 8 && fields.u8(8)? & 1 != 0,
        })
    }

    /// The data of a root node.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = [self.references.to_le_bytes(), self.size.to_le_bytes()].concat();
        if self.encrypted {
            bytes.push(1);
        }
        bytes
    }

    /// Whether a deletion of the value was begun.
    pub fn is_partially_deleted(&self) -> bool {
        self.references == PARTIALLY_DELETED
    }
}

/// Bytes of a full chunk, unless the catalog says otherwise for the table (`LVChunkMax`).
pub const fn default_chunk_size(size: PageSize) -> u32 {
    match size {
        PageSize::Kib2 => 1966,
        PageSize::Kib4 => 4014,
        PageSize::Kib8 => 8110,
        PageSize::Kib16 => 4050,
        PageSize::Kib32 => 8150,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_key_tells_roots_from_chunks() {
        let narrow = Lid::Lid32(7);
        let wide = Lid::Lid64(0x8000_0000_8000_0001);
        assert_eq!(
            LongValueKey::read(&narrow.root_key()).unwrap(),
            LongValueKey::Root(narrow)
        );
        assert_eq!(
            LongValueKey::read(&narrow.chunk_key(8)).unwrap(),
            LongValueKey::Chunk(narrow, 8)
        );
        assert_eq!(
            LongValueKey::read(&wide.root_key()).unwrap(),
            LongValueKey::Root(wide)
        );
        assert_eq!(
            LongValueKey::read(&wide.chunk_key(8)).unwrap(),
            LongValueKey::Chunk(wide, 8)
        );
        assert!(LongValueKey::read(&[1, 2, 3]).is_err());
        assert_eq!(Lid::from_record(&wide.to_record()).unwrap(), wide);
    }
}
