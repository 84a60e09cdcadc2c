//! Ctrl-C in a command that has something to clean up: the signal becomes a question that its steps ask.

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Whether somebody asked the command to stop, by SIGINT, SIGTERM or SIGHUP.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on the signals no longer end the process. Programs that it starts hear them as ever.
    pub(crate) fn listen() -> Result<Self> {
        let mut signals = SigSet::empty();
        signals.extend([Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]);
        signals.thread_block().context("cannot block signals")?;
        let happened = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&happened);
        thread::Builder::new().name("signals".into()).spawn(move || {
            while signals.wait().is_ok() {
                noted.store(true, Ordering::Relaxed);
            }
        })?;
        Ok(Interrupt(happened))
    }

    /// Whether a signal came.
    pub(crate) fn happened(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
