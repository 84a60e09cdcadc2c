//! The subcommands, one file each: its arguments with their help, and a `run` that calls the rest.

mod backup;
mod completions;
mod daemon;
mod demo;
mod info;
mod log;
mod mount;
mod recover;
mod restore;
mod seal;
mod serve;
mod status;
mod umount;
mod verify;

use crate::exit::Exit;
use crate::output::Output;
use std::path::Path;

/// A subcommand with its arguments.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Mount(Box<mount::Args>),
    Umount(umount::Args),
    Status(status::Args),
    Seal(seal::Args),
    Backup(backup::Args),
    Info(info::Args),
    Log(log::Args),
    Verify(verify::Args),
    Recover(Box<recover::Args>),
    Restore(Box<restore::Args>),
    Serve(serve::Args),
    Demo(demo::Args),
    Completions(completions::Args),
    #[command(hide = true)]
    Daemon(daemon::Args),
}

impl Command {
    /// Runs it; `filter` is that of the log, for a process that it starts.
    ///
    /// # Errors
    /// What went wrong; [`Exit::of`] says the exit code.
    pub(crate) fn run(self, filter: &str, output: &Output) -> anyhow::Result<Exit> {
        match self {
            Command::Mount(args) => args.run(filter, output),
            Command::Umount(args) => args.run(output),
            Command::Status(args) => args.run(output),
            Command::Seal(args) => args.run(output),
            Command::Backup(args) => args.run(output),
            Command::Info(args) => args.run(output),
            Command::Log(args) => args.run(output),
            Command::Verify(args) => args.run(output),
            Command::Recover(args) => args.run(output),
            Command::Restore(args) => args.run(output),
            Command::Serve(args) => args.run(output),
            Command::Demo(args) => args.run(output),
            Command::Completions(args) => args.run(),
            Command::Daemon(args) => args.run(),
        }
    }

    /// The file that the log goes to instead of stderr.
    pub(crate) fn log_file(&self) -> Option<&Path> {
        match self {
            Command::Mount(args) => args.log_file(),
            Command::Daemon(args) => args.log_file(),
            _ => None,
        }
    }
}
