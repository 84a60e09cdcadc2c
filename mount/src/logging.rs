//! Where log lines go: stderr, filtered by `--log` or `JETFS_LOG`.

use crate::exit::{Exit, Failure};
use tracing_subscriber::EnvFilter;

/// Starts logging to stderr with a filter such as `warn` or `jetfs=debug`.
///
/// # Errors
/// The filter cannot be parsed.
pub(crate) fn start(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|e| {
        Failure::new(Exit::Usage, format!("--log {filter}: {e}")).advise("Try `--log debug`.")
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    Ok(())
}
