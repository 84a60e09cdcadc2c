//! The arithmetic of checksums (database-file.md sections 1.4, 3.1 and 3.2; log-and-recovery.md section 2.1).
//!
//! The ECC of a block is the XOR of the addresses of all set bits. Its definition walks over bits; here the
//! block is folded instead: XOR the upper half of the words onto the lower half, again and again, down to one
//! word. The parity of what the upper half held at each step is one bit of the sum, because exactly the words
//! of the upper half have that bit set in their index. Folding is nothing but XOR over long runs of words, which
//! the compiler turns into vector instructions.

/// Seed of the XOR checksum of headers and of old pages.
const SEED: u32 = 0x89AB_CDEF;

/// Longest block: a whole 8 KiB page, or a quarter of a 32 KiB page.
const LONGEST_BLOCK: usize = 8192;

/// Bytes folded at a time.
const WORD: usize = size_of::<u64>();

/// Which part of a page a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// The first, which holds its own checksum in its first 8 bytes: they count as zero.
    First,
    /// Blocks 1 to 3 of a large page.
    Later,
}

/// The XOR of all little-endian words but the first, which is where a header keeps it.
pub fn header_checksum(bytes: &[u8]) -> u32 {
    let (words, _) = bytes.as_chunks();
    let first = words.first().copied().map_or(0, u32::from_le_bytes);
    words
        .iter()
        .fold(SEED ^ first, |sum, word| sum ^ u32::from_le_bytes(*word))
}

/// The checksum of a page in the format before update 0x0B: the header's XOR, with the page number above it.
pub fn old_page_checksum(page: &[u8], pgno: u32) -> u64 {
    u64::from(pgno) << 32 | u64::from(header_checksum(page))
}

/// ECC (upper half) and XOR with `pgno` (lower half) of a block of 2048, 4096 or 8192 bytes.
pub fn block_checksum(block: &[u8], pgno: u32, position: Block) -> u64 {
    debug_assert!(block.len().is_power_of_two() && block.len() <= LONGEST_BLOCK);
    let (words, _) = block.as_chunks();
    let mut folded = fold(words);
    if position == Block::First {
        // A word at index 0 is in no upper half, so that only the last fold has it.
        folded.word ^= words.first().copied().map_or(0, u64::from_le_bytes);
    }
    folded.checksum(block.len()) ^ u64::from(pgno)
}

/// The checksum of a log segment: a small page with its index in the place of the page number
/// (log-and-recovery.md section 3.2).
pub fn segment_checksum(segment: &[u8], index: u32) -> u64 {
    block_checksum(segment, index, Block::First)
}

/// A block folded to one word.
struct Folded {
    /// XOR of all words.
    word: u64,
    /// XOR of the indexes of all words of odd parity.
    index: u64,
}

impl Folded {
    fn checksum(&self, block_len: usize) -> u64 {
        let low = self.index << 6 | address_in_word(self.word);
        let last_address = 8 * block_len as u64 - 1;
        let high = if parity(self.word) == 1 {
            low ^ last_address
        } else {
            low
        };
        let xor = (self.word >> 32 ^ self.word) & 0xFFFF_FFFF;
        high << 48 | low << 32 | xor
    }
}

fn fold(words: &[[u8; WORD]]) -> Folded {
    let mut buffer = [0; LONGEST_BLOCK / WORD / 4];
    let mut index = fold_twice(words, &mut buffer);
    let mut rest = buffer.get_mut(..words.len() / 4).unwrap_or_default();
    while rest.len() > 1 {
        let (low, high) = rest.split_at_mut(rest.len() / 2);
        index = index << 1 | parity(fold_again(low, high));
        rest = low;
    }
    Folded {
        word: rest.first().copied().unwrap_or(0),
        index,
    }
}

/// The first two folds in one pass: writes the XOR of all quarters to `out`, returns the top two bits of the index.
fn fold_twice(words: &[[u8; WORD]], out: &mut [u64]) -> u64 {
    let (low, high) = words.split_at(words.len() / 2);
    let (a, b) = low.split_at(low.len() / 2);
    let (c, d) = high.split_at(high.len() / 2);
    let (mut upper_half, mut odd_quarters) = (0, 0);
    for ((((a, b), c), d), out) in a.iter().zip(b).zip(c).zip(d).zip(out) {
        let [a, b, c, d] = [a, b, c, d].map(|word| u64::from_le_bytes(*word));
        upper_half ^= c ^ d;
        odd_quarters ^= b ^ d;
        *out = a ^ b ^ c ^ d;
    }
    parity(upper_half) << 1 | parity(odd_quarters)
}

/// XORs the upper half onto the lower; returns the XOR of the upper half.
fn fold_again(low: &mut [u64], high: &[u64]) -> u64 {
    let mut upper = 0;
    for (low, high) in low.iter_mut().zip(high) {
        upper ^= high;
        *low ^= high;
    }
    upper
}

/// The XOR of the addresses, within the word, of all set bits.
fn address_in_word(word: u64) -> u64 {
    /// Bit `b` of mask `j` is bit `j` of `b`; highest `j` first.
    const MASKS: [u64; 6] = [
        0xFFFF_FFFF_0000_0000,
        0xFFFF_0000_FFFF_0000,
        0xFF00_FF00_FF00_FF00,
        0xF0F0_F0F0_F0F0_F0F0,
        0xCCCC_CCCC_CCCC_CCCC,
        0xAAAA_AAAA_AAAA_AAAA,
    ];
    MASKS
        .iter()
        .fold(0, |address, mask| address << 1 | parity(word & mask))
}

fn parity(word: u64) -> u64 {
    u64::from(word.count_ones() & 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition of section 3.2, bit by bit.
    fn naive(block: &[u8], pgno: u32, position: Block) -> u64 {
        let mut block = block.to_vec();
        if position == Block::First {
            block[..8].fill(0);
        }
        let mask = 8 * block.len() as u64 - 1;
        let (mut low, mut high) = (0, 0);
        for address in 0..=mask {
            if block[(address / 8) as usize] >> (address % 8) & 1 == 1 {
                low ^= address;
                high ^= !address & mask;
            }
        }
        let xor = block
            .chunks(4)
            .fold(pgno, |x, w| x ^ u32::from_le_bytes(w.try_into().unwrap()));
        high << 48 | low << 32 | u64::from(xor)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn folding_equals_the_definition(
            pgno: u32,
            first: bool,
            block in (0_usize..3).prop_flat_map(|i| prop::collection::vec(any::<u8>(), [2048, 4096, 8192][i])),
        ) {
            let position = if first { Block::First } else { Block::Later };
            prop_assert_eq!(block_checksum(&block, pgno, position), naive(&block, pgno, position));
        }
    }

    #[test]
    fn the_header_checksum_leaves_out_the_first_word() {
        let mut header = [0_u8; 4096];
        header[..4].copy_from_slice(&[1, 2, 3, 4]);
        assert_eq!(header_checksum(&header), SEED);
        header[4092..].copy_from_slice(&[1, 0, 0, 0]);
        assert_eq!(header_checksum(&header), SEED ^ 1);
    }

    #[test]
    fn any_length_is_summed_without_a_panic() {
        for len in [0, 1, 3, 4, 7] {
            header_checksum(&vec![0xA5; len]);
        }
    }
}
