//! Little-endian fields by offset, with an error that names the structure when the bytes run out.

use super::error::{FormatError, Problem, Structure};

/// The bytes of a structure. Offsets are from its start.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    structure: Structure,
}

impl<'a> Fields<'a> {
    /// Names the structure that `bytes` hold.
    #[inline]
    pub fn new(structure: Structure, bytes: &'a [u8]) -> Self {
        Fields { bytes, structure }
    }

    /// How many bytes there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// `len` bytes at `offset`.
    #[inline]
    pub fn slice(&self, offset: usize, len: usize) -> Result<&'a [u8], FormatError> {
        offset
            .checked_add(len)
            .and_then(|end| self.bytes.get(offset..end))
            .ok_or_else(|| self.truncated(offset, len))
    }

    /// All bytes from `offset` on.
    #[inline]
    pub fn from(&self, offset: usize) -> Result<&'a [u8], FormatError> {
        self.bytes.get(offset..).ok_or_else(|| self.truncated(offset, 0))
    }

    /// `N` bytes at `offset`.
    #[inline]
    pub fn array<const N: usize>(&self, offset: usize) -> Result<[u8; N], FormatError> {
        self.slice(offset, N)?
            .try_into()
            .map_err(|_| self.truncated(offset, N))
    }

    /// One byte.
    #[inline]
    pub fn u8(&self, offset: usize) -> Result<u8, FormatError> {
        self.array::<1>(offset).map(|[byte]| byte)
    }

    /// A little-endian `u16`.
    #[inline]
    pub fn u16(&self, offset: usize) -> Result<u16, FormatError> {
        self.array(offset).map(u16::from_le_bytes)
    }

    /// A little-endian `u32`.
    #[inline]
    pub fn u32(&self, offset: usize) -> Result<u32, FormatError> {
        self.array(offset).map(u32::from_le_bytes)
    }

    /// A little-endian `i16`.
    pub fn i16(&self, offset: usize) -> Result<i16, FormatError> {
        self.array(offset).map(i16::from_le_bytes)
    }

    /// A little-endian `i32`.
    pub fn i32(&self, offset: usize) -> Result<i32, FormatError> {
        self.array(offset).map(i32::from_le_bytes)
    }

    /// A little-endian `u64`.
    #[inline]
    pub fn u64(&self, offset: usize) -> Result<u64, FormatError> {
        self.array(offset).map(u64::from_le_bytes)
    }

    /// A little-endian `i64`.
    pub fn i64(&self, offset: usize) -> Result<i64, FormatError> {
        self.array(offset).map(i64::from_le_bytes)
    }

    /// A big-endian `u32`, as keys have them.
    pub fn u32_be(&self, offset: usize) -> Result<u32, FormatError> {
        self.array(offset).map(u32::from_be_bytes)
    }

    /// The error of a field of `needed` bytes at `offset` that is not all there.
    #[cold]
    pub fn truncated(&self, offset: usize, needed: usize) -> FormatError {
        let available = self.bytes.len().saturating_sub(offset);
        FormatError::new(self.structure, offset, Problem::Truncated { needed, available })
    }

    /// The error of a field with a value that the format does not allow.
    pub fn bad(
        &self,
        offset: usize,
        field: &'static str,
        value: impl Into<u64>,
        expected: &'static str,
    ) -> FormatError {
        FormatError::field(self.structure, offset, field, value, expected)
    }
}

/// How many leading bytes two strings have in common.
#[inline]
pub(crate) fn common_len(left: &[u8], right: &[u8]) -> usize {
    let (left_words, right_words) = (left.as_chunks::<8>().0, right.as_chunks::<8>().0);
    let same = left_words
        .iter()
        .zip(right_words)
        .take_while(|(left, right)| left == right)
        .count();
    let start = 8 * same;
    let (left, right) = (left.get(start..), right.get(start..));
    let pairs = left.into_iter().flatten().zip(right.into_iter().flatten());
    start + pairs.take_while(|(left, right)| left == right).count()
}

/// Writes `field` at `offset` of a buffer whose size the caller chose to hold it.
///
/// A field outside the buffer is a defect of the caller; it is caught in debug builds and dropped in release.
pub fn put(buffer: &mut [u8], offset: usize, field: &[u8]) {
    let target = offset
        .checked_add(field.len())
        .and_then(|end| buffer.get_mut(offset..end));
    debug_assert!(
        target.is_some(),
        "a field of {} bytes at {offset} is outside the buffer",
        field.len()
    );
    if let Some(target) = target {
        target.copy_from_slice(field);
    }
}

#[cfg(test)]
mod tests {
    use super::common_len;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_two_strings_have_in_common_ends_where_they_differ(
            common in vec(0u8..3, 0..30), left in vec(0u8..3, 0..4), right in vec(0u8..3, 0..4),
        ) {
            let (left, right) = ([&common[..], &left].concat(), [&common[..], &right].concat());
            let len = common_len(&left, &right);
            prop_assert_eq!(&left[..len], &right[..len]);
            prop_assert!(left.get(len).is_none() || left.get(len) != right.get(len));
        }
    }
}
