//! Compressing values as the genuine engine of this format does: 7-bit text, or XPRESS (`ErrLVITryCompress`,
//! `CDataCompressor::ErrCompress`; database-file.md section 7.5, MS-XCA section 2.3).

use super::CompressionScheme;

/// Bytes of the shortest value that is tried with XPRESS (`JET_paramMinDataForXpress`).
const XPRESS_LEAST: usize = 1024;
/// Bytes of the shortest value whose bytes are counted before it is tried (`cbMinChiSquared`).
const COUNTED_LEAST: usize = 128;
/// Bytes of it that are counted (`cbChiSquaredSample`).
const COUNTED_MOST: usize = 1024;
/// How far the bytes must be from equally frequent, as chi squared (`dChiSquaredThreshold`).
const UNEVEN: u64 = 500;

/// Compresses a value that stands in the record, of a column that asks for it. `None`: it stays plain, since it would not
/// get shorter, or since its bytes are so evenly distributed that it is not tried.
pub fn compress(plain: &[u8]) -> Option<Vec<u8>> {
    if plain.len() >= COUNTED_LEAST && !is_uneven(plain) {
        return None;
    }
    let xpress = xpress_if_shorter(plain);
    let is_best = |value: &Vec<u8>| value.len() <= seven_bit_len(plain.len() / 2);
    if xpress.as_ref().is_some_and(is_best) {
        return xpress;
    }
    let seven_bit = unicode(plain).or_else(|| if xpress.is_none() { ascii(plain) } else { None });
    let seven_bit = seven_bit.filter(|value| value.len() < plain.len());
    seven_bit.or(xpress)
}

/// Compresses a chunk of a long value, of a column that asks for it, as [`compress`] does, but never as 7-bit text, which
/// the genuine engine does and libesedb takes for plain bytes there.
pub fn compress_chunk(plain: &[u8]) -> Option<Vec<u8>> {
    is_uneven(plain).then(|| xpress_if_shorter(plain)).flatten()
}

fn xpress_if_shorter(plain: &[u8]) -> Option<Vec<u8>> {
    let value = (plain.len() >= XPRESS_LEAST).then(|| xpress(plain)).flatten();
    value.filter(|value| value.len() < plain.len())
}

/// Whether some bytes are much more frequent than others at the beginning of a value.
fn is_uneven(plain: &[u8]) -> bool {
    let sample = plain.get(..COUNTED_MOST).unwrap_or(plain);
    let mut counts = [0u64; 256];
    for byte in sample {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    // Chi squared is 256 / len * the sum of squares - len.
    let len = u64::try_from(sample.len()).unwrap_or(u64::MAX);
    let squares: u64 = counts.iter().map(|count| count * count).sum();
    256 * squares >= (UNEVEN + len) * len
}

fn ascii(plain: &[u8]) -> Option<Vec<u8>> {
    plain
        .is_ascii()
        .then(|| seven_bit(CompressionScheme::Ascii7, plain.iter().copied()))
}

/// UTF-16 units below 0x80.
fn unicode(plain: &[u8]) -> Option<Vec<u8>> {
    let (units, rest) = plain.as_chunks::<2>();
    let is_short = |[low, high]: &[u8; 2]| *high == 0 && low.is_ascii();
    (rest.is_empty() && units.iter().all(is_short))
        .then(|| seven_bit(CompressionScheme::Unicode7, units.iter().map(|[low, _]| *low)))
}

/// Bytes of so many 7-bit units, with the first byte.
fn seven_bit_len(units: usize) -> usize {
    (units * 7).div_ceil(8) + 1
}

fn seven_bit(scheme: CompressionScheme, units: impl ExactSizeIterator<Item = u8>) -> Vec<u8> {
    let count = units.len();
    let mut value = vec![0; seven_bit_len(count)];
    for (index, unit) in units.enumerate() {
        let (byte, shift) = (1 + index * 7 / 8, index * 7 % 8);
        let [low, high] = (u16::from(unit) << shift).to_le_bytes();
        for (at, bits) in [(byte, low), (byte + 1, high)] {
            if let Some(place) = value.get_mut(at) {
                *place |= bits;
            }
        }
    }
    let last_bits = (count * 7 + 7) % 8;
    if let Some(first) = value.first_mut() {
        *first = scheme.first_byte() | u8::try_from(last_bits).unwrap_or(0);
    }
    value
}

/// Furthest and shortest matches of plain LZ77.
const WINDOW: usize = 1 << 13;
const MATCH_LEAST: usize = 3;
/// Positions that are looked at for a match.
const TRIED: usize = 8;
/// A length from which on the search ends.
const LONG_ENOUGH: usize = 64;

/// `None`: longer than the size field can say.
fn xpress(plain: &[u8]) -> Option<Vec<u8>> {
    let size = u16::try_from(plain.len()).ok()?;
    let mut writer = XpressWriter::new(size);
    let mut matches = Matches::new(plain);
    let mut at = 0;
    while let Some(literal) = plain.get(at) {
        let length = match matches.longest(at) {
            Some((distance, length)) => {
                writer.put_match(distance, length);
                length
            }
            None => {
                writer.put_literal(*literal);
                1
            }
        };
        matches.pass(at, length);
        at += length;
    }
    Some(writer.finish())
}

/// Where three bytes stood before.
struct Matches<'p> {
    plain: &'p [u8],
    /// The last position of each hash, and of each position the one before with the same hash; counted from 1, 0 for none.
    last: Vec<u16>,
    before: Vec<u16>,
}

impl<'p> Matches<'p> {
    const HASHES: usize = 1 << 12;

    fn new(plain: &'p [u8]) -> Self {
        Matches {
            plain,
            last: vec![0; Self::HASHES],
            before: vec![0; plain.len()],
        }
    }

    fn hash(&self, at: usize) -> Option<usize> {
        let bytes: &[u8; MATCH_LEAST] = self.plain.get(at..)?.first_chunk()?;
        let word = bytes.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
        usize::try_from(word.wrapping_mul(0x9e37_79b1) >> 20).ok()
    }

    /// Takes note of what stands at `length` positions.
    fn pass(&mut self, at: usize, length: usize) {
        for at in at..at + length {
            let Some(hash) = self.hash(at) else {
                return;
            };
            let (Some(last), Some(before)) = (self.last.get_mut(hash), self.before.get_mut(at)) else {
                return;
            };
            *before = std::mem::replace(last, u16::try_from(at + 1).unwrap_or(0));
        }
    }

    /// Distance and length of the longest match that is found.
    fn longest(&self, at: usize) -> Option<(usize, usize)> {
        let mut candidate = *self.last.get(self.hash(at)?)?;
        let mut best = None;
        let mut most = MATCH_LEAST - 1;
        for _ in 0..TRIED {
            let Some(from) = usize::from(candidate).checked_sub(1) else {
                break;
            };
            if at - from > WINDOW || most >= LONG_ENOUGH {
                break;
            }
            let length = self.common(from, at);
            if length > most {
                (best, most) = (Some((at - from, length)), length);
            }
            candidate = *self.before.get(from)?;
        }
        best
    }

    fn common(&self, from: usize, at: usize) -> usize {
        let ahead = self.plain.get(at..).unwrap_or_default().iter();
        let behind = self.plain.get(from..).unwrap_or_default().iter();
        ahead.zip(behind).take_while(|(one, other)| one == other).count()
    }
}

/// 32 flags, then as many literals (0) and matches (1). Behind the last a flag of a match says that it was the last.
struct XpressWriter {
    bytes: Vec<u8>,
    /// Where the present flags stand, and those that are set so far, behind a 1.
    flags_at: usize,
    flags: u32,
    /// Where the byte stands whose upper half is the next long match's length.
    half_byte: Option<usize>,
}

impl XpressWriter {
    fn new(size: u16) -> Self {
        let [low, high] = size.to_le_bytes();
        let bytes = vec![CompressionScheme::Xpress.first_byte(), low, high, 0, 0, 0, 0];
        XpressWriter {
            bytes,
            flags_at: 3,
            flags: 1,
            half_byte: None,
        }
    }

    fn put_literal(&mut self, byte: u8) {
        self.bytes.push(byte);
        self.put_flag(false);
    }

    fn put_match(&mut self, distance: usize, length: usize) {
        let length = length - MATCH_LEAST;
        let word = (distance - 1) << 3 | length.min(7);
        self.put_u16(word);
        if let Some(rest) = length.checked_sub(7) {
            self.put_long_length(rest);
        }
        self.put_flag(true);
    }

    /// What a length has beyond 7: half a byte, a byte beyond 15, or the length itself in two bytes.
    fn put_long_length(&mut self, rest: usize) {
        let half = u8::try_from(rest.min(15)).unwrap_or(15);
        match self.half_byte.take() {
            Some(at) => {
                if let Some(byte) = self.bytes.get_mut(at) {
                    *byte |= half << 4;
                }
            }
            None => {
                self.half_byte = Some(self.bytes.len());
                self.bytes.push(half);
            }
        }
        match rest.checked_sub(15).map(u8::try_from) {
            None => {}
            Some(Ok(byte)) if byte < u8::MAX => self.bytes.push(byte),
            Some(_) => {
                self.bytes.push(u8::MAX);
                self.put_u16(rest + 7);
            }
        }
    }

    fn put_u16(&mut self, word: usize) {
        let word = u16::try_from(word).unwrap_or(u16::MAX);
        self.bytes.extend(word.to_le_bytes());
    }

    fn put_flag(&mut self, is_match: bool) {
        let is_full = self.flags.leading_zeros() == 0;
        self.flags = self.flags << 1 | u32::from(is_match);
        if is_full {
            self.put_flags();
            self.flags_at = self.bytes.len();
            self.flags = 1;
            self.bytes.extend([0; 4]);
        }
    }

    fn put_flags(&mut self) {
        let place = self.bytes.get_mut(self.flags_at..);
        if let Some(place) = place.and_then(|place| place.first_chunk_mut()) {
            *place = self.flags.to_le_bytes();
        }
    }

    fn finish(mut self) -> Vec<u8> {
        let unused = self.flags.leading_zeros() + 1;
        // The 1 before the flags goes out at the left.
        let ones = u32::MAX.checked_shr(32 - unused).unwrap_or(0);
        self.flags = self.flags.checked_shl(unused).unwrap_or(0) | ones;
        self.put_flags();
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::super::decompress;
    use super::*;
    use proptest::prelude::*;

    fn round_trip(plain: &[u8]) -> Option<Vec<u8>> {
        let value = compress(plain)?;
        assert!(value.len() < plain.len());
        assert!(decompress(&value, plain.len()).unwrap() == plain, "{plain:02x?}");
        Some(value)
    }

    #[test]
    fn text_of_seven_bits_has_the_bytes_of_the_specification() {
        let folded = [0xe1, 0x70, 0x38, 0x1c, 0x0e, 0x87, 0xc3];
        assert_eq!(
            round_trip(&[b'a'; 16]).unwrap(),
            [&[0x0f], &folded[..], &folded].concat()
        );
        assert_eq!(
            round_trip(&b"a\0".repeat(8)).unwrap(),
            [&[0x17], &folded[..]].concat()
        );
    }

    #[test]
    fn what_does_not_get_shorter_stays_plain() {
        assert_eq!(compress(b""), None);
        assert_eq!(compress(b"aaaaaaaa"), None);
        assert_eq!(compress(b"a\0"), None);
        assert_eq!(compress(&[0x80; 1023]), None);
    }

    /// The examples of MS-XCA section 3.1, longer.
    #[test]
    fn xpress_writes_the_bytes_of_its_specification() {
        let value = round_trip(&b"abc".repeat(400)).unwrap();
        assert_eq!(value[..3], [0x18, 0xb0, 0x04]);
        assert_eq!(value[3..7], [0xff, 0xff, 0xff, 0x1f]);
        assert_eq!(value[7..], [b'a', b'b', b'c', 0x17, 0x00, 0x0f, 0xff, 0xaa, 0x04]);
    }

    #[test]
    fn flags_that_end_with_the_value_are_followed_by_those_that_say_so() {
        let mut writer = XpressWriter::new(32);
        (0..32).for_each(|byte| writer.put_literal(byte));
        let value = writer.finish();
        assert_eq!(value[3..7], [0; 4]);
        assert_eq!(value[value.len() - 4..], [0xff; 4]);
        assert_eq!(decompress(&value, 32).unwrap(), Vec::from_iter(0..32));
    }

    #[test]
    fn lengths_of_every_form_are_read_again() {
        for length in (3..400).chain([4014, 8150, 32_767]) {
            let len = 2 * length + 1;
            let mut writer = XpressWriter::new(u16::try_from(len).unwrap());
            writer.put_literal(7);
            writer.put_match(1, length);
            writer.put_match(1, length);
            assert_eq!(decompress(&writer.finish(), len).unwrap(), vec![7; len]);
        }
    }

    #[test]
    fn chunks_are_not_stored_as_text_of_seven_bits() {
        assert_eq!(compress_chunk(&[b'a'; 1023]), None);
        let chunk = compress_chunk(&[b'a'; 1024]).unwrap();
        assert_eq!(CompressionScheme::of(chunk[0]), Some(CompressionScheme::Xpress));
        assert_eq!(decompress(&chunk, 1024).unwrap(), [b'a'; 1024]);
    }

    #[test]
    fn even_bytes_are_not_tried_and_uneven_ones_are() {
        let even: Vec<u8> = (0..4014u32).map(|at| at.to_le_bytes()[0]).collect();
        assert_eq!(compress(&even), None);
        let mut uneven = vec![0; 200];
        uneven.extend(&even);
        assert!(round_trip(&uneven).is_some());
    }

    /// Bytes of a small alphabet with repetitions, the lengths of chunks among them.
    fn values() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            proptest::collection::vec(b'a'..b'e', 0..200),
            (any::<u8>(), 0usize..600).prop_map(|(byte, count)| vec![byte; count]),
        ];
        let pieces = proptest::collection::vec((piece, 1usize..5), 0..40);
        (pieces, 0usize..8200).prop_map(|(pieces, most)| {
            let mut value: Vec<u8> = pieces
                .iter()
                .flat_map(|(piece, times)| piece.repeat(*times))
                .collect();
            value.truncate(most);
            value
        })
    }

    #[test]
    fn whatever_is_compressed_is_decompressed_to_itself() {
        proptest!(|(value in values(), mask in prop_oneof![Just(0xffu8), Just(0x7f)])| {
            let value: Vec<u8> = value.iter().map(|byte| byte & mask).collect();
            round_trip(&value);
            let wide: Vec<u8> = value.iter().flat_map(|byte| [*byte, 0]).collect();
            round_trip(&wide);
            if let Some(compressed) = xpress(&value) {
                prop_assert!(decompress(&compressed, value.len()).unwrap() == value);
            }
        });
    }
}
