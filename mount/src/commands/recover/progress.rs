//! How far a recovery is; shown only where stderr is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jetfs::recovery::{InstanceFiles, Progress};
use std::fs;

/// A bar on the terminal.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// For the reading of the logs.
    pub(super) fn of_replay(files: &InstanceFiles) -> Self {
        let logs = files.logs.values();
        let lengths = logs.filter_map(|log| fs::metadata(&log.path).ok());
        Self::new(lengths.map(|log| log.len()).sum(), "replaying")
    }

    /// For the writing of pages.
    pub(super) fn of_writing(bytes: u64) -> Self {
        Self::new(bytes, "writing")
    }

    fn new(bytes: u64, what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
        let template = "{msg} {bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
        let bar = match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        Bar(bar.with_message(what))
    }

    /// Records were replayed.
    pub(super) fn replayed(&self, progress: Progress) {
        let Progress { generation, last, .. } = progress;
        self.0
            .set_message(format!("generation {generation:#x} of {last:#x}"));
        self.0.set_position(progress.log_bytes);
    }

    /// So many bytes more were written.
    pub(super) fn wrote(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    /// Takes it away.
    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
