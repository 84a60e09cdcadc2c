//! Files of `jetfs demo`: copied, compared, damaged; and sizes as people read them.

use anyhow::{Context, Result};
use jetfs::io::{FileSystem, OpenMode, RealFileSystem};
use jetfs::store::Database;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// How much is read at a time, as cp does.
const BUFFER: usize = 128 << 10;

/// The names in a directory, sorted.
pub(super) fn names_in(directory: &Path) -> Result<Vec<OsString>> {
    let names = std::fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.file_name()));
    let mut names = names.collect::<Result<Vec<_>, _>>()?;
    names.sort();
    Ok(names)
}

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

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(parse_size("2GiB"), Ok(2 << 30));
        assert_eq!(parse_size("500m"), Ok(500 << 20));
        assert!(parse_size("many").is_err() && parse_size("10").is_err());
        assert!(parse_size("99999999999999999999G").is_err());
    }
}
