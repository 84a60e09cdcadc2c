//! Names as C programs write them: ANSI (here the bytes of the system's names) and UTF-16, single and in lists
//! (external-backup.md section 3).

use super::pointers::{In, Out, Plain};
use jetfs::JetErr;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// A name in ANSI.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Ansi(In<u8>);

/// A name in UTF-16.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Wide(In<u16>);

/// Room for names in ANSI.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub(crate) struct AnsiRoom(Out<u8>);

/// Room for names in UTF-16.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub(crate) struct WideRoom(Out<u16>);

/// A name that the caller hands over.
pub(crate) trait Text: Copy {
    /// Whether there is none.
    fn is_null(self) -> bool;

    /// The name as the system has it.
    ///
    /// # Errors
    /// Null; no text.
    fn read(self) -> Result<OsString, JetErr>;

    /// A name that is not empty, as a path.
    ///
    /// # Errors
    /// Null, empty; no text.
    fn path(self) -> Result<PathBuf, JetErr> {
        match self.read()? {
            name if name.is_empty() => Err(JetErr::InvalidParameter),
            name => Ok(name.into()),
        }
    }

    /// Names, each with a zero, in so many bytes; an empty one ends them.
    ///
    /// # Errors
    /// Null; no text; the last one has no zero.
    fn list(self, bytes: u32) -> Result<Vec<String>, JetErr>;

    /// A name of something in a database.
    ///
    /// # Errors
    /// Null; no Unicode.
    fn name(self) -> Result<String, JetErr> {
        self.read()?.into_string().map_err(|_| JetErr::InvalidName)
    }
}

/// How a list that does not fit is treated, in which the two forms differ (section 3).
pub(crate) trait Room: Copy {
    type Unit: Plain;

    /// The units of a name.
    ///
    /// # Errors
    /// A name that cannot be written so.
    fn units(name: &OsStr) -> Result<Vec<Self::Unit>, JetErr>;

    /// Where they go.
    fn place(self) -> Out<Self::Unit>;

    /// A zero.
    fn zero() -> Self::Unit;

    /// What is answered of a list that does not fit: ANSI says so, UTF-16 cuts it.
    const TOO_SMALL: Option<JetErr>;
}

impl Text for Ansi {
    fn is_null(self) -> bool {
        self.0.is_null()
    }

    fn read(self) -> Result<OsString, JetErr> {
        self.0.terminated().map(OsString::from_vec)
    }

    fn list(self, bytes: u32) -> Result<Vec<String>, JetErr> {
        let text = std::str::from_utf8(self.0.slice(bytes as usize)?);
        names_in(text.map_err(|_| JetErr::InvalidName)?)
    }
}

impl Text for Wide {
    fn is_null(self) -> bool {
        self.0.is_null()
    }

    fn read(self) -> Result<OsString, JetErr> {
        let units = self.0.terminated()?;
        let text = String::from_utf16(&units).map_err(|_| JetErr::InvalidParameter)?;
        Ok(text.into())
    }

    fn list(self, bytes: u32) -> Result<Vec<String>, JetErr> {
        let units = self.0.slice(bytes as usize / size_of::<u16>())?;
        names_in(&String::from_utf16(units).map_err(|_| JetErr::InvalidName)?)
    }
}

fn names_in(text: &str) -> Result<Vec<String>, JetErr> {
    let Some((names, _)) = text.split_once("\0\0") else {
        return Err(JetErr::InvalidParameter);
    };
    Ok(names.split('\0').map(str::to_owned).collect())
}

impl Room for AnsiRoom {
    type Unit = u8;

    const TOO_SMALL: Option<JetErr> = Some(JetErr::BufferTooSmall);

    fn units(name: &OsStr) -> Result<Vec<u8>, JetErr> {
        Ok(name.as_bytes().to_vec())
    }

    fn place(self) -> Out<u8> {
        self.0
    }

    fn zero() -> u8 {
        0
    }
}

impl Room for WideRoom {
    type Unit = u16;

    const TOO_SMALL: Option<JetErr> = None;

    fn units(name: &OsStr) -> Result<Vec<u16>, JetErr> {
        let text = name.to_str().ok_or(JetErr::InvalidPath)?;
        Ok(text.encode_utf16().collect())
    }

    fn place(self) -> Out<u16> {
        self.0
    }

    fn zero() -> u16 {
        0
    }
}

/// Writes a list of names, each with a zero, and one more in the end. Answers the bytes of the whole list, and how many were
/// written.
///
/// # Errors
/// JET_errBufferTooSmall, where the form says so; then as much was written as there was room. A name that cannot be written.
pub(crate) fn put_list<'n, R: Room>(
    room: R,
    most_bytes: u32,
    names: impl Iterator<Item = &'n OsStr>,
) -> Result<Sizes, JetErr> {
    let mut units = Vec::new();
    for name in names {
        units.extend(R::units(name)?);
        units.push(R::zero());
    }
    units.push(R::zero());
    put_units(room, most_bytes, &units)
}

/// Writes a text with a zero in the end.
///
/// # Errors
/// Those of [`put_list`].
pub(crate) fn put_text<R: Room>(room: R, most_bytes: u32, text: &OsStr) -> Result<(), JetErr> {
    let mut units = R::units(text)?;
    units.push(R::zero());
    put_units(room, most_bytes, &units).map(drop)
}

/// Bytes of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) whole: u32,
    pub(crate) written: u32,
    /// The caller only asked for the size.
    pub(crate) is_query: bool,
}

fn put_units<R: Room>(room: R, most_bytes: u32, units: &[R::Unit]) -> Result<Sizes, JetErr> {
    let unit = size_of::<R::Unit>();
    let bytes = |count: usize| u32::try_from(count * unit).map_err(|_| JetErr::InvalidParameter);
    let place = room.place();
    let most = usize::try_from(most_bytes).unwrap_or(usize::MAX) / unit;
    let is_query = place.is_null() || (most_bytes == 0 && R::TOO_SMALL.is_some());
    let count = if is_query { 0 } else { most.min(units.len()) };
    let (written, _) = units.split_at(count);
    place.slice(count)?.copy_from_slice(written);
    if !is_query
        && count < units.len()
        && let Some(code) = R::TOO_SMALL
    {
        return Err(code);
    }
    Ok(Sizes {
        whole: bytes(units.len())?,
        written: bytes(count)?,
        is_query,
    })
}
