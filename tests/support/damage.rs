//! Damage to copies of files: flipped bits at seeded places, overwritten ranges.

use rand::SeedableRng;
use rand::rngs::StdRng;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A generator from the seed in `JETFS_SEED`, by default `default`; the seed is printed.
pub(crate) fn seeded(test: &str, default: u64) -> StdRng {
    let seed = std::env::var("JETFS_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(default);
    println!("{test}: JETFS_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

/// A file's bytes, with access to single bits.
#[derive(Debug, Clone)]
pub(crate) struct Bits(pub(crate) Vec<u8>);

impl Bits {
    /// Reads a file.
    pub(crate) fn read(file: &Path) -> Bits {
        Bits(fs::read(file).unwrap())
    }

    /// Flips bit `bit` of byte `offset`.
    pub(crate) fn flip(&mut self, offset: usize, bit: u8) {
        self.0[offset] ^= 1 << bit;
    }

    /// A little-endian u32.
    pub(crate) fn u32_at(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.0[offset..offset + 4].try_into().unwrap())
    }
}

/// Flips one bit of a file.
pub(crate) fn flip_bit(file: &Path, offset: u64, bit: u8) {
    let file = File::options().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    byte[0] ^= 1 << bit;
    file.write_all_at(&byte, offset).unwrap();
}

/// Overwrites a range of a file.
pub(crate) fn overwrite(file: &Path, offset: u64, bytes: &[u8]) {
    let file = File::options().write(true).open(file).unwrap();
    file.write_all_at(bytes, offset).unwrap();
}
