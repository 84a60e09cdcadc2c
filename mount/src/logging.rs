//! Where log lines go: stderr, or the file of a mount process; filtered by `--log` or `JETFS_LOG`.

use crate::exit::{Exit, Failure};
use anyhow::Context;
use std::fs::File;
use std::path::Path;
use std::sync::Mutex;
use tracing_subscriber::EnvFilter;

/// Starts logging with a filter such as `warn` or `jetfs=debug`, to a file or to stderr.
///
/// # Errors
/// The filter cannot be parsed, or the file cannot be opened.
pub(crate) fn start(filter: &str, file: Option<&Path>) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|e| {
        Failure::new(Exit::Usage, format!("--log {filter}: {e}")).advise("Try `--log debug`.")
    })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    match file {
        Some(path) => {
            let file = File::options()
                .append(true)
                .create(true)
                .open(path)
                .with_context(|| format!("cannot write the log file {}", path.display()))?;
            lines.with_writer(Mutex::new(file)).init();
        }
        None => lines.with_writer(std::io::stderr).init(),
    }
    Ok(())
}
