//! Files of `jetfs demo`: copied, compared, damaged; and sizes as people read them.

use anyhow::{Context, Result};
use jetfs::io::{FileSystem, OpenMode, RealFileSystem};
use jetfs::store::Database;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// How much is read at a time, as cp does.
const BUFFER: usize = 128 << 10;

/// Copies a file by plain reads. Returns its length.
pub(super) fn copy_file(from: &Path, to: &Path) -> Result<u64> {
    let mut source = File::open(from).with_context(|| format!("cannot open {}", from.display()))?;
    let mut target = File::create(to).with_context(|| format!("cannot create {}", to.display()))?;
    let mut buffer = vec![0; BUFFER];
    let mut total = 0;
    loop {
        let read = source
            .read(&mut buffer)
            .with_context(|| format!("cannot read {}", from.display()))?;
        let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else {
            return Ok(total);
        };
        target
            .write_all(chunk)
            .with_context(|| format!("cannot write {}", to.display()))?;
        total += read as u64;
    }
}

/// Where two files differ first; the shorter one's end counts.
pub(super) fn first_difference(left: &Path, right: &Path) -> Result<Option<u64>> {
    let mut files = (File::open(left)?, File::open(right)?);
    let lengths = (files.0.metadata()?.len(), files.1.metadata()?.len());
    let mut buffers = (vec![0; BUFFER], vec![0; BUFFER]);
    let mut offset = 0;
    while offset < lengths.0.min(lengths.1) {
        let len = usize::try_from((lengths.0.min(lengths.1) - offset).min(BUFFER as u64))?;
        buffers.0.truncate(len);
        buffers.1.truncate(len);
        files.0.read_exact(&mut buffers.0)?;
        files.1.read_exact(&mut buffers.1)?;
        if let Some(at) = buffers.0.iter().zip(&buffers.1).position(|(a, b)| a != b) {
            return Ok(Some(offset + at as u64));
        }
        offset += len as u64;
    }
    Ok((lengths.0 != lengths.1).then_some(offset))
}

/// Bytes of a page of a database.
pub(super) fn page_len(path: &Path) -> Result<u64> {
    let file = RealFileSystem.open(path, OpenMode::ReadOnly)?;
    Ok(Database::open(file, path)?.page_size().bytes_u64())
}

/// Changes bits of a byte.
pub(super) fn flip(path: &Path, offset: u64, bits: u8) -> Result<()> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let mut byte = [0];
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(&mut byte)?;
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(&byte.map(|byte| byte ^ bits))?;
    Ok(())
}

/// Reads a page, or as much as `page` has room for.
pub(super) fn read_page(path: &Path, offset: u64, page: &mut [u8]) -> std::io::Result<()> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(page)
}

/// A size as people read it.
pub(super) fn bytes(len: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    #[allow(clippy::cast_precision_loss, reason = "shown with one digit after the point")]
    UNITS.iter().find(|(unit, _)| len >= *unit).map_or_else(
        || format!("{len} bytes"),
        |(unit, name)| format!("{:.1} {name}", len as f64 / *unit as f64),
    )
}

/// Bytes in a second.
pub(super) fn rate(len: u64, seconds: f64) -> String {
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate to be shown; no file is that large"
    )]
    bytes((len as f64 / seconds.max(1e-6)) as u64)
}

/// `500MiB`, `2GiB`, `2G`, or bytes.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = text.strip_prefix(digits).unwrap_or_default();
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        _ => return Err("a number with KiB, MiB or GiB".into()),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "a number with KiB, MiB or GiB".to_owned())?;
    number
        .checked_mul(1 << shift)
        .filter(|size| (1 << 20..=8 << 40).contains(size))
        .ok_or_else(|| "a size from 1 MiB to 8 TiB".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(parse_size("2GiB"), Ok(2 << 30));
        assert_eq!(parse_size("500m"), Ok(500 << 20));
        assert!(parse_size("many").is_err() && parse_size("10").is_err());
        assert!(parse_size("99999999999999999999G").is_err());
    }

    #[test]
    fn a_difference_is_found_where_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let (left, right) = (directory.path().join("l"), directory.path().join("r"));
        let mut bytes = vec![7; 3 * BUFFER];
        fs::write(&left, &bytes).unwrap();
        fs::write(&right, &bytes).unwrap();
        assert_eq!(first_difference(&left, &right).unwrap(), None);
        bytes[BUFFER + 5] = 8;
        fs::write(&right, &bytes).unwrap();
        assert_eq!(first_difference(&left, &right).unwrap(), Some(BUFFER as u64 + 5));
        fs::write(&right, &bytes[..BUFFER]).unwrap();
        assert_eq!(first_difference(&left, &right).unwrap(), Some(BUFFER as u64));
    }
}
