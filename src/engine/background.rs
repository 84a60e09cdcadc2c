//! The thread that works in the background.

use super::core::Core;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long lazy commits wait at most to become durable.
const PAUSE: Duration = Duration::from_millis(50);

/// The thread.
#[derive(Debug)]
pub(super) struct Background {
    shared: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Stop {
    is_wanted: Mutex<bool>,
    changed: Condvar,
}

impl Background {
    /// Starts it.
    ///
    /// # Errors
    /// The system has no thread.
    pub(super) fn start(core: &Arc<Core>) -> std::io::Result<Self> {
        let shared = Arc::new(Stop::default());
        let (core, stop) = (Arc::clone(core), Arc::clone(&shared));
        let builder = std::thread::Builder::new().name("jetfs-engine".to_owned());
        let thread = builder.spawn(move || run(&core, &stop))?;
        Ok(Background {
            shared,
            thread: Some(thread),
        })
    }
}

impl Drop for Background {
    /// Waits for the step that it is in.
    fn drop(&mut self) {
        *self.shared.is_wanted.lock() = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(core: &Core, stop: &Stop) {
    let mut is_wanted = stop.is_wanted.lock();
    while !*is_wanted {
        drop(is_wanted);
        // Whoever calls the instance hears of an error.
        let _ = core.work();
        is_wanted = stop.is_wanted.lock();
        if !*is_wanted {
            stop.changed.wait_for(&mut is_wanted, PAUSE);
        }
    }
}
