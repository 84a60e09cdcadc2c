//! `jetfs seal`.

use crate::control::{self, Ask};
use crate::exit::{Exit, Failure};
use crate::mount_table::{canonical, mounted_at};
use crate::output::Output;
use anyhow::Result;
use serde_json::json;
use std::path::{Path, PathBuf};

/// End the database phase of a mount in stream mode: its logs appear
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A mount with --mode stream shows databases only. When they were copied, each from its start to its end, seal: the log is \
rolled, the logs of the backup and backup.json appear, and databases cannot be opened any more.

Examples:
  jetfs mount --mode stream /srv/orders /mnt/b
  rsync -a /mnt/b/ /backup/orders/     # the databases
  jetfs seal /mnt/b
  rsync -a /mnt/b/ /backup/orders/     # the logs and backup.json
  jetfs umount /mnt/b

Exit codes: 0 sealed; 3 not a mount in stream mode; 4 a database is being read; 5 a database was not read to its end.")]
pub(crate) struct Args {
    /// Where it is mounted
    #[arg(value_name = "MOUNTPOINT")]
    mount_point: PathBuf,
}

impl Args {
    /// Seals.
    pub(crate) fn run(self, output: &Output) -> Result<Exit> {
        let mount_point = mounted(&self.mount_point)?;
        let summary = control::ask(&mount_point, &Ask::Seal, &mut |_, _| ())?;
        match output.json {
            true => output.json(&json!({ "summary": summary }))?,
            false => output.note(format_args!("{}: {summary}", self.mount_point.display())),
        }
        Ok(Exit::Done)
    }
}

/// The canonical path of a mount of ours.
///
/// # Errors
/// It is none.
pub(crate) fn mounted(path: &Path) -> Result<PathBuf> {
    let shown = path.display();
    let mount_point = canonical(path).map_err(|error| Failure::refused(format!("{shown}: {error}")))?;
    if !mounted_at(&mount_point)?.is_some_and(|mounted| mounted.is_jetfs()) {
        return Err(Failure::refused(format!("{shown} is not a jetfs mount"))
            .advise("`jetfs status` lists the mounts.")
            .into());
    }
    Ok(mount_point)
}
