//! GUIDs in the order in which Windows keeps them in memory (database-file.md section 7.4).

use std::fmt;

/// The 16 bytes of a GUID: three little-endian groups, then eight single bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Guid(pub [u8; 16]);

impl fmt::Display for Guid {
    /// `{00112233-4455-6677-8899-aabbccddeeff}`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a0, a1, a2, a3, b0, b1, c0, c1, d0, d1, rest @ ..] = self.0;
        write!(
            f,
            "{{{:08x}-{:04x}-{:04x}-{d0:02x}{d1:02x}-",
            u32::from_le_bytes([a0, a1, a2, a3]),
            u16::from_le_bytes([b0, b1]),
            u16::from_le_bytes([c0, c1]),
        )?;
        rest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::Guid;

    #[test]
    fn the_first_three_groups_are_little_endian() {
        let bytes = std::array::from_fn(|index| u8::try_from(index).unwrap());
        assert_eq!(Guid(bytes).to_string(), "{03020100-0504-0706-0809-0a0b0c0d0e0f}");
    }
}
