//! Text in the code pages that columns may have: 1252 and 1200 (database-file.md section 7.4).

/// The code page of UTF-16LE.
pub const CODE_PAGE_UNICODE: u16 = 1200;
/// The code page of Western European Windows; names in the catalog have it.
pub const CODE_PAGE_WESTERN: u16 = 1252;

/// Text as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Text {
    /// The bytes, without a terminator.
    pub bytes: Vec<u8>,
    /// The code page: 1200, else taken for 1252.
    pub code_page: u16,
}

impl Text {
    /// The text; what cannot be decoded becomes U+FFFD.
    pub fn decode(&self) -> String {
        if self.code_page == CODE_PAGE_UNICODE {
            decode_utf16(&self.bytes)
        } else {
            decode_western(&self.bytes)
        }
    }

    /// The text as a column of this code page stores it: 1200, else taken for 1252. `None` if the code page lacks a
    /// character.
    pub fn encode(text: &str, code_page: u16) -> Option<Text> {
        let bytes = if code_page == CODE_PAGE_UNICODE {
            text.encode_utf16().flat_map(u16::to_le_bytes).collect()
        } else {
            text.chars().map(encode_western).collect::<Option<_>>()?
        };
        Some(Text { bytes, code_page })
    }
}

/// 0x80 to 0x9F of code page 1252; the rest are the first 256 characters of Unicode.
const UPPER_CONTROLS: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

fn encode_western(character: char) -> Option<u8> {
    let byte = u8::try_from(u32::from(character)).ok();
    let special = || {
        let index = UPPER_CONTROLS.iter().position(|&special| special == character)?;
        u8::try_from(0x80 + index).ok()
    };
    byte.filter(|byte| !(0x80..0xa0).contains(byte)).or_else(special)
}

fn decode_utf16(bytes: &[u8]) -> String {
    let (units, odd) = bytes.as_chunks::<2>();
    let units = units.iter().copied().map(u16::from_le_bytes);
    let mut text: String = char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    text.extend(odd.iter().map(|_| char::REPLACEMENT_CHARACTER));
    text
}

/// Decodes code page 1252. Its five undefined bytes become the control characters of the same number, as in Windows.
pub fn decode_western(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|&byte| {
            let special = usize::from(byte)
                .checked_sub(0x80)
                .and_then(|index| UPPER_CONTROLS.get(index));
            special.copied().unwrap_or(char::from(byte))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_code_pages_decode() {
        assert_eq!(decode_western(b"na\xefve \x80\x99 \x81"), "naïve €™ \u{81}");
        let text = Text {
            bytes: vec![0x3d, 0xd8, 0x00, 0xde, 0x41, 0, 0x00, 0xd8, 0x42],
            code_page: CODE_PAGE_UNICODE,
        };
        assert_eq!(text.decode(), "😀A\u{fffd}\u{fffd}");
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        for text in ["naïve €™ \u{81}", "ÿ\u{a0}", ""] {
            for code_page in [CODE_PAGE_UNICODE, CODE_PAGE_WESTERN] {
                assert_eq!(Text::encode(text, code_page).unwrap().decode(), text);
            }
        }
        assert!(Text::encode("\u{80}", CODE_PAGE_WESTERN).is_none());
        assert!(Text::encode("😀", CODE_PAGE_WESTERN).is_none());
        assert_eq!(Text::encode("😀", CODE_PAGE_UNICODE).unwrap().bytes.len(), 4);
    }
}
