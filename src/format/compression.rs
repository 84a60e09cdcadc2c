//! Compressed values: 7-bit ASCII and Unicode, XPRESS and LZ4 blocks (database-file.md section 7.5, MS-XCA
//! section 2.4).
//!
//! The output never grows beyond what the caller allows or the value announces.

mod encode;

use super::bytes::Fields;
use super::error::{FormatError, Structure};
pub use encode::{compress, compress_chunk};

/// The scheme, from the upper five bits of a compressed value's first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompressionScheme {
    /// 7 bits a character.
    Ascii7,
    /// 7 bits a UTF-16 unit.
    Unicode7,
    /// Plain LZ77.
    Xpress,
    /// The value was destroyed on purpose.
    Scrubbed,
    /// Only in Exchange.
    Xpress9,
    /// Only with special hardware.
    Xpress10,
    /// Since update 210.
    Lz4,
}

impl CompressionScheme {
    /// The scheme of a value that begins with `first`.
    pub fn of(first: u8) -> Option<Self> {
        Some(match first >> 3 {
            1 => CompressionScheme::Ascii7,
            2 => CompressionScheme::Unicode7,
            3 => CompressionScheme::Xpress,
            4 => CompressionScheme::Scrubbed,
            5 => CompressionScheme::Xpress9,
            6 => CompressionScheme::Xpress10,
            7 => CompressionScheme::Lz4,
            _ => return None,
        })
    }

    /// The first byte of a value, but for its lower three bits.
    fn first_byte(self) -> u8 {
        (match self {
            CompressionScheme::Ascii7 => 1,
            CompressionScheme::Unicode7 => 2,
            CompressionScheme::Xpress => 3,
            CompressionScheme::Scrubbed => 4,
            CompressionScheme::Xpress9 => 5,
            CompressionScheme::Xpress10 => 6,
            CompressionScheme::Lz4 => 7,
        }) << 3
    }
}

/// Decompresses a value, to at most `limit` bytes.
pub fn decompress(value: &[u8], limit: usize) -> Result<Vec<u8>, FormatError> {
    let fields = Fields::new(Structure::CompressedValue, value);
    let first = fields.u8(0)?;
    let plain = match CompressionScheme::of(first) {
        Some(CompressionScheme::Ascii7) => seven_bit(value, first & 7).collect(),
        Some(CompressionScheme::Unicode7) => seven_bit(value, first & 7).flat_map(|unit| [unit, 0]).collect(),
        Some(CompressionScheme::Xpress) => {
            let size = usize::from(fields.u16(1)?);
            xpress(fields.from(3)?, within(size, limit)?)?
        }
        Some(CompressionScheme::Lz4) => {
            let size = within(usize::from(fields.u16(1)?), limit)?;
            let plain = lz4_flex::block::decompress(fields.from(3)?, size);
            plain.map_err(|problem| error(3, format!("is no LZ4 block: {problem}")))?
        }
        Some(scheme) => return Err(error(0, format!("the scheme {scheme:?} cannot be decompressed"))),
        None => return Err(fields.bad(0, "compression scheme", first, "0x08 to 0x3f")),
    };
    within(plain.len(), limit)?;
    Ok(plain)
}

fn within(size: usize, limit: usize) -> Result<usize, FormatError> {
    if size <= limit {
        return Ok(size);
    }
    Err(error(
        0,
        format!("decompresses to {size} bytes, where at most {limit} are expected"),
    ))
}

fn error(offset: usize, what: impl Into<std::borrow::Cow<'static, str>>) -> FormatError {
    FormatError::other(Structure::CompressedValue, offset, what)
}

/// The 7-bit units after the first byte; `last_bits` + 1 bits of the last byte are used.
fn seven_bit(value: &[u8], last_bits: u8) -> impl Iterator<Item = u8> {
    let body = value.get(1..).unwrap_or_default();
    let bits = (body.len() * 8).saturating_sub(7 - usize::from(last_bits));
    (0..bits / 7).map(move |index| {
        let (byte, shift) = (index * 7 / 8, index * 7 % 8);
        let at = |i: usize| u16::from(body.get(i).copied().unwrap_or(0));
        let [unit, _] = (((at(byte) | at(byte + 1) << 8) >> shift) & 0x7f).to_le_bytes();
        unit
    })
}

/// Plain LZ77: 32 flags, then as many literals (0) and matches (1), until `size` bytes are there.
fn xpress(input: &[u8], size: usize) -> Result<Vec<u8>, FormatError> {
    let mut reader = XpressReader {
        input: Fields::new(Structure::CompressedValue, input),
        at: 0,
        half_byte: None,
    };
    let mut plain = Vec::with_capacity(size);
    let (mut flags, mut flags_left) = (0u32, 0);
    while plain.len() < size {
        if flags_left == 0 {
            flags = reader.u32()?;
            flags_left = 32;
        }
        flags_left -= 1;
        if flags >> flags_left & 1 == 0 {
            plain.push(reader.u8()?);
        } else {
            let (distance, length) = reader.match_of()?;
            if plain.len() + length > size {
                return Err(error(reader.at, "a match goes beyond the announced size"));
            }
            copy_back(&mut plain, distance, length)
                .ok_or_else(|| error(reader.at, "a match begins before the value"))?;
        }
    }
    Ok(plain)
}

/// Appends `length` bytes from `distance` bytes back; the two may overlap.
fn copy_back(plain: &mut Vec<u8>, distance: usize, length: usize) -> Option<()> {
    let from = plain.len().checked_sub(distance)?;
    for index in from..from + length {
        plain.push(*plain.get(index)?);
    }
    Some(())
}

struct XpressReader<'a> {
    input: Fields<'a>,
    at: usize,
    /// Where the byte stands whose upper half is the next match's length.
    half_byte: Option<usize>,
}

impl XpressReader<'_> {
    fn u8(&mut self) -> Result<u8, FormatError> {
        let value = self.input.u8(self.at)?;
        self.at += 1;
        Ok(value)
    }

    fn u16(&mut self) -> Result<u16, FormatError> {
        let value = self.input.u16(self.at)?;
        self.at += 2;
        Ok(value)
    }

    fn u32(&mut self) -> Result<u32, FormatError> {
        let value = self.input.u32(self.at)?;
        self.at += 4;
        Ok(value)
    }

    /// Distance and length of a match.
    fn match_of(&mut self) -> Result<(usize, usize), FormatError> {
        let word = self.u16()?;
        let distance = usize::from(word >> 3) + 1;
        let mut length = usize::from(word & 7);
        if length == 7 {
            length += self.half_length()?;
            if length == 7 + 15 {
                length = self.long_length()?;
            }
        }
        Ok((distance, length + 3))
    }

    fn half_length(&mut self) -> Result<usize, FormatError> {
        if let Some(at) = self.half_byte.take() {
            return Ok(usize::from(self.input.u8(at)? >> 4));
        }
        self.half_byte = Some(self.at);
        Ok(usize::from(self.u8()? & 0xf))
    }

    /// A length of 22 or more: as a byte above 22, or in full in two or four bytes.
    fn long_length(&mut self) -> Result<usize, FormatError> {
        let byte = self.u8()?;
        if byte != 0xff {
            return Ok(usize::from(byte) + 22);
        }
        let length = match self.u16()? {
            0 => self.u32()?,
            word => u32::from(word),
        };
        usize::try_from(length)
            .ok()
            .filter(|&length| length >= 22 && length <= usize::from(u16::MAX))
            .ok_or_else(|| error(self.at, "the length of a match is impossible"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seven_bit_text_unfolds() {
        let value = [0x0f, 0xe1, 0x70, 0x38, 0x1c, 0x0e, 0x87, 0xc3];
        assert_eq!(decompress(&value, 8).unwrap(), b"aaaaaaaa");
        let unicode = [0x17, 0xe1, 0x70, 0x38, 0x1c, 0x0e, 0x87, 0xc3];
        assert_eq!(decompress(&unicode, 16).unwrap(), b"a\0".repeat(8));
    }

    #[test]
    fn the_caller_bounds_the_output() {
        let value = [0x0f, 0xe1, 0x70, 0x38, 0x1c, 0x0e, 0x87, 0xc3];
        assert!(decompress(&value, 7).is_err());
        assert!(decompress(&[0x18, 0xff, 0xff, 0, 0, 0, 0], 100).is_err());
    }

    /// The examples of MS-XCA section 3.1, with the engine's three bytes before them.
    #[test]
    fn xpress_unfolds_literals_and_matches() {
        let mut value = vec![0x18, 26, 0, 0x3f, 0, 0, 0];
        value.extend(b"abcdefghijklmnopqrstuvwxyz");
        assert_eq!(decompress(&value, 26).unwrap(), b"abcdefghijklmnopqrstuvwxyz");
        let repeated = [
            0x18, 0x2c, 0x01, 0xff, 0xff, 0xff, 0x1f, b'a', b'b', b'c', 0x17, 0x00, 0x0f, 0xff, 0x26, 0x01,
        ];
        assert_eq!(decompress(&repeated, 300).unwrap(), b"abc".repeat(100));
    }

    /// One literal run and one match, from the description of the LZ4 block format.
    #[test]
    fn lz4_blocks_unfold() {
        let value = [0x38, 17, 0, 0x38, b'a', b'b', b'c', 3, 0, 0x20, b'x', b'y'];
        assert_eq!(decompress(&value, 17).unwrap(), b"abcabcabcabcabcxy");
        assert!(decompress(&value, 16).is_err());
        assert!(decompress(&[0x38, 9, 0, 0x38, b'a', b'b', b'c', 9, 0], 9).is_err());
    }

    #[test]
    fn a_scheme_that_is_not_supported_is_named() {
        let message = decompress(&[0x30, 0, 0], 100).unwrap_err().to_string();
        assert!(message.contains("Xpress10"), "{message}");
    }

    #[test]
    fn no_bytes_make_decompression_panic_or_overflow_its_bound() {
        use proptest::prelude::*;
        proptest!(|(bytes: Vec<u8>, limit in 0usize..70_000)| {
            if let Ok(plain) = decompress(&bytes, limit) {
                prop_assert!(plain.len() <= limit);
            }
            for scheme in [0x18, 0x38] {
                let mut forced = vec![scheme, 0xff, 0x3f];
                forced.extend(&bytes);
                let _ = decompress(&forced, limit);
            }
        });
    }
}
