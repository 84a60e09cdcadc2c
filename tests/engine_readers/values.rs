//! Random values of columns, as bytes.

use crate::schema::{Column, Place};
use jetfs::format::{ColumnType, Value};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// Stored bytes as a value.
pub(crate) fn value(kind: ColumnType, code_page: u16, bytes: &[u8]) -> Value {
    Value::read(kind, code_page, bytes.to_vec()).unwrap()
}

/// The bytes of a value that may be as long as its column allows.
pub(crate) fn random_value(rng: &mut StdRng, column: &Column) -> Vec<u8> {
    let len = match (column.kind.fixed_len(), column.place) {
        (Some(len), _) => len,
        (None, Place::Fixed) => column.max_len.unwrap() as usize,
        // Readers take long values of multi-valued columns for what they are stored as.
        (None, Place::MultiValued) => rng.random_range(1..30),
        (None, _) if column.kind.is_long() => long_len(rng),
        (None, _) => rng.random_range(1..40),
    };
    of_len(rng, column, len)
}

/// Values of long columns: most in the record, some in a few chunks, few in hundreds.
fn long_len(rng: &mut StdRng) -> usize {
    match rng.random_range(0..400) {
        0 => rng.random_range(30_000..200_000),
        1..12 => rng.random_range(1000..30_000),
        12..40 => rng.random_range(200..1500),
        _ => rng.random_range(1..60),
    }
}

pub(crate) fn random_default(rng: &mut StdRng, column: &Column) -> Vec<u8> {
    let len = match (column.kind.fixed_len(), column.place) {
        (Some(len), _) => len,
        (None, Place::Fixed) => column.max_len.unwrap() as usize,
        (None, _) => rng.random_range(1..30),
    };
    of_len(rng, column, len)
}

pub(crate) fn of_len(rng: &mut StdRng, column: &Column, len: usize) -> Vec<u8> {
    // dissect takes an uncompressed third chunk for a compressed one if it begins with certain bytes
    // (database-file.md section 8), libesedb a first one: neither looks at the length alone.
    let plain = len > 60;
    match column.kind {
        ColumnType::Bit => vec![if rng.random() { 0xff } else { 0 }],
        kind if kind.is_text() && column.code_page == 1200 => {
            let letters: &[u16] = if plain {
                &[0x61, 0x7a]
            } else {
                &[0x61, 0xe4, 0x3b1, 0x416, 0x4e2d]
            };
            (0..len.div_ceil(2))
                .flat_map(|_| letters.choose(rng).unwrap().to_le_bytes())
                .collect()
        }
        kind if kind.is_text() => (0..len).map(|_| rng.random_range(b'a'..=b'z')).collect(),
        // A date that every reader can show.
        ColumnType::DateTime => rng.random_range(1.0..50_000.0_f64).to_le_bytes().to_vec(),
        _ if plain && column.compressed => {
            // What it repeats makes it shorter; other chunks of the same value stay plain.
            let piece: Vec<u8> = (0..rng.random_range(1..3000))
                .map(|_| rng.random_range(0x80..=0xff))
                .collect();
            piece.into_iter().cycle().take(len).collect()
        }
        _ if plain => (0..len).map(|_| rng.random_range(0x80..=0xff)).collect(),
        _ => (0..len).map(|_| rng.random()).collect(),
    }
}
