//! The subcommands, one file each: its arguments with their help, and a `run` that calls the rest.

mod completions;
mod demo;
mod info;
mod verify;

use crate::exit::Exit;
use crate::output::Output;

/// A subcommand with its arguments.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Info(info::Args),
    Verify(verify::Args),
    Demo(demo::Args),
    Completions(completions::Args),
}

impl Command {
    /// Runs it.
    ///
    /// # Errors
    /// What went wrong; [`Exit::of`] says the exit code.
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<Exit> {
        match self {
            Command::Info(args) => args.run(output),
            Command::Verify(args) => args.run(output),
            Command::Demo(args) => args.run(output),
            Command::Completions(args) => args.run(),
        }
    }
}
