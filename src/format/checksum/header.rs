//! The checksum of a header: of databases, logs, checkpoints, flush maps and trailer pages, always in the first
//! four bytes (database-file.md section 1.4).

use super::sum::header_checksum;
use crate::format::bytes::{Fields, put};
use crate::format::{FormatError, Problem, Structure};

/// Verifies a header that fills `bytes`.
///
/// # Errors
/// The checksum of `structure` is wrong.
pub fn verify_header(structure: Structure, bytes: &[u8]) -> Result<(), FormatError> {
    let stored = Fields::new(structure, bytes).u32(0)?;
    let computed = header_checksum(bytes);
    if stored == computed {
        return Ok(());
    }
    let (stored, computed) = (stored.into(), computed.into());
    Err(FormatError::new(
        structure,
        0,
        Problem::Checksum { stored, computed },
    ))
}

/// Writes the checksum of a header whose other bytes are final.
pub fn stamp_header(bytes: &mut [u8]) {
    let checksum = header_checksum(bytes);
    put(bytes, 0, &checksum.to_le_bytes());
}
