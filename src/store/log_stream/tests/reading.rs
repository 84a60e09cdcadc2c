//! What was appended and flushed is read again.

use super::*;
use proptest::prelude::*;

#[test]
fn positions_are_those_at_which_the_records_are_read() {
    let rig = Rig::new();
    let (log, mut all) = (rig.create(), Vec::new());
    let first = append(&log, &[record(1, 49), record(2, 49)], &mut all).unwrap();
    assert_eq!((first.first.sector, first.first.byte), (1, 0));
    assert_eq!((first.last.sector, first.last.byte), (1, 89));
    assert_eq!((first.end.sector, first.end.byte), (1, 138));
    assert_eq!(log.end(), first.end);
    assert!(log.durable() < first.first || log.durable().byte == 0);
    log.flush_to(first.end).unwrap();
    assert!(log.durable() >= first.end);
    let second = append(&log, &[record(3, 10)], &mut all).unwrap();
    assert_eq!((second.first.sector, second.first.byte), (2, 0));
    log.flush_to(second.end).unwrap();
    assert_eq!(rig.records().unwrap(), all);
}

#[test]
fn a_flush_writes_and_syncs_once_and_one_for_what_is_durable_not_at_all() {
    let rig = Rig::new();
    let (log, mut all) = (rig.create(), Vec::new());
    let first = append(&log, &[record(1, 100)], &mut all).unwrap();
    let second = append(&log, &[record(2, 9000)], &mut all).unwrap();
    let before = rig.fs.operations();
    log.flush_to(first.end).unwrap();
    log.flush_to(second.end).unwrap();
    assert_eq!(rig.fs.operations() - before, 2);
}

#[test]
fn nothing_is_written_with_logging_off() {
    let log = LogStream::off();
    let appended = append(&log, &[record(1, 100)], &mut Vec::new()).unwrap();
    log.flush_to(appended.end).unwrap();
    assert!(log.durable() >= appended.end && log.header().is_none());
}

#[test]
fn a_new_generation_is_told_and_says_what_the_observer_says() {
    let rig = Rig::new();
    let (log, mut all) = (rig.create(), Vec::new());
    for number in 0..40 {
        let end = append(&log, &[record(number, 3000)], &mut all).unwrap().end;
        log.flush_to(end).unwrap();
    }
    let generations = rig.observer.generations.lock().clone();
    assert_eq!(generations, [1, 2, 3]);
    let places = rig.places();
    assert_eq!(places.len(), 3);
    assert_eq!(places[0].path, Path::new("/l/edb00001.log"));
    assert_eq!(places[2].path, naming().current());
    let last = rig.load(&naming().current());
    assert_eq!(last.header().checkpoint.byte, 3);
    assert!(last.header().encode() == log.header().unwrap().encode());
    assert_eq!(rig.records().unwrap(), all);
}

#[test]
fn a_group_never_straddles_generations() {
    let rig = Rig::new();
    let (log, mut all) = (rig.create(), Vec::new());
    let mut rolls = 0;
    for number in 0..60 {
        let group: Vec<Vec<u8>> = (0..4).map(|part| record(number * 4 + part, 1700)).collect();
        let before = log.end();
        let appended = append(&log, &group, &mut all).unwrap();
        assert_eq!(appended.first.generation, appended.end.generation);
        rolls += u32::from(before.generation != appended.end.generation);
    }
    assert!(rolls > 3);
    log.flush_to(log.end()).unwrap();
    assert!(is_prefix(&rig.records().unwrap(), &all));
    assert_eq!(rig.records().unwrap().len(), all.len());
}

#[test]
fn a_group_longer_than_a_log_is_refused_and_the_log_goes_on() {
    let rig = Rig::new();
    let (log, mut all) = (rig.create(), Vec::new());
    let group: Vec<Vec<u8>> = (0..20).map(|part| record(part, 3000)).collect();
    let error = append(&log, &group, &mut Vec::new()).unwrap_err();
    assert_eq!(error.code(), JetErr::LogBufferTooSmall);
    append(&log, &group[..10], &mut all).unwrap();
    log.flush_to(log.end()).unwrap();
    assert_eq!(rig.records().unwrap().len(), 10);
}

#[test]
fn what_waits_is_bounded() {
    let rig = Rig {
        buffer_len: 20_000,
        ..Rig::new()
    };
    let (log, mut all) = (rig.create(), Vec::new());
    for number in 0..100 {
        append(&log, &[record(number, 3000)], &mut all).unwrap();
        let written = rig.records().unwrap().len();
        assert!(all.len() - written <= 7, "{written} of {number}");
    }
}

#[test]
fn a_forced_generation_begins_at_once_even_if_the_last_one_is_empty() {
    let rig = Rig::new();
    let log = rig.create();
    assert_eq!(log.begin_generation().unwrap(), 2);
    assert_eq!(log.begin_generation().unwrap(), 3);
    let mut all = Vec::new();
    append(&log, &[record(1, 100)], &mut all).unwrap();
    assert_eq!(log.begin_generation().unwrap(), 4);
    assert_eq!(rig.records().unwrap(), all);
    assert_eq!(all[0].0.generation, 3);
}

#[test]
fn the_next_log_that_was_made_ahead_of_time_is_used() {
    let rig = Rig::new();
    let (log, mut all) = (rig.create(), Vec::new());
    log.prepare_next().unwrap();
    log.prepare_next().unwrap();
    let made = rig.fs.stat(&naming().temporary()).unwrap();
    assert_eq!(made.len, u64::from(SLOTS) * SEGMENT_LEN as u64);
    append(&log, &[record(1, 100)], &mut all).unwrap();
    log.begin_generation().unwrap();
    assert_eq!(rig.fs.stat(&naming().current()).unwrap().identity, made.identity);
    append(&log, &[record(2, 100)], &mut all).unwrap();
    log.flush_to(log.end()).unwrap();
    assert_eq!(rig.records().unwrap(), all);
}

#[test]
fn a_log_goes_on_in_place_or_in_a_new_generation() {
    let rig = Rig::new();
    let mut all = Vec::new();
    for round in 0..30 {
        let log = if round == 0 {
            rig.create()
        } else {
            rig.reopen().unwrap()
        };
        assert_eq!(log.end(), log.durable());
        append(&log, &[record(round, 2500), record(round, 2500)], &mut all).unwrap();
        log.flush_to(log.end()).unwrap();
        if round % 7 == 6 {
            // As a restore leaves it: the last log is an archived one.
            let generation = log.header().unwrap().generation;
            drop(log);
            rig.fs
                .rename(&naming().current(), &naming().archived(generation))
                .unwrap();
        }
    }
    assert_eq!(rig.records().unwrap(), all);
}

#[test]
fn a_log_of_another_writer_or_length_is_followed_by_a_new_generation() {
    let rig = Rig::new();
    let mut bytes = header().encode();
    bytes.resize(usize::from(SLOTS) * SEGMENT_LEN, 0);
    rig.memory.write_file(naming().current(), &bytes).unwrap();
    let log = rig.reopen().unwrap();
    assert_eq!((log.end().generation, log.end().sector), (2, 1));
    drop(log);
    let options = LogStreamOptions {
        file_len: 32 * SEGMENT_LEN as u64,
        ..rig.options()
    };
    let last = rig.load(&naming().current());
    let log = LogStream::continue_after(options, &last).unwrap();
    assert_eq!(log.end().generation, 3);
    let mut all = Vec::new();
    append(&log, &[record(1, 100_000)], &mut all).unwrap();
    log.flush_to(log.end()).unwrap();
    assert_eq!(rig.records().unwrap(), all);
    assert_eq!(rig.load(&naming().current()).header().file_len(), 32 * 4096);
}

#[test]
fn a_log_is_never_created_where_one_is_nor_with_a_length_that_cannot_be() {
    let rig = Rig::new();
    drop(rig.create());
    let error = LogStream::create(rig.options(), header()).unwrap_err();
    assert_eq!(error.code(), JetErr::FileAlreadyExists);
    for file_len in [0, 3 * 4096, 5 * 4096 + 1, 65_536 * 4096] {
        let options = LogStreamOptions {
            file_len,
            ..rig.options()
        };
        let error = LogStream::create(options, header()).unwrap_err();
        assert_eq!(error.code(), JetErr::InvalidParameter);
    }
}

/// Appending, flushing, closing.
#[derive(Debug, Clone)]
enum Step {
    Append(Vec<usize>),
    Flush,
    Close,
    Roll,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![9..100_usize, 9..5000_usize, 9..25_000_usize, 4000..4100_usize];
    prop_oneof![
        6 => prop::collection::vec(len, 1..3).prop_map(Step::Append),
        3 => Just(Step::Flush),
        1 => Just(Step::Close),
        1 => Just(Step::Roll),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_appended_is_read(steps in prop::collection::vec(step(), 1..60)) {
        let rig = Rig::new();
        let (mut log, mut all, mut number) = (rig.create(), Vec::new(), 0);
        for step in steps {
            match step {
                Step::Append(lengths) => {
                    let group: Vec<Vec<u8>> = lengths.iter().map(|len| { number += 1; record(number, *len) }).collect();
                    append(&log, &group, &mut all).unwrap();
                }
                Step::Flush => log.flush_to(log.end()).unwrap(),
                Step::Close => log.close_segment().unwrap(),
                Step::Roll => { log.begin_generation().unwrap(); }
                Step::Reopen => {
                    log.flush_to(log.end()).unwrap();
                    log = rig.reopen().unwrap();
                }
            }
        }
        log.flush_to(log.end()).unwrap();
        let found = rig.records().unwrap();
        prop_assert_eq!(found.len(), all.len());
        prop_assert!(is_prefix(&found, &all));
    }
}
