//! A clock that tests set; sleeping advances it, so nothing waits.

use super::Clock;
use parking_lot::Mutex;
use std::time::{Duration, SystemTime};

/// Stands still until it is set, advanced or slept on.
#[derive(Debug)]
pub struct SettableClock(Mutex<SystemTime>);

impl SettableClock {
    /// A clock that shows `time`.
    pub fn new(time: SystemTime) -> Self {
        SettableClock(Mutex::new(time))
    }

    /// Shows another time from now on; it may go back.
    pub fn set(&self, time: SystemTime) {
        *self.0.lock() = time;
    }

    /// Goes forward. Stays where it is if the time could not be represented.
    pub fn advance(&self, duration: Duration) {
        let mut time = self.0.lock();
        *time = time.checked_add(duration).unwrap_or(*time);
    }
}

impl Default for SettableClock {
    /// 2026-01-01 00:00:00 UTC.
    fn default() -> Self {
        Self::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600))
    }
}

impl Clock for SettableClock {
    fn now(&self) -> SystemTime {
        *self.0.lock()
    }

    fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeping_advances_the_clock() {
        let clock = SettableClock::default();
        let before = clock.now();
        clock.sleep(Duration::from_secs(5));
        assert_eq!(clock.now(), before + Duration::from_secs(5));
    }
}
