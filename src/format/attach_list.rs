//! The databases that were attached at a log position: part of log headers and checkpoints
//! (log-and-recovery.md section 2.3).
//!
//! ```text
//! | entry: 64 bytes, then its names | entry | … | 0 | unused …                      | 2048 bytes in all
//! ```

use super::bytes::{Fields, put};
use super::error::{FormatError, Structure};
use super::layout::Stored;
use super::primitive::{LogPosition, Signature};

const ENTRY_LEN: usize = 64;
const FLAG_UNICODE: u8 = 0x20;

/// The list as it stands in the file. Its entries are decoded on demand, so that a damaged list does not make
/// the header around it unreadable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachList(Box<[u8; AttachList::LEN]>);

/// A database that was attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// `dbid`: 1 to 6.
    pub dbid: u8,
    /// Flags: 0x20: the names are UTF-16LE; 0x40: a sparse file.
    pub flags: u8,
    /// `dbtime`: last known.
    pub dbtime: u64,
    /// `objidLast`.
    pub objid_last: u32,
    /// `cpgDatabaseSizeMax`: 0 where the size is not limited.
    pub pages_max: u32,
    /// `lgposAttach`.
    pub attach: LogPosition,
    /// `lgposConsistent`.
    pub consistent: LogPosition,
    /// `signDb`.
    pub signature: Signature,
    /// Full path of the database, with its NUL, as it stands in the file.
    pub names: Vec<u8>,
}

impl AttachList {
    /// Bytes in a file.
    pub const LEN: usize = 2048;

    /// A list of these databases.
    ///
    /// # Errors
    /// They do not fit, or one has the dbid 0, which ends a list.
    pub fn new(attachments: &[Attachment]) -> Result<Self, FormatError> {
        let mut bytes = Vec::new();
        for attachment in attachments {
            if attachment.dbid == 0 {
                return Err(FormatError::field(
                    Structure::AttachList,
                    bytes.len(),
                    "dbid",
                    0_u8,
                    "1 to 6",
                ));
            }
            attachment.append_to(&mut bytes)?;
        }
        if bytes.len() >= Self::LEN {
            return Err(FormatError::other(
                Structure::AttachList,
                Self::LEN,
                "more databases than the list holds",
            ));
        }
        let mut list = Self::default();
        put(list.0.as_mut_slice(), 0, &bytes);
        Ok(list)
    }

    /// The databases.
    ///
    /// # Errors
    /// An entry runs over the end of the list.
    pub fn attachments(&self) -> Result<Vec<Attachment>, FormatError> {
        let fields = Fields::new(Structure::AttachList, self.0.as_slice());
        let mut attachments = Vec::new();
        let mut offset = 0;
        while offset < Self::LEN && fields.u8(offset)? != 0 {
            let attachment = Attachment::read(&fields, offset)?;
            offset += ENTRY_LEN + attachment.names.len();
            attachments.push(attachment);
        }
        Ok(attachments)
    }
}

impl Default for AttachList {
    /// The empty list.
    fn default() -> Self {
        AttachList(Box::new([0; Self::LEN]))
    }
}

impl Stored for AttachList {
    fn load(fields: &Fields<'_>, offset: usize) -> Result<Self, FormatError> {
        fields.array(offset).map(|bytes| AttachList(Box::new(bytes)))
    }

    fn store(&self, buffer: &mut [u8], offset: usize) {
        put(buffer, offset, self.0.as_slice());
    }
}

impl Attachment {
    /// The path as text; what is not valid is replaced.
    pub fn path(&self) -> String {
        if self.flags & FLAG_UNICODE == 0 {
            let end = self.names.iter().position(|&byte| byte == 0);
            let name = self.names.get(..end.unwrap_or(self.names.len()));
            return String::from_utf8_lossy(name.unwrap_or_default()).into_owned();
        }
        let (units, _) = self.names.as_chunks();
        let units = units
            .iter()
            .map(|unit| u16::from_le_bytes(*unit))
            .take_while(|&unit| unit != 0);
        char::decode_utf16(units)
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect()
    }

    /// Sets the path, in UTF-16LE with its NUL.
    pub fn set_path(&mut self, path: &str) {
        self.flags |= FLAG_UNICODE;
        self.names = path
            .encode_utf16()
            .chain([0])
            .flat_map(u16::to_le_bytes)
            .collect();
    }

    fn read(fields: &Fields<'_>, at: usize) -> Result<Self, FormatError> {
        Ok(Attachment {
            dbid: fields.u8(at)?,
            flags: fields.u8(at + 1)?,
            dbtime: fields.u64(at + 4)?,
            objid_last: fields.u32(at + 12)?,
            pages_max: fields.u32(at + 16)?,
            attach: LogPosition::read(fields, at + 20)?,
            consistent: LogPosition::read(fields, at + 28)?,
            signature: Signature::read(fields, at + 36)?,
            names: fields.slice(at + ENTRY_LEN, fields.u16(at + 2)?.into())?.to_vec(),
        })
    }

    fn append_to(&self, bytes: &mut Vec<u8>) -> Result<(), FormatError> {
        let names_len = u16::try_from(self.names.len())
            .map_err(|_| FormatError::other(Structure::AttachList, bytes.len(), "a path is too long"))?;
        bytes.extend([self.dbid, self.flags]);
        bytes.extend(names_len.to_le_bytes());
        bytes.extend(self.dbtime.to_le_bytes());
        bytes.extend(self.objid_last.to_le_bytes());
        bytes.extend(self.pages_max.to_le_bytes());
        bytes.extend(self.attach.to_bytes());
        bytes.extend(self.consistent.to_bytes());
        bytes.extend(self.signature.to_bytes());
        bytes.extend(&self.names);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngCore, SeedableRng};

    fn attachment(path: &str) -> Attachment {
        let mut attachment = Attachment {
            dbid: 1,
            flags: 0,
            dbtime: 0x1234,
            objid_last: 17,
            pages_max: 0,
            attach: LogPosition {
                generation: 3,
                sector: 4,
                byte: 0,
            },
            consistent: LogPosition::default(),
            signature: Signature::default(),
            names: Vec::new(),
        };
        attachment.set_path(path);
        attachment
    }

    #[test]
    fn a_list_survives_the_way_to_bytes_and_back() {
        let attachments = vec![attachment("C:\\data\\test.edb"), attachment("D:\\größer.edb")];
        let read = AttachList::new(&attachments).unwrap().attachments().unwrap();
        assert_eq!(read, attachments);
        assert_eq!(read[1].path(), "D:\\größer.edb");
    }

    #[test]
    fn a_list_that_does_not_fit_is_refused() {
        let long = attachment(&"x".repeat(500));
        assert!(AttachList::new(std::slice::from_ref(&long)).is_ok());
        assert!(AttachList::new(&[long.clone(), long]).is_err());
    }

    #[test]
    fn the_smallest_entries_may_fill_the_list_to_its_last_byte() {
        let bytes = [1; AttachList::LEN];
        let mut list = AttachList(Box::new(bytes));
        for entry in list.0.chunks_mut(ENTRY_LEN) {
            entry[2..4].fill(0);
        }
        assert_eq!(list.attachments().unwrap().len(), AttachList::LEN / ENTRY_LEN);
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut random = StdRng::seed_from_u64(21);
        for _ in 0..500 {
            let mut list = AttachList::default();
            random.fill_bytes(list.0.as_mut_slice());
            for entry in list.attachments().unwrap_or_default() {
                entry.path();
            }
        }
    }
}
