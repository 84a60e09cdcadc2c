//! Several threads append and commit at the same time.

use super::*;
use crate::io::{Operation, Which};
use crate::store::log_stream::prepared::Prepared;
use std::collections::BTreeSet;

const THREADS: usize = 6;
const COMMITS: usize = 60;

/// Every thread appends and flushes; the numbers of the records that were acknowledged.
fn commit_on_threads(log: &LogStream) -> BTreeSet<usize> {
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    let mut acknowledged = Vec::new();
                    let mut random = Seeded::new(thread as u64);
                    for commit in 0..COMMITS {
                        let number = thread * COMMITS + commit;
                        let group = [record(number, 9 + random.index(2000)), record(number, 40)];
                        let result = append(log, &group, &mut Vec::new())
                            .and_then(|appended| log.flush_to(appended.end));
                        if result.is_err() {
                            break;
                        }
                        acknowledged.push(number);
                    }
                    acknowledged
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    })
}

/// The numbers of the records that are there twice, as they were appended.
fn found(rig: &Rig) -> BTreeSet<usize> {
    let mut numbers = BTreeSet::new();
    let records = rig.records().unwrap();
    for pair in records.chunks(2) {
        let number = |record: &Placed| u32::from_le_bytes(record.1[5..9].try_into().unwrap());
        if let [one, other] = pair {
            assert_eq!(number(one), number(other), "a group is torn apart");
            numbers.insert(number(one) as usize);
        }
    }
    numbers
}

#[test]
fn all_that_was_acknowledged_is_there() {
    let rig = Rig {
        buffer_len: 30_000,
        ..Rig::new()
    };
    let log = rig.create();
    let acknowledged = commit_on_threads(&log);
    assert_eq!(acknowledged.len(), THREADS * COMMITS);
    rig.fs.cut_power(1).unwrap();
    rig.fs.restart();
    assert_eq!(found(&rig), acknowledged);
    assert!(rig.places().len() > 3);
}

#[test]
fn a_failure_or_a_power_cut_wakes_everybody() {
    for seed in 0..20 {
        let rig = Rig {
            buffer_len: 30_000,
            ..Rig::new()
        };
        let log = rig.create();
        if seed % 2 == 0 {
            rig.fs.cut_power_at(30 + seed, Which::Changing, seed);
        } else {
            rig.fs
                .fail(5 + seed, Which::Only(Operation::Sync), std::io::ErrorKind::Other);
        }
        let acknowledged = commit_on_threads(&log);
        assert!(log.is_failed().is_some());
        drop(log);
        if rig.fs.last_cut().is_none() {
            rig.fs.cut_power(seed).unwrap();
        }
        rig.fs.restart();
        assert!(acknowledged.is_subset(&found(&rig)), "seed {seed}");
    }
}

#[test]
fn while_a_log_is_being_begun_no_other_one_is_made_under_its_name() {
    let rig = Rig::new();
    let prepared = Prepared::new(&rig.options());
    prepared.make_next().unwrap();
    let next = prepared.next(2, None).unwrap();
    next.file.write_all_at(b"header", 0).unwrap();
    // The thread in the background comes late.
    prepared.make_next().unwrap();
    let mut start = [0; 6];
    next.file.read_exact_at(&mut start, 0).unwrap();
    assert_eq!(&start, b"header");
    let (temporary, current) = (naming().temporary(), naming().current());
    rig.fs.rename(&temporary, &current).unwrap();
    prepared.has_begun();
    prepared.make_next().unwrap();
    assert!(rig.fs.stat(&temporary).is_ok());
    next.file.read_exact_at(&mut start, 0).unwrap();
    assert_eq!(&start, b"header");
}
