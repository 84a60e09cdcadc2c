//! The power goes in every operation, with writes torn, lost and reordered.

use super::*;
use crate::format::log_record::RecoveryUndo2;
use crate::io::{CutKind, Which, count_up};

/// What was done before the power went.
#[derive(Default)]
struct Done {
    all: Vec<Placed>,
    /// So many of them were acknowledged.
    acknowledged: usize,
}

/// Appends and flushes until it is done or something fails.
fn work(log: &LogStream, random: &mut Seeded, done: &mut Done) -> JetResult<()> {
    let mut number = done.all.len();
    for _ in 0..14 {
        let group = group(random, &mut number);
        let end = append(log, &group, &mut done.all)?.end;
        if random.one_in(2) {
            log.flush_to(end)?;
            done.acknowledged = done.all.len();
        }
        if random.one_in(12) {
            log.begin_generation()?;
            done.acknowledged = done.all.len();
        }
        if random.one_in(8) {
            log.prepare_next()?;
        }
    }
    Ok(())
}

/// What the disk holds is a beginning of what was done, with all that was acknowledged.
fn check(rig: &Rig, done: &mut Done) {
    let cut = rig.fs.last_cut().unwrap();
    for place in rig.places() {
        let damage = rig.load(&place.path).damage();
        assert!(damage.is_none(), "{cut}: {}", damage.unwrap());
    }
    let found = rig.records().unwrap_or_else(|error| panic!("{cut}: {error}"));
    assert!(
        found.len() >= done.acknowledged,
        "{cut}: acknowledged records are lost"
    );
    assert!(is_prefix(&found, &done.all), "{cut}: not what was appended");
    done.all.truncate(found.len());
    done.acknowledged = found.len();
}

/// Does what recovery does: removes what a torn write left, and appends its own mark.
fn recover(rig: &Rig, done: &mut Done) {
    let last = rig.load(&rig.places().pop().unwrap().path);
    let mut writer = LogAppender::after(&last, naming(), LogTime::default()).unwrap();
    let mark = RecoveryUndo2 {
        time: LogTime::default(),
    };
    writer.append(&LogRecord::RecoveryUndo2(mark)).unwrap();
    writer.close_segment();
    writer.take_writes().write(&rig.fs).unwrap();
    let found = rig.records().unwrap();
    assert_eq!(found.len(), done.all.len() + 1);
    done.all = found;
    done.acknowledged = done.all.len();
}

#[test]
fn what_was_acknowledged_survives_a_power_cut_in_every_operation() {
    let mut kinds = Vec::new();
    let mut torn = 0;
    for seed in 0..40 {
        count_up(|k| {
            let rig = Rig::new();
            let log = rig.create();
            let mut random = Seeded::new(seed);
            let mut done = Done::default();
            rig.fs
                .cut_power_at(k, Which::Changing, seed.wrapping_mul(977) + k);
            let result = work(&log, &mut random, &mut done);
            let reached = rig.fs.reached();
            assert_eq!(result.is_err(), reached);
            if !reached {
                rig.fs.cut_power(seed).unwrap();
            }
            drop(log);
            rig.fs.restart();
            kinds.push(rig.fs.last_cut().unwrap().kind);
            torn += u32::from(rig.load(&rig.places().pop().unwrap().path).is_torn());
            check(&rig, &mut done);
            recover(&rig, &mut done);
            let log = rig.reopen().unwrap();
            work(&log, &mut random, &mut done).unwrap();
            rig.fs.cut_power(seed + k).unwrap();
            drop(log);
            rig.fs.restart();
            check(&rig, &mut done);
            reached
        });
    }
    for kind in [CutKind::Lost, CutKind::Torn, CutKind::Reordered, CutKind::Kept] {
        assert!(kinds.contains(&kind), "{kind:?} never came up");
    }
    assert!(torn > 20, "only {torn} torn writes of {}", kinds.len());
}

#[test]
fn a_log_is_there_as_a_whole_or_not_at_all_when_the_power_goes_while_it_is_made() {
    for seed in 0..20 {
        count_up(|k| {
            let rig = Rig {
                reserve: true,
                ..Rig::new()
            };
            rig.fs.cut_power_at(k, Which::Changing, seed);
            let made = LogStream::create(rig.options(), header()).is_ok();
            let reached = rig.fs.reached();
            if !reached {
                rig.fs.cut_power(seed).unwrap();
            }
            rig.fs.restart();
            let there = rig.fs.stat(&naming().current()).is_ok();
            assert!(there || !made);
            let mut all = Vec::new();
            let log = if there {
                rig.reopen().unwrap()
            } else {
                rig.create()
            };
            append(&log, &[record(1, 5000)], &mut all).unwrap();
            log.flush_to(log.end()).unwrap();
            assert_eq!(rig.records().unwrap(), all);
            reached
        });
    }
}

#[test]
fn going_on_survives_a_power_cut_in_every_operation() {
    for seed in 0..20 {
        count_up(|k| {
            let rig = Rig::new();
            let log = rig.create();
            let mut done = Done::default();
            work(&log, &mut Seeded::new(seed), &mut done).unwrap();
            // A torn write to begin with.
            append(&log, &[record(1000, 9000), record(1001, 9000)], &mut done.all).unwrap();
            rig.fs.cut_power_at(2, Which::Changing, seed);
            assert!(log.flush_to(log.end()).is_err());
            rig.fs.restart();
            check(&rig, &mut done);
            rig.fs.cut_power_at(k, Which::Changing, seed + k);
            let result = rig.reopen();
            let reached = rig.fs.reached();
            assert_eq!(result.is_err(), reached);
            if !reached {
                rig.fs.cut_power(seed).unwrap();
            }
            rig.fs.restart();
            check(&rig, &mut done);
            let log = rig.reopen().unwrap();
            work(&log, &mut Seeded::new(seed + 1), &mut done).unwrap();
            reached
        });
    }
}

#[test]
fn a_segment_that_rots_is_damage_unless_it_is_of_the_last_write() {
    let rig = Rig::new();
    let (log, mut all) = (rig.create(), Vec::new());
    for number in 0..3 {
        append(&log, &[record(number, 9000)], &mut all).unwrap();
        log.flush_to(log.end()).unwrap();
    }
    let last_write = all[2].0.sector;
    let end = log.end().sector;
    let whole = rig.memory.read_file(naming().current()).unwrap();
    for slot in 1..end {
        for zero in [false, true] {
            let mut bytes = whole.clone();
            let start = usize::from(slot) * SEGMENT_LEN;
            if zero {
                bytes[start..start + SEGMENT_LEN].fill(0);
            } else {
                bytes[start + 600] ^= 3;
            }
            rig.memory.write_file(naming().current(), &bytes).unwrap();
            let log = rig.load(&naming().current());
            assert_eq!(log.damage().is_some(), slot < last_write, "slot {slot}");
            // Nothing tells of a last segment that never was.
            let is_gone = zero && slot + 1 == end;
            assert_eq!(log.is_torn(), slot >= last_write && !is_gone);
            if log.is_torn() {
                assert_eq!(log.end_position().sector, slot);
                let mut writer = LogAppender::after(&log, naming(), LogTime::default()).unwrap();
                writer.take_writes().write(&rig.fs).unwrap();
                let repaired = rig.load(&naming().current());
                assert!(!repaired.is_torn() && repaired.end_position() == log.end_position());
            }
        }
    }
}
