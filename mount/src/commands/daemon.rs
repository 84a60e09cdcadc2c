//! `jetfs daemon`, hidden: what `jetfs mount` starts in the background.

use crate::daemon;
use crate::exit::Exit;
use crate::launch::Launched;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// Serve a mount (started by `jetfs mount`, with the request on stdin)
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Append the log to a file
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
}

impl Args {
    /// Serves until the end.
    pub(crate) fn run(self) -> Result<Exit> {
        let (mut launcher, request) = Launched::detach()?;
        match daemon::serve(&request, &mut launcher) {
            Ok(outcome) => Ok(outcome.exit),
            Err(error) => {
                launcher.failed(&error);
                // The launcher prints it.
                Ok(Exit::of(&error))
            }
        }
    }

    /// The file that the log goes to instead of stderr.
    pub(crate) fn log_file(&self) -> Option<&Path> {
        self.log_file.as_deref()
    }
}
