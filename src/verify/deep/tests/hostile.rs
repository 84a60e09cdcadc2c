//! Whatever stands on the pages, the check ends, without a panic.

use super::super::Limits;
use super::mutant::{Mutant, USUAL};
use crate::format::PageBuffer;
use crate::io::Seeded;

/// Databases of each page size class and with every kind of object.
const SAMPLES: [&str; 3] = [
    USUAL,
    "genuine-scenarios/p4096_e8920_types_clean/test.edb",
    "srum-win11-dirty-recovered/SRUDB.dat",
];

#[test]
fn no_bytes_with_right_checksums_make_the_check_panic_or_run_on() {
    const RUNS: u64 = 150;
    let limits = Limits {
        roots_in_memory: 40,
        entries_in_memory: 100,
    };
    let mut damaged = 0;
    for sample in SAMPLES {
        let Some(good) = Mutant::of(sample) else { return };
        for seed in 0..RUNS {
            let mut mutant = good.clone();
            let mut random = Seeded::new(seed);
            for _ in 0..=random.below(8) {
                scramble(&mut mutant, &mut random);
            }
            damaged += u64::from(mutant.report_within(limits).damage > 0);
        }
    }
    println!("{damaged} of {} were found damaged", RUNS * SAMPLES.len() as u64);
    assert!(damaged > RUNS);
}

/// Overwrites some bytes of a page that is in use, in its header, its first bytes, or its tags most often.
fn scramble(mutant: &mut Mutant, random: &mut Seeded) {
    let pgno = 1 + u32::try_from(random.below(120)).unwrap();
    let Some(page) = mutant.page_if_used(pgno) else {
        return;
    };
    let mut bytes = page.bytes().to_vec();
    let at = match random.below(4) {
        0 => 8 + random.index(32),
        1 => 40 + random.index(100),
        2 => bytes.len() - 1 - random.index(60),
        _ => 8 + random.index(bytes.len() - 8),
    };
    let len = (1 + random.index(4)).min(bytes.len() - at);
    random.fill(&mut bytes[at..at + len]);
    mutant.write(PageBuffer::unchecked(bytes, page.size(), pgno));
}
