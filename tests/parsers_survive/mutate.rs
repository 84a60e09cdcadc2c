//! Changes that damage, truncation and malice make: flipped bits, spliced bytes, other lengths, extreme fields.

use jetfs::io::Seeded;

/// Inputs do not grow beyond this.
const LONGEST: usize = 8 << 20;

const EXTREMES: [u64; 14] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// Changes `input` in one to eight places; `others` are what it may be spliced with.
pub(crate) fn mutate(input: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Seeded) {
    for _ in 0..=random.below(8) {
        match random.below(16) {
            0..4 => flip_bit(input, random),
            4..8 => set_field(input, random),
            8..10 => random_bytes(input, random),
            10 => copy_within(input, random),
            11 => fill(input, random),
            12 => splice(input, others, random),
            13 => truncate(input, random),
            14 => remove(input, random),
            _ => insert(input, random),
        }
    }
    input.truncate(LONGEST);
}

/// A place, near the start half of the time, where headers and counts are.
fn place(input: &[u8], random: &mut Seeded) -> usize {
    let near = if random.one_in(2) { 256 } else { usize::MAX };
    random.index(input.len().min(near))
}

/// A range that lies in the input and is short most of the time.
fn range(input: &[u8], random: &mut Seeded) -> std::ops::Range<usize> {
    let start = place(input, random);
    let longest = if random.one_in(4) { input.len() } else { 64 };
    let end = start + random.index(longest.min(input.len() - start) + 1);
    start..end
}

fn flip_bit(input: &mut [u8], random: &mut Seeded) {
    let at = place(input, random);
    if let Some(byte) = input.get_mut(at) {
        *byte ^= 1 << random.below(8);
    }
}

fn set_field(input: &mut [u8], random: &mut Seeded) {
    let len = 1 << random.below(4);
    let at = place(input, random);
    let value = match random.below(4) {
        0 => input.len() as u64,
        1 => random.below(64),
        _ => EXTREMES[random.index(EXTREMES.len())],
    };
    let big_endian = random.one_in(4);
    for (index, target) in input.iter_mut().skip(at).take(len).enumerate() {
        let index = if big_endian { len - 1 - index } else { index };
        *target = value.to_le_bytes()[index];
    }
}

fn random_bytes(input: &mut [u8], random: &mut Seeded) {
    let range = range(input, random);
    random.fill(&mut input[range]);
}

fn copy_within(input: &mut [u8], random: &mut Seeded) {
    let range = range(input, random);
    let target = random.index(input.len() - range.len() + 1);
    input.copy_within(range, target);
}

fn fill(input: &mut [u8], random: &mut Seeded) {
    let range = range(input, random);
    let byte = if random.one_in(2) { 0 } else { 0xff };
    input[range].fill(byte);
}

fn splice(input: &mut [u8], others: &[Vec<u8>], random: &mut Seeded) {
    let other = &others[random.index(others.len())];
    let range = range(other, random);
    let at = if random.one_in(2) {
        range.start
    } else {
        place(input, random)
    };
    for (target, byte) in input.iter_mut().skip(at).zip(&other[range]) {
        *target = *byte;
    }
}

fn truncate(input: &mut Vec<u8>, random: &mut Seeded) {
    if random.one_in(4) {
        input.truncate(random.index(input.len() + 1));
    }
}

fn remove(input: &mut Vec<u8>, random: &mut Seeded) {
    if random.one_in(4) {
        let range = range(input, random);
        input.drain(range);
    }
}

fn insert(input: &mut Vec<u8>, random: &mut Seeded) {
    if random.one_in(4) {
        let range = range(input, random);
        let copy = input[range].to_vec();
        let at = random.index(input.len() + 1);
        input.splice(at..at, copy);
    }
}
