//! `jetfs completions`: completion scripts for shells.

use crate::Cli;
use crate::exit::Exit;
use clap::CommandFactory;
use std::io::Write;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jetfs completions bash > /etc/bash_completion.d/jetfs
  jetfs completions zsh > ~/.zfunc/_jetfs
  jetfs completions fish > ~/.config/fish/completions/jetfs.fish")]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

impl Args {
    /// Prints the script.
    pub(crate) fn run(self) -> anyhow::Result<Exit> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "jetfs", &mut script);
        std::io::stdout().write_all(&script)?;
        Ok(Exit::Done)
    }
}
