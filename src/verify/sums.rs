//! The sums of a manifest: whether a file is still what was copied, in every byte. Page and segment checksums leave out
//! what lies between and behind.

use crate::backup::in_hexadecimal;
use crate::io::{FileSystem, OpenMode};
use sha2::{Digest, Sha256};
use std::io;
use std::path::Path;

/// Bytes that are read at once.
const BUFFER_LEN: usize = 1 << 20;

/// The SHA-256 of a file, as the manifest has it.
///
/// # Errors
/// The file cannot be read.
pub(super) fn sha256_of(file_system: &dyn FileSystem, path: &Path) -> io::Result<String> {
    let file = file_system.open(path, OpenMode::ReadOnly)?;
    let mut buffer = vec![0; BUFFER_LEN];
    let (mut sum, mut at) = (Sha256::new(), 0);
    loop {
        let read = file.read_full_at(&mut buffer, at)?;
        sum.update(buffer.get(..read).unwrap_or_default());
        at += read as u64;
        if read < buffer.len() {
            return Ok(in_hexadecimal(&sum.finalize()));
        }
    }
}
