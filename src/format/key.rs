//! Keys: column values turned into bytes whose order is the values' order (database-file.md section 9).
//!
//! Unicode text is refused: its sort keys are Windows' own, and an index with other keys would be silently wrong.

use super::column_type::ColumnType;
use super::error::{FormatError, Structure};
use super::text::CODE_PAGE_UNICODE;

/// Prefix of a NULL segment.
const NULL: u8 = 0x00;
/// Prefix of a NULL segment where NULLs come last.
const NULL_HIGH: u8 = 0xc0;
/// Prefix of a zero-length variable or tagged text or binary.
const ZERO_LENGTH: u8 = 0x40;
/// Prefix of any other value.
const VALUE: u8 = 0x7f;
/// Marker after a full group of a variable binary that goes on.
const GROUP_CONTINUES: u8 = 0x09;
/// Bytes of a group of a variable binary.
const GROUP_LEN: usize = 8;
/// Code page of UTF-16LE text.
pub const UNICODE: u16 = CODE_PAGE_UNICODE;
/// Maximum key length of an index whose catalog entry names none (`JET_cbKeyMost_OLD`).
pub const DEFAULT_KEY_MOST: u16 = 255;

/// What the key of an index depends on beside the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRules {
    /// `KeyMost`: the longest key in bytes.
    pub key_most: u16,
    /// `VarSegMac`: the longest segment of text or binary, fixed or not; no limit of its own if not smaller than
    /// `key_most`. What follows a segment that it cut is still appended.
    pub variable_segment_most: u16,
    /// NULLs come last.
    pub nulls_high: bool,
    /// GUIDs sort as .NET sorts them.
    pub dot_net_guid: bool,
    /// A key that would be cut is an error.
    pub refuse_truncation: bool,
}

impl Default for KeyRules {
    fn default() -> Self {
        KeyRules {
            key_most: DEFAULT_KEY_MOST,
            variable_segment_most: DEFAULT_KEY_MOST,
            nulls_high: false,
            dot_net_guid: false,
            refuse_truncation: false,
        }
    }
}

/// A segment of a key: what it depends on beside the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySegment {
    /// The column's type.
    pub kind: ColumnType,
    /// Whether it is a fixed column (ids below 128): fixed Binary has no groups.
    pub is_fixed: bool,
    /// The column's code page; matters for text.
    pub code_page: u16,
    /// Whether larger values come first.
    pub descending: bool,
}

/// A key that grows by segments.
#[derive(Debug, Clone)]
pub struct KeyWriter {
    rules: KeyRules,
    bytes: Vec<u8>,
    is_cut: bool,
}

impl KeyWriter {
    /// An empty key.
    pub fn new(rules: KeyRules) -> Self {
        KeyWriter {
            rules,
            bytes: Vec::new(),
            is_cut: false,
        }
    }

    /// Appends a segment: `value` as the record stores it, `None` for NULL. After a cut nothing is appended.
    ///
    /// Errors: Unicode text, a value whose length its type does not allow, and a cut where the rules refuse it.
    pub fn push(&mut self, segment: KeySegment, value: Option<&[u8]>) -> Result<(), FormatError> {
        let room = usize::from(self.rules.key_most).saturating_sub(self.bytes.len());
        let limit = if segment.kind.fixed_len().is_none() {
            room.min(usize::from(self.rules.variable_segment_most))
        } else {
            room
        };
        let start = self.bytes.len();
        match value {
            None if self.rules.nulls_high => self.bytes.push(NULL_HIGH),
            None => self.bytes.push(NULL),
            Some(value) => self.normalise(segment, value, limit)?,
        }
        // What VarSegMac cuts was meant to be cut.
        if self.bytes.len() - start > limit && limit == room {
            if self.rules.refuse_truncation {
                self.bytes.truncate(start);
                return Err(error("key is longer than the index allows"));
            }
            self.is_cut = true;
        }
        self.bytes.truncate(start + limit);
        if segment.descending {
            let new = self.bytes.iter_mut().skip(start);
            new.for_each(|byte| *byte = !*byte);
        }
        Ok(())
    }

    /// The bytes so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the key did not fit; what VarSegMac cuts does not count.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The key.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends prefix and data of a value; more than `limit` bytes if it does not fit.
    fn normalise(&mut self, segment: KeySegment, value: &[u8], limit: usize) -> Result<(), FormatError> {
        let key = &mut self.bytes;
        // Most values have no more than this many bytes in a key.
        key.reserve(limit.min(value.len() + value.len() / GROUP_LEN + GROUP_LEN + 2));
        match segment.kind {
            _ if segment.is_unicode() => {
                return Err(error("Unicode text has no key without Windows' sort keys"));
            }
            _ if value.is_empty() && segment.is_variable_length() => key.push(ZERO_LENGTH),
            ColumnType::Text | ColumnType::LongText => text(key, value, limit),
            ColumnType::Binary if segment.is_fixed => {
                key.push(VALUE);
                key.extend_from_slice(value);
            }
            ColumnType::Binary | ColumnType::LongBinary => groups(key, value, limit),
            kind => number(key, kind, value, self.rules.dot_net_guid)?,
        }
        Ok(())
    }
}

impl KeySegment {
    /// Whether its values are Unicode text, whose keys only Windows can make.
    pub fn is_unicode(self) -> bool {
        self.kind.is_text() && self.code_page == UNICODE
    }

    fn is_variable_length(self) -> bool {
        self.kind.fixed_len().is_none() && !self.is_fixed
    }
}

/// Text in an 8-bit code page: ASCII letters in upper case, up to the first NUL.
fn text(key: &mut Vec<u8>, value: &[u8], limit: usize) {
    let value = value.split(|&byte| byte == 0).next().unwrap_or_default();
    let start = key.len();
    key.push(VALUE);
    key.extend(value.iter().map(u8::to_ascii_uppercase));
    key.push(0);
    if key.len() - start > limit && limit >= 2 {
        // The engine's habit: the last byte that fits is moved to upper case whatever it is (section 9).
        if let (Some(last), Some(byte)) = (key.get_mut(start + limit - 1), value.get(limit - 2)) {
            *last = byte.wrapping_sub(b'a' - b'A');
        }
    }
}

/// Variable binary: groups of eight bytes, each with a marker. Only as many groups as can fit are made.
fn groups(key: &mut Vec<u8>, value: &[u8], limit: usize) {
    let start = key.len();
    key.push(VALUE);
    let mut rest = value;
    while key.len() - start <= limit {
        let (group, after) = rest.split_at(rest.len().min(GROUP_LEN));
        key.extend_from_slice(group);
        if after.is_empty() {
            key.resize(key.len() + GROUP_LEN - group.len(), 0);
            key.push(u8::try_from(group.len()).unwrap_or_default());
            break;
        }
        key.push(GROUP_CONTINUES);
        rest = after;
    }
}

/// Types whose values all have one length.
fn number(key: &mut Vec<u8>, kind: ColumnType, value: &[u8], dot_net_guid: bool) -> Result<(), FormatError> {
    if kind.fixed_len() != Some(value.len()) {
        return Err(error(
            "a value in a key has a length that its type does not allow",
        ));
    }
    key.push(VALUE);
    if kind == ColumnType::Guid {
        guid(key, value, dot_net_guid);
        return Ok(());
    }
    let start = key.len();
    key.extend(value.iter().rev());
    let data = key.get_mut(start..).unwrap_or_default();
    match kind {
        ColumnType::Bit => data
            .iter_mut()
            .for_each(|byte| *byte = if *byte == 0 { 0 } else { 0xff }),
        ColumnType::Short | ColumnType::Long | ColumnType::LongLong | ColumnType::Currency => {
            flip_sign(data);
        }
        ColumnType::IeeeSingle | ColumnType::IeeeDouble | ColumnType::DateTime => {
            if data.first().is_some_and(|byte| byte & 0x80 != 0) {
                data.iter_mut().for_each(|byte| *byte = !*byte);
            } else {
                flip_sign(data);
            }
        }
        _ => {}
    }
    Ok(())
}

fn flip_sign(big_endian: &mut [u8]) {
    if let Some(first) = big_endian.first_mut() {
        *first ^= 0x80;
    }
}

fn guid(key: &mut Vec<u8>, value: &[u8], dot_net: bool) {
    const DEFAULT: [usize; 16] = [10, 11, 12, 13, 14, 15, 8, 9, 6, 7, 4, 5, 0, 1, 2, 3];
    const DOT_NET: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let order = if dot_net { DOT_NET } else { DEFAULT };
    key.extend(order.iter().filter_map(|&at| value.get(at)));
}

fn error(what: &'static str) -> FormatError {
    FormatError::other(Structure::Key, 0, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn segment(kind: ColumnType) -> KeySegment {
        KeySegment {
            kind,
            is_fixed: false,
            code_page: 1252,
            descending: false,
        }
    }

    fn key(kind: ColumnType, value: &[u8]) -> Vec<u8> {
        key_by(KeyRules::default(), segment(kind), Some(value))
    }

    fn key_by(rules: KeyRules, segment: KeySegment, value: Option<&[u8]>) -> Vec<u8> {
        let mut writer = KeyWriter::new(rules);
        writer.push(segment, value).unwrap();
        writer.finish()
    }

    /// The examples of section 9, some of them from genuine files.
    #[test]
    fn values_become_the_keys_of_the_specification() {
        assert_eq!(key(ColumnType::Long, &8i32.to_le_bytes()), [0x7f, 0x80, 0, 0, 8]);
        assert_eq!(
            key(ColumnType::Long, &(-1i32).to_le_bytes()),
            [0x7f, 0x7f, 0xff, 0xff, 0xff]
        );
        assert_eq!(key(ColumnType::Short, &2i16.to_le_bytes()), [0x7f, 0x80, 2]);
        assert_eq!(
            key(ColumnType::Text, b"basic"),
            [0x7f, 0x42, 0x41, 0x53, 0x49, 0x43, 0]
        );
        let name: Vec<u8> = ".Schema\\External\\Major\0"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let expected = "7f2e005300630068000965006d0061005c000945007800740065000972006e0061006c00095c004d0061006a0009\
                        6f0072000000000006";
        let hex: String = key(ColumnType::Binary, &name)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hex, expected);
    }

    #[test]
    fn null_empty_and_descending_have_their_own_bytes() {
        let rules = KeyRules::default();
        assert_eq!(key_by(rules, segment(ColumnType::Long), None), [0]);
        let high = KeyRules {
            nulls_high: true,
            ..rules
        };
        assert_eq!(key_by(high, segment(ColumnType::Long), None), [0xc0]);
        assert_eq!(key(ColumnType::Binary, b""), [0x40]);
        let down = KeySegment {
            descending: true,
            ..segment(ColumnType::Short)
        };
        assert_eq!(key_by(rules, down, Some(&[2, 0])), [0x80, 0x7f, 0xfd]);
    }

    #[test]
    fn unicode_text_is_refused() {
        let unicode = KeySegment {
            code_page: UNICODE,
            ..segment(ColumnType::Text)
        };
        assert!(
            KeyWriter::new(KeyRules::default())
                .push(unicode, Some(b"a\0"))
                .is_err()
        );
    }

    #[test]
    fn a_binary_cut_inside_a_group_ends_without_marker() {
        let rules = KeyRules {
            key_most: 12,
            variable_segment_most: 12,
            ..KeyRules::default()
        };
        let mut writer = KeyWriter::new(rules);
        writer
            .push(segment(ColumnType::Binary), Some(b"0123456789abcdef"))
            .unwrap();
        assert!(writer.is_cut());
        assert_eq!(writer.finish(), b"\x7f01234567\x0989");
        let strict = KeyRules {
            refuse_truncation: true,
            ..rules
        };
        assert!(
            KeyWriter::new(strict)
                .push(segment(ColumnType::Binary), Some(b"0123456789abcdef"))
                .is_err()
        );
    }

    #[test]
    fn cut_text_ends_in_a_byte_lowered_by_32() {
        let rules = KeyRules {
            key_most: 4,
            variable_segment_most: 4,
            ..KeyRules::default()
        };
        assert_eq!(
            key_by(rules, segment(ColumnType::Text), Some(b"ab1d")),
            [0x7f, b'A', b'B', b'1' - 0x20]
        );
        assert_eq!(
            key_by(rules, segment(ColumnType::Text), Some(b"ab")),
            [0x7f, b'A', b'B', 0]
        );
    }

    proptest! {
        #[test]
        fn keys_order_as_the_values_do(a: i64, b: i64, c: f64, d: f64, e: Vec<u8>, f: Vec<u8>) {
            let long = |value: i64| key(ColumnType::LongLong, &value.to_le_bytes());
            prop_assert_eq!(a.cmp(&b), long(a).cmp(&long(b)));
            let double = |value: f64| key(ColumnType::IeeeDouble, &value.to_le_bytes());
            prop_assert_eq!(c.total_cmp(&d), double(c).cmp(&double(d)));
            let rules = KeyRules { key_most: 2000, variable_segment_most: 2000, ..KeyRules::default() };
            let binary = |value: &[u8]| key_by(rules, segment(ColumnType::Binary), Some(value));
            prop_assert_eq!(e.cmp(&f), binary(&e).cmp(&binary(&f)));
        }
    }
}
