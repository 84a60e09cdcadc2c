//! How far a recovery is; shown only where stderr is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jetfs::recovery::{InstanceFiles, Progress};
use std::fs;

/// A bar on the terminal.
pub(in crate::commands) struct Bar(ProgressBar);

impl Bar {
    /// For the reading of the logs.
    pub(in crate::commands) fn of_replay(files: &InstanceFiles) -> Self {
        let logs = files.logs.values();
        let lengths = logs.filter_map(|log| fs::metadata(&log.path).ok());
        Self::of_logs(lengths.map(|log| log.len()).sum())
    }

    /// For the reading of so many bytes of logs.
    pub(in crate::commands) fn of_logs(bytes: u64) -> Self {
        Self::new(bytes, "replaying")
    }

    /// For the writing of pages.
    pub(in crate::commands) fn of_writing(bytes: u64) -> Self {
        Self::new(bytes, "writing")
    }

    /// For so many bytes of something else.
    pub(in crate::commands) fn new(bytes: u64, what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
        let template = "{msg} {bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
        let bar = match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        Bar(bar.with_message(what))
    }

    /// Records were replayed.
    pub(in crate::commands) fn replayed(&self, progress: Progress) {
        self.at(progress.generation, progress.last, progress.log_bytes);
    }

    /// Generation `generation` of those up to `last` is read, and so many bytes of logs were.
    pub(in crate::commands) fn at(&self, generation: u32, last: u32, log_bytes: u64) {
        self.0
            .set_message(format!("generation {generation:#x} of {last:#x}"));
        self.0.set_position(log_bytes);
    }

    /// So many bytes more are to be written than was known.
    pub(in crate::commands) fn more(&self, bytes: u64) {
        self.0.inc_length(bytes);
    }

    /// So many bytes of so many are done.
    pub(in crate::commands) fn of(&self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }

    /// So many bytes more were written.
    pub(in crate::commands) fn wrote(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    /// Takes it away.
    pub(in crate::commands) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
