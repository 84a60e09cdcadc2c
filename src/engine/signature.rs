//! New signatures: identities of databases, log sequences and writes of headers.

use crate::format::{LogTime, Signature};
use crate::io::Clock;
use std::hash::{BuildHasher, RandomState};

/// A signature that nobody else has.
pub(super) fn new_signature(clock: &dyn Clock) -> Signature {
    let [a, b, c, d, ..] = RandomState::new().hash_one(clock.now()).to_le_bytes();
    Signature {
        random: u32::from_le_bytes([a, b, c, d]),
        create: LogTime::from(clock.now()),
        computer: [0; 16],
    }
}
