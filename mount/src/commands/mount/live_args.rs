//! The options of `jetfs mount` that are for running instances.

use super::{absolute_string, chosen, unknown_option};
use crate::exit::{Exit, Failure};
use crate::live_backup::{Kind, LiveRequest, Mode, OnUmount};
use anyhow::Result;
use std::ffi::OsString;
use std::path::PathBuf;

/// Options of the backup of a running instance
#[derive(Debug, Default, Clone, clap::Args)]
#[command(next_help_heading = "Running instances")]
pub(super) struct LiveArgs {
    /// How the files become consistent with each other: frozen, stream or spool [default: frozen]; an octal number is
    /// what --permissions takes
    #[arg(long, value_name = "MODE", value_parser = parse_mode_argument)]
    mode: Option<ModeArgument>,

    /// What the backup is meant to be [default: full]
    #[arg(long, value_enum, value_name = "KIND")]
    kind: Option<Kind>,

    /// What happens when it is unmounted [default: end]
    #[arg(long, value_enum, value_name = "WHAT")]
    on_umount: Option<OnUmount>,

    /// With --mode stream: seal as soon as every database was read to its end
    #[arg(long)]
    auto_seal: bool,

    /// With --mode spool: where the copy is made [default: the system's directory of temporary files]
    #[arg(long, value_name = "DIR")]
    spool_dir: Option<PathBuf>,

    /// End the backup when nobody has read for so long; the mount stays, and every access is an error
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,

    /// End the backup when the instance has to keep more than N logs for it; warns at three quarters
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_logs: Option<u32>,

    /// Show an empty .pat file for each database (JetRestore wants to find them)
    #[arg(long)]
    patch_files: bool,
}

/// What `--mode` may say: that of a backup, or as in mount(8) that of the files.
#[derive(Debug, Clone, Copy)]
enum ModeArgument {
    Backup(Mode),
    Permissions(u16),
}

fn parse_mode_argument(text: &str) -> Result<ModeArgument, String> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return super::parse_mode(text).map(ModeArgument::Permissions);
    }
    let known = "frozen, stream, spool, or an octal number for the permissions of the files";
    chosen(text)
        .map(ModeArgument::Backup)
        .ok_or_else(|| format!("is none of {known}"))
}

impl LiveArgs {
    /// The permissions of the files, if `--mode` gives them.
    pub(super) fn permissions(&self) -> Option<u16> {
        match self.mode {
            Some(ModeArgument::Permissions(permissions)) => Some(permissions),
            _ => None,
        }
    }

    fn backup_mode(&self) -> Option<Mode> {
        match self.mode {
            Some(ModeArgument::Backup(mode)) => Some(mode),
            _ => None,
        }
    }

    /// What is asked for.
    pub(super) fn request(&self) -> LiveRequest {
        LiveRequest {
            kind: self.kind,
            on_umount: self.on_umount,
            mode: self.backup_mode(),
            auto_seal: self.auto_seal,
            timeout: self.timeout,
            max_logs: self.max_logs,
            patch_files: self.patch_files,
        }
    }

    /// Where a spool is made.
    ///
    /// # Errors
    /// There will be none.
    pub(super) fn spool_dir(&self) -> Result<Option<OsString>> {
        if self.spool_dir.is_some() && self.backup_mode() != Some(Mode::Spool) {
            return Err(Failure::new(Exit::Usage, "--spool-dir needs --mode spool").into());
        }
        self.spool_dir.as_deref().map(absolute_string).transpose()
    }

    /// One option of `-o`; answers whether it is one of these.
    ///
    /// # Errors
    /// It is, and its value is not.
    pub(super) fn apply(&mut self, name: &str, value: &str) -> std::result::Result<bool, Failure> {
        let bad = || unknown_option(&format!("{name}={value}"));
        match name {
            "mode" if !value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.mode = Some(ModeArgument::Backup(chosen(value).ok_or_else(bad)?));
            }
            "kind" => self.kind = Some(chosen(value).ok_or_else(bad)?),
            "on_umount" => self.on_umount = Some(chosen(value).ok_or_else(bad)?),
            "auto_seal" => self.auto_seal = true,
            "spool_dir" => self.spool_dir = Some(value.into()),
            "timeout" => self.timeout = Some(value.parse().map_err(|_| bad())?),
            "max_logs" => self.max_logs = Some(value.parse().map_err(|_| bad())?),
            "patch_files" => self.patch_files = true,
            _ => return Ok(false),
        }
        Ok(true)
    }
}
