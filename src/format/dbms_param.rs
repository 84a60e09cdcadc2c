//! `DBMS_PARAM`: the parameters of the instance that wrote a log or checkpoint (log-and-recovery.md section 2.2).
//!
//! A reader may ignore the values. A writer may not leave them zero: recovery configures itself from them.

use super::bytes::{Fields, put};
use super::error::FormatError;
use super::layout::{Stored, layout};

layout! {
    /// Parameters of an instance.
    pub struct DbmsParam in LogHeader {
        /// `szSystemPath`: NUL-padded, in the code page of the machine.
        0 system_path: [u8; 261],
        /// `szLogFilePath`.
        261 log_path: [u8; 261],
        /// Flags; bit 0: circular logging.
        522 flags: u8,
        /// `lSessionsMax`.
        523 sessions_max: u32,
        /// `lOpenTablesMax`.
        527 open_tables_max: u32,
        /// `lVerPagesMax`.
        531 version_pages_max: u32,
        /// `lCursorsMax`.
        535 cursors_max: u32,
        /// `lLogBuffers`.
        539 log_buffers: u32,
        /// `lcsecLGFile`: length of a log in sectors.
        543 log_file_sectors: u32,
        /// `ulCacheSizeMax`: in pages.
        547 cache_size_max: u32,
    }
}

impl DbmsParam {
    /// Bytes in a file.
    pub const LEN: usize = 567;

    /// Parameters that the genuine engine recovers with, for logs of `log_file_sectors` segments. Paths of more
    /// than 260 bytes are cut: they are informative.
    pub fn new(system_path: &str, log_path: &str, log_file_sectors: u32) -> Result<Self, FormatError> {
        let mut param = Self::read_fields(&[0; Self::LEN])?;
        param.system_path = padded(system_path);
        param.log_path = padded(log_path);
        param.sessions_max = 16;
        param.open_tables_max = 300;
        param.version_pages_max = 1024;
        param.cursors_max = 1024;
        param.log_buffers = 126;
        param.log_file_sectors = log_file_sectors;
        param.cache_size_max = 512;
        Ok(param)
    }

    /// The bytes, as a record has them.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.write_fields(Self::LEN)
    }

    /// Whether logs are reused once recovery does not need them.
    pub fn is_circular(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Where checkpoint and temporary database were; bytes that are no UTF-8 are replaced.
    pub fn system_path_text(&self) -> String {
        text(&self.system_path)
    }

    /// Where the logs were.
    pub fn log_path_text(&self) -> String {
        text(&self.log_path)
    }
}

impl Stored for DbmsParam {
    fn load(fields: &Fields<'_>, offset: usize) -> Result<Self, FormatError> {
        Self::read_fields(fields.slice(offset, Self::LEN)?)
    }

    fn store(&self, buffer: &mut [u8], offset: usize) {
        put(buffer, offset, &self.write_fields(Self::LEN));
    }
}

fn padded(path: &str) -> [u8; 261] {
    let mut padded = [0; 261];
    let (_last, space) = padded.split_last_mut().unwrap_or((&mut 0, &mut []));
    for (to, from) in space.iter_mut().zip(path.bytes()) {
        *to = from;
    }
    padded
}

fn text(padded: &[u8]) -> String {
    let end = padded.iter().position(|&byte| byte == 0).unwrap_or(padded.len());
    String::from_utf8_lossy(padded.get(..end).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_too_long_is_cut_and_still_ends_in_nul() {
        let param = DbmsParam::new(&"x".repeat(300), "C:\\log\\", 64).unwrap();
        assert_eq!(param.system_path_text().len(), 260);
        assert_eq!(param.log_path_text(), "C:\\log\\");
        assert!(!param.is_circular());
    }
}
