//! The `jetfs` command: reads the command line, runs one subcommand, and turns its result into an exit code.

mod commands;
mod compare;
mod control;
mod daemon;
mod errno;
mod event;
mod exit;
mod fuse;
mod interrupt;
mod launch;
mod live_backup;
mod logging;
mod mount_helper;
mod mount_point;
mod mount_table;
mod opened_recovery;
mod opened_source;
mod output;
mod request;
mod state_file;
mod systemd;
mod tree;
mod watch;

use clap::Parser;
use commands::Command;
use output::Output;
use std::process::ExitCode;

/// Mounts the backup of an Extensible Storage Engine (ESE, JET Blue) instance as a read-only directory.
///
/// Databases (.edb, .dit, .dat), logs and checkpoint appear as files, byte for byte as the source has them; every
/// page is verified while it is read, and nothing is ever written to the source.
#[derive(Debug, Parser)]
#[command(name = "jetfs", version, after_help = EXIT_CODES, after_long_help = EXAMPLES, max_term_width = 110)]
pub(crate) struct Cli {
    /// What to log on stderr: error, warn, info, debug, trace, or a filter such as `jetfs=debug`
    #[arg(
        long,
        global = true,
        value_name = "FILTER",
        env = "JETFS_LOG",
        default_value = "warn"
    )]
    log: String,

    /// Print what a script would parse as JSON on stdout
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 usage, 3 refused (would be wrong or unsafe), 4 busy, 5 incomplete or aborted,
6 damaged data found.";

const EXAMPLES: &str = "\
Exit codes:
  0  done
  1  failed
  2  usage
  3  refused: it would be wrong or unsafe
  4  busy
  5  incomplete or aborted
  6  damaged data found

Examples:
  jetfs mount /srv/ad/ntds /mnt/backup     # show an instance's files, verified while read
  rsync -a /mnt/backup/ /backup/ntds/      # copy them with any tool
  jetfs umount /mnt/backup                 # end the backup and say how it went
  jetfs mount --recovered /evidence /mnt/e # the databases of a dirty set, clean

  jetfs info SRUDB.dat --tables            # what is in a database
  jetfs log /srv/ad/ntds --summary          # what is in its transaction logs
  jetfs recover -o /tmp/clean /evidence/sru # replay the logs of a dirty set into a clean copy
  jetfs restore /backup/full /backup/mon /srv/new # clean databases from backup sets
  jetfs completions bash > /etc/bash_completion.d/jetfs";

fn main() -> ExitCode {
    let cli = Cli::parse_from(mount_helper::translate(std::env::args_os().collect()));
    let output = Output { json: cli.json };
    let result =
        logging::start(&cli.log, cli.command.log_file()).and_then(|()| cli.command.run(&cli.log, &output));
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            output.error(&error);
            exit::Exit::of(&error).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
