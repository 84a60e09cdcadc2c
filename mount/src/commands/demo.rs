//! `jetfs demo`.

use crate::exit::{Exit, Failure};
use crate::output::Output;

/// (in preparation)
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

impl Args {
    /// Runs it.
    pub(crate) fn run(self, _output: &Output) -> anyhow::Result<Exit> {
        Err(Failure::refused("demo is in preparation").into())
    }
}
