//! Damage that a backup of a running instance meets: what it answers, and which events it tells (external-backup.md
//! sections 4.3 and 4.6).

use super::rig::{DATABASE, Rig};
use crate::backup::{BackupSession, PhaseName};
use crate::engine::Event;
use crate::error::JetErr;
use crate::io::{Clock, MemoryFileSystem, RealClock};
use crate::source::live::{LiveOptions, LiveSource};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

const PAGE: usize = 4096;

type Act = Box<dyn FnOnce() + Send>;

/// A clock whose pauses take no time; in one of them something is done.
#[derive(Default)]
struct Pauses {
    slept: Mutex<Vec<Duration>>,
    at: Mutex<Option<(usize, Act)>>,
}

impl std::fmt::Debug for Pauses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pauses")
    }
}

impl Clock for Pauses {
    fn now(&self) -> SystemTime {
        RealClock.now()
    }

    fn sleep(&self, duration: Duration) {
        let mut slept = self.slept.lock();
        slept.push(duration);
        let mut at = self.at.lock();
        if at.as_ref().is_some_and(|(count, _)| *count == slept.len())
            && let Some((_, act)) = at.take()
        {
            act();
        }
    }
}

struct Damaged {
    rig: Rig,
    backup: BackupSession,
    clock: Arc<Pauses>,
    events: Arc<Mutex<Vec<u32>>>,
}

impl Damaged {
    /// An instance with rows, all written, and a full backup that has begun.
    fn new() -> Self {
        let (clock, events) = (Arc::new(Pauses::default()), Arc::new(Mutex::new(Vec::new())));
        let heard = Arc::clone(&events);
        let rig = Rig::with(
            |parameters| {
                parameters.event_sink(move |event| {
                    if let Event::Backup { number, .. } = event {
                        heard.lock().push(*number);
                    }
                })
            },
            clock.clone(),
            |fs| fs,
        );
        rig.commit(&rig.session(), 0, 0, 300);
        rig.instance.flush().unwrap();
        let source = LiveSource::new(&rig.instance, LiveOptions::default());
        let backup = BackupSession::new(Arc::new(source));
        backup.begin(0).unwrap();
        Damaged {
            rig,
            backup,
            clock,
            events,
        }
    }

    /// Changes a byte of page 5, and answers how to mend it.
    fn change_page(&self, changes: &[(usize, u8)]) -> impl FnOnce() + Send + 'static {
        let good = self.rig.fs.read_file(DATABASE).unwrap();
        let mut bad = good.clone();
        changes.iter().for_each(|(at, bits)| bad[6 * PAGE + at] ^= bits);
        let fs = Arc::clone(&self.rig.fs);
        write_in_place(&fs, &bad);
        move || write_in_place(&fs, &good)
    }

    fn read_database(&self) -> Result<usize, JetErr> {
        let (handle, _) = self.backup.open_file(Path::new(DATABASE).as_os_str()).unwrap();
        let read = self.backup.read_file(handle, &mut vec![0; 16 * PAGE]);
        if read.is_ok() {
            self.backup.close_file(handle).unwrap();
        } else {
            let closed = self.backup.close_file(handle).unwrap_err();
            assert_eq!(closed.code(), JetErr::InvalidParameter, "it was closed by itself");
        }
        read.map_err(|error| error.code())
    }

    fn take_events(&self) -> Vec<u32> {
        std::mem::take(&mut self.events.lock())
    }
}

fn write_in_place(fs: &MemoryFileSystem, bytes: &[u8]) {
    use crate::io::{FileSystem, OpenMode};
    let file = fs.open(Path::new(DATABASE), OpenMode::ReadWrite).unwrap();
    file.write_all_at(bytes, 0).unwrap();
}

#[test]
fn a_damaged_page_is_read_seventeen_times_in_13_6_seconds_and_then_its_database_leaves_the_backup() {
    let damaged = Damaged::new();
    let mend = damaged.change_page(&[(1000, 0x55), (2000, 0x7)]);
    assert_eq!(damaged.read_database(), Err(JetErr::ReadVerifyFailure));
    let slept: Duration = damaged.clock.slept.lock().iter().sum();
    assert_eq!(slept, Duration::from_millis(13_600));
    let mut expected = vec![210, 220];
    expected.extend([474; 17]);
    expected.extend([217, 222]);
    assert_eq!(damaged.take_events(), expected);
    // The same database may be opened again, and then counts.
    mend();
    damaged.rig.copy_streamed(&damaged.backup, "/set");
    damaged.backup.truncate_log().unwrap();
    damaged.backup.end().unwrap();
    assert_eq!(damaged.take_events(), [220, 221, 223, 224, 213]);
}

#[test]
fn a_page_that_mends_meanwhile_is_delivered_and_told() {
    let damaged = Damaged::new();
    let mend = damaged.change_page(&[(1000, 0x55), (2000, 0x7)]);
    *damaged.clock.at.lock() = Some((5, Box::new(mend)));
    assert_eq!(damaged.read_database(), Ok(16 * PAGE));
    assert_eq!(
        damaged.take_events(),
        [210, 220, 474, 474, 474, 474, 474, 493, 222]
    );
}

#[test]
fn a_page_with_one_wrong_bit_is_repaired_in_what_is_delivered_and_told() {
    let damaged = Damaged::new();
    let _mend = damaged.change_page(&[(1000, 0x04)]);
    assert_eq!(damaged.read_database(), Ok(16 * PAGE));
    assert!(damaged.clock.slept.lock().is_empty());
    assert_eq!(damaged.take_events(), [210, 220, 399, 222]);
}

#[test]
fn a_damaged_log_is_found_where_it_is_read_and_ends_the_backup() {
    for (at, events) in [(500, vec![552, 218, 214]), (5 * PAGE + 100, vec![218, 214])] {
        let damaged = Damaged::new();
        let logs = damaged.backup.get_log_info().unwrap().files;
        let path = &logs[0].path;
        let mut bytes = damaged.rig.fs.read_file(path).unwrap();
        bytes[at] ^= 0xFF;
        damaged.rig.fs.write_file(path, &bytes).unwrap();
        damaged.take_events();
        let (handle, _) = damaged.backup.open_file(path.as_os_str()).unwrap();
        let mut buf = vec![0; 2 * PAGE];
        let error = loop {
            match damaged.backup.read_file(handle, &mut buf) {
                Ok(read) => assert!(read > 0, "the damage was not noticed"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.code(), JetErr::LogReadVerifyFailure);
        assert_eq!(damaged.take_events(), events);
        assert_eq!(damaged.backup.phase(), PhaseName::NotStarted);
    }
}
