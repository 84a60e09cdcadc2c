//! `jetfs serve`.

use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::systemd;
use anyhow::{Context, Result};
use jetfs::engine::{Instance, Parameters, Term};
use jetfs::io::RealFileSystem;
use jetfs::service::Service;
use jetfs::source::at_rest::{AtRestPaths, Inventory};
use jetfs::source::live::LiveOptions;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// How often it is looked whether the command should end.
const PAUSE: Duration = Duration::from_millis(50);

/// Host an instance, so that it can be backed up while it runs
#[derive(Debug, clap::Args)]
#[command(
    long_about = "\
Host an instance, so that it can be backed up while it runs.

Starts jetfs's own engine on the instance in DIR: its logs are replayed if the last run did not end well, and its databases \
are attached. `jetfs mount DIR MOUNTPOINT` then begins a backup of it. Stays until SIGTERM or Ctrl-C, and shuts the instance \
down cleanly. A socket in DIR, which only this user and root may use, is how other commands find it.",
    after_help = "\
Examples:
  jetfs serve /srv/orders &
  jetfs mount --on-umount truncate /srv/orders /mnt/backup
  rsync -a /mnt/backup/ /backup/orders/
  jetfs umount /mnt/backup

Exit codes: 0 shut down cleanly; 3 there is no instance in DIR; 4 it is in use; 6 it is damaged."
)]
pub(crate) struct Args {
    /// Directory of the instance
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// Directory of the logs, if they are not in DIR
    #[arg(long, value_name = "DIR")]
    log_dir: Option<PathBuf>,

    /// A further database (may be given several times)
    #[arg(long, value_name = "FILE")]
    database: Vec<PathBuf>,

    /// Delete logs that recovery needs no more; incremental backups are then impossible
    #[arg(long)]
    circular: bool,

    /// Where pages are kept that are overwritten during a backup [default: DIR]
    #[arg(long, value_name = "DIR")]
    temp_dir: Option<PathBuf>,
}

impl Args {
    /// Hosts until a signal comes.
    pub(crate) fn run(self, output: &Output) -> Result<Exit> {
        let interrupt = Interrupt::listen()?;
        let found = self.look()?;
        let instance = Instance::init(self.parameters(&found)?)?;
        let databases = self.attach(&instance, &found)?;
        let options = LiveOptions {
            kept_pages: self.temp_dir.clone(),
            ..LiveOptions::default()
        };
        let service = Service::start(&instance, options)?;
        let shown = self.directory.display();
        output.note(format_args!(
            "hosting {shown}, {databases} of its databases attached; Ctrl-C shuts it down"
        ));
        systemd::notify_ready();
        while !interrupt.happened() {
            sleep(PAUSE);
        }
        drop(service);
        instance.term(Term::Complete)?;
        output.note(format_args!("{shown} is shut down cleanly"));
        Ok(Exit::Done)
    }

    fn look(&self) -> Result<Inventory> {
        let paths = AtRestPaths {
            sources: vec![self.directory.clone()],
            log_dir: self.log_dir.clone(),
            system_dir: None,
            databases: self.database.clone(),
        };
        let nothing = || {
            Failure::refused(format!("{} holds no instance", self.directory.display()))
                .advise("Name the directory of an instance's logs and databases.")
        };
        let found = Inventory::take(&RealFileSystem, &paths).context(nothing())?;
        if found.databases.is_empty() {
            return Err(nothing().into());
        }
        Ok(found)
    }

    /// What the files that are there tell.
    fn parameters(&self, found: &Inventory) -> Result<Parameters> {
        let mut parameters = Parameters::new(&self.directory).circular_log(self.circular);
        if let Some(directory) = &self.log_dir {
            parameters = parameters.log_file_path(directory);
        }
        let facts = found
            .databases
            .iter()
            .find_map(|database| database.facts.as_ref().ok());
        if let Some(facts) = facts {
            parameters = parameters.database_page_size(u32::try_from(facts.header.page_size.bytes())?);
        }
        let Some(sequence) = found.sequences.first() else {
            return Ok(parameters);
        };
        let header = sequence.logs.iter().find_map(|log| log.header.as_ref().ok());
        if let Some(header) = header {
            parameters = parameters.log_file_size(u32::try_from(header.file_len() / 1024)?);
        }
        Ok(parameters.base_name(&sequence.base))
    }

    fn attach(&self, instance: &Instance, found: &Inventory) -> Result<usize> {
        let paths = found.databases.iter().map(|database| &database.entry.file.path);
        let mut count = 0;
        for path in paths {
            let path: &Path = path;
            instance.attach_database(path)?;
            count += 1;
        }
        Ok(count)
    }
}
