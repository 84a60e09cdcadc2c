//! Operations that fail, and full disks.

use super::*;
use crate::format::log_record::{Marker, Term2};
use crate::io::{Operation, Which, count_up};
use std::io::ErrorKind;

#[test]
fn after_a_failed_operation_nothing_is_written_and_everybody_is_told() {
    for seed in 0..20 {
        count_up(|k| {
            let rig = Rig::new();
            let log = rig.create();
            let (mut random, mut number) = (Seeded::new(seed), 0);
            let (mut all, mut acknowledged, mut error) = (Vec::new(), 0, None);
            rig.fs.fail(k, Which::Changing, ErrorKind::Other);
            for _ in 0..20 {
                let group = group(&mut random, &mut number);
                let result = append(&log, &group, &mut all).and_then(|appended| log.flush_to(appended.end));
                match result {
                    Ok(()) => acknowledged = all.len(),
                    Err(failed) => {
                        error = Some(failed);
                        break;
                    }
                }
            }
            let reached = rig.fs.reached();
            assert_eq!(error.is_some(), reached);
            if reached {
                assert_eq!(error.unwrap().code(), JetErr::LogWriteFail);
                assert_eq!(log.is_failed(), Some(JetErr::LogWriteFail));
                let before = rig.fs.operations();
                let end = log.end();
                assert_eq!(log.flush_to(end).unwrap_err().code(), JetErr::LogWriteFail);
                let again = append(&log, &[record(1, 10)], &mut Vec::new());
                assert_eq!(again.unwrap_err().code(), JetErr::LogWriteFail);
                assert_eq!(log.begin_generation().unwrap_err().code(), JetErr::LogWriteFail);
                assert_eq!(log.prepare_next().unwrap_err().code(), JetErr::LogWriteFail);
                assert_eq!(rig.fs.operations(), before);
            }
            drop(log);
            rig.fs.cut_power(seed + k).unwrap();
            rig.fs.restart();
            let found = rig.records().unwrap();
            assert!(found.len() >= acknowledged && is_prefix(&found, &all));
            reached
        });
    }
}

#[test]
fn what_was_durable_before_a_failure_stays_acknowledged() {
    let rig = Rig::new();
    let log = rig.create();
    let first = append(&log, &[record(1, 100)], &mut Vec::new()).unwrap();
    log.flush_to(first.end).unwrap();
    rig.fs.fail(1, Which::Only(Operation::Sync), ErrorKind::Other);
    let second = append(&log, &[record(2, 100)], &mut Vec::new()).unwrap();
    assert!(log.flush_to(second.end).is_err());
    log.flush_to(first.end).unwrap();
}

#[test]
fn a_generation_that_the_observer_refuses_ends_the_log() {
    let rig = Rig {
        observer: Arc::new(Begun {
            refuses: Some(2),
            ..Begun::default()
        }),
        ..Rig::new()
    };
    let log = rig.create();
    let error = log.begin_generation().unwrap_err();
    assert_eq!(error.code(), JetErr::DiskIO);
    assert_eq!(log.is_failed(), Some(JetErr::DiskIO));
}

#[test]
fn a_log_in_the_way_is_never_replaced() {
    let rig = Rig::new();
    let log = rig.create();
    rig.memory
        .write_file(naming().archived(1), b"something else")
        .unwrap();
    let error = log.begin_generation().unwrap_err();
    assert_eq!(error.code(), JetErr::FileAlreadyExists);
    let kept = rig.memory.read_file(naming().archived(1)).unwrap();
    assert_eq!(kept, b"something else");
}

fn fill_the_disk(rig: &Rig) {
    let mut used = 0;
    for entry in rig.memory.list(Path::new(DIRECTORY)).unwrap() {
        let path = Path::new(DIRECTORY).join(entry.name);
        used += rig.memory.stat(&path).unwrap().len;
    }
    rig.memory.set_capacity(used);
}

fn ending_records() -> [LogRecord<'static>; 2] {
    let mark = LogRecord::ShutDownMark(Marker {});
    let term = Term2 {
        start: LogPosition::default(),
        redo_from: LogPosition::default(),
        hard: 0,
        time: LogTime::default(),
    };
    [mark, LogRecord::Term2(term)]
}

#[test]
fn on_a_full_disk_a_reserve_log_lets_the_instance_end() {
    let rig = Rig {
        reserve: true,
        ..Rig::new()
    };
    let log = rig.create();
    assert!(rig.fs.stat(Path::new("/l/edbres00001.jrs")).is_ok());
    assert!(rig.fs.stat(Path::new("/l/edbres00002.jrs")).is_ok());
    fill_the_disk(&rig);
    let (mut all, mut refused) = (Vec::new(), None);
    for number in 0..40 {
        log.prepare_next().unwrap();
        let result = append(&log, &[record(number, 3000)], &mut all).and_then(|it| log.flush_to(it.end));
        if let Err(error) = result {
            refused = Some((number, error));
            break;
        }
    }
    let (number, error) = refused.unwrap();
    assert_eq!(error.code(), JetErr::LogDiskFull);
    assert!(number > 14 && log.is_disk_full() && log.is_failed().is_none());
    let end = log.append(&ending_records()).unwrap().end;
    log.flush_to(end).unwrap();
    assert!(rig.fs.stat(Path::new("/l/edbres00002.jrs")).is_err());
    let header = rig.load(&naming().current()).header().clone();
    assert_eq!(header.generation, 2);
    assert!(header.flags.contains(crate::format::LogFlags::FROM_RESERVE));
    drop(log);
    let found = rig.records().unwrap();
    assert_eq!(found.len(), all.len() + 2);
    assert!(is_prefix(&found[..all.len()], &all));
    // With space again, the log goes on, and the reserve is complete again.
    rig.memory.set_capacity(1 << 32);
    let log = rig.reopen().unwrap();
    assert!(rig.fs.stat(Path::new("/l/edbres00002.jrs")).is_ok());
    append(&log, &[record(99, 3000)], &mut all).unwrap();
    log.flush_to(log.end()).unwrap();
}

#[test]
fn the_first_log_of_a_sequence_may_be_a_reserve_log() {
    let rig = Rig {
        reserve: true,
        ..Rig::new()
    };
    // Room for the reserve alone.
    rig.memory.set_capacity(2 * rig.options().file_len + 4096);
    let log = rig.create();
    let mut all = Vec::new();
    let end = append(&log, &[record(1, 100)], &mut all).unwrap().end;
    log.flush_to(end).unwrap();
    drop(log);
    assert_eq!(rig.records().unwrap(), all);
}

#[test]
fn without_a_reserve_a_full_disk_ends_the_log() {
    for reserve in [false, true] {
        let rig = Rig {
            reserve,
            ..Rig::new()
        };
        let log = rig.create();
        fill_the_disk(&rig);
        let rolls = (0..9).take_while(|_| log.begin_generation().is_ok()).count();
        assert_eq!(rolls, if reserve { 2 } else { 0 });
        assert_eq!(log.is_failed(), Some(JetErr::LogDiskFull));
        let error = log.append(&ending_records()).unwrap_err();
        assert_eq!(error.code(), JetErr::LogDiskFull);
        assert!(rig.records().unwrap().is_empty());
        rig.memory.set_capacity(1 << 32);
        let log = rig.reopen().unwrap();
        append(&log, &[record(1, 9)], &mut Vec::new()).unwrap();
        log.flush_to(log.end()).unwrap();
    }
}
