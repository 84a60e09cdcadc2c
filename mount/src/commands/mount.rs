//! `jetfs mount`.

use crate::exit::{Exit, Failure};
use crate::launch;
use crate::mount_point;
use crate::output::Output;
use crate::request::MountRequest;
use crate::{daemon, systemd};
use anyhow::Result;
use std::ffi::OsString;
use std::path::{Path, PathBuf, absolute};

/// Mount the files of an instance as a read-only directory, verified while read
#[derive(Debug, Default, Clone, clap::Args)]
#[command(
    override_usage = "jetfs mount [OPTIONS] SOURCE... MOUNTPOINT",
    long_about = "\
Mount the files of an instance as a read-only directory, verified while read.

SOURCE is the directory of an instance that nobody has open, or ESE files. Databases, logs and checkpoint appear in
MOUNTPOINT byte for byte; backup.json describes the set; .jetfs/status.json (not listed) tells how far readers are
and what was found. A page with one flipped bit is repaired in the returned data and reported; a worse one gives its
reader EIO. The source is never written to.

Returns when the mount answers, or says why it cannot. A mount process stays until `jetfs umount`.",
    after_help = "\
Examples:
  jetfs mount /srv/ad/ntds /mnt/backup
  jetfs mount SRUDB.dat /mnt/srum                      # a single file
  jetfs mount /data/db --log-dir /data/logs /mnt/b     # logs elsewhere
  jetfs mount -o allow_other,mode=444 /srv/ad /mnt/b   # others may read
  mount -t fuse.jetfs /srv/ad /mnt/b                   # from mount(8) and fstab

Exit codes: 0 mounted; 3 refused; 4 the mount point or the source is in use; 6 a header is damaged in both copies."
)]
pub(crate) struct Args {
    /// Directories or files to show, then the directory to show them in
    #[arg(required = true, num_args = 2.., value_name = "SOURCE... MOUNTPOINT")]
    paths: Vec<PathBuf>,

    /// Directory of the logs, if they are not in SOURCE
    #[arg(long, value_name = "DIR")]
    log_dir: Option<PathBuf>,

    /// Directory of the checkpoint, if it is not in SOURCE
    #[arg(long, value_name = "DIR")]
    system_dir: Option<PathBuf>,

    /// A further database (may be given several times)
    #[arg(long, value_name = "FILE")]
    database: Vec<PathBuf>,

    /// Let other users enter the mount
    #[arg(long)]
    allow_other: bool,

    /// Owner of the files [default: the mounting user]
    #[arg(long, value_name = "UID")]
    uid: Option<u32>,

    /// Group of the files [default: the mounting user's]
    #[arg(long, value_name = "GID")]
    gid: Option<u32>,

    /// Permissions of the files, octal; who may read files may search the directory [default: 400]
    #[arg(long, value_name = "MODE", value_parser = parse_mode)]
    mode: Option<u16>,

    /// Deliver damaged pages as they are instead of failing the read; they are still reported
    #[arg(long)]
    allow_damaged: bool,

    /// Verify each file once, when it is first opened, then let the kernel read it by itself: much faster, but
    /// damage that appears later, and changes to the source, go unnoticed
    #[arg(long)]
    trust_source: bool,

    /// Take no locks on the source, for evidence on read-only media
    #[arg(long)]
    no_lock: bool,

    /// Stay in the foreground (for systemd; says READY to NOTIFY_SOCKET)
    #[arg(long)]
    foreground: bool,

    /// Append the log of the mount process to a file
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,

    /// Print nothing but errors
    #[arg(long, short)]
    quiet: bool,

    /// Options as mount(8) has them: the long options above with `_`, such as allow_other,uid=0,log_dir=/logs
    #[arg(short = 'o', value_name = "OPTIONS", value_delimiter = ',')]
    options: Vec<OsString>,
}

impl Args {
    /// Mounts.
    pub(crate) fn run(mut self, filter: &str, output: &Output) -> Result<Exit> {
        for option in std::mem::take(&mut self.options) {
            self.apply(&option)?;
        }
        let request = self.request()?;
        if self.foreground {
            let outcome = daemon::serve(&request, |ready| {
                self.announce(ready, output)?;
                systemd::notify_ready();
                Ok(())
            })?;
            output.note(&outcome.summary);
            return Ok(outcome.exit);
        }
        let ready = launch::in_background(&request, &self.daemon_arguments(filter))?;
        self.announce(&ready, output)?;
        Ok(Exit::Done)
    }

    /// The file that the log goes to instead of stderr.
    pub(crate) fn log_file(&self) -> Option<&Path> {
        self.log_file.as_deref().filter(|_| self.foreground)
    }

    fn announce(&self, ready: &daemon::Ready, output: &Output) -> Result<()> {
        if output.json {
            return output.json(ready);
        }
        if !self.quiet {
            for warning in &ready.warnings {
                output.warning(warning);
            }
            output.note(&ready.summary);
        }
        Ok(())
    }

    /// Everything that can be refused before the source is looked at.
    fn request(&self) -> Result<MountRequest> {
        let Some((mount_point, sources)) = self.paths.split_last() else {
            return Err(Failure::new(Exit::Usage, "SOURCE and MOUNTPOINT are missing").into());
        };
        let mount_point = mount_point::check(mount_point)?;
        let request = MountRequest {
            sources: all_absolute(sources)?,
            mount_point: mount_point.clone().into(),
            log_dir: self.log_dir.as_deref().map(absolute_string).transpose()?,
            system_dir: self.system_dir.as_deref().map(absolute_string).transpose()?,
            databases: all_absolute(&self.database)?,
            allow_other: self.allow_other,
            uid: self.uid,
            gid: self.gid,
            mode: self.mode,
            allow_damaged: self.allow_damaged,
            trust_source: self.trust_source,
            no_lock: self.no_lock,
        };
        mount_point::check_overlap(&mount_point, request.inputs())?;
        mount_point::check_fuse()?;
        Ok(request)
    }

    fn daemon_arguments(&self, filter: &str) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["--log".into(), filter.into(), "daemon".into()];
        if let Some(file) = &self.log_file {
            arguments.extend([
                "--log-file".into(),
                absolute(file).unwrap_or_else(|_| file.clone()).into(),
            ]);
        }
        arguments
    }

    /// One option of `-o`.
    fn apply(&mut self, option: &OsString) -> Result<()> {
        let bytes = option.as_encoded_bytes();
        let text = option.to_string_lossy();
        let (name, value) = text.split_once('=').unwrap_or((&text, ""));
        // A path need not be UTF-8, so it is cut out of the bytes.
        let path = || -> PathBuf {
            use std::os::unix::ffi::OsStrExt;
            let at = bytes
                .iter()
                .position(|byte| *byte == b'=')
                .map_or(bytes.len(), |at| at + 1);
            std::ffi::OsStr::from_bytes(bytes.get(at..).unwrap_or_default()).into()
        };
        let number = || value.parse().map_err(|_| unknown_option(&text));
        match name {
            "allow_other" => self.allow_other = true,
            "allow_damaged" => self.allow_damaged = true,
            "trust_source" => self.trust_source = true,
            "no_lock" => self.no_lock = true,
            "uid" => self.uid = Some(number()?),
            "gid" => self.gid = Some(number()?),
            "mode" => self.mode = Some(parse_mode(value).map_err(|_| unknown_option(&text))?),
            "log_dir" => self.log_dir = Some(path()),
            "system_dir" => self.system_dir = Some(path()),
            "database" => self.database.push(path()),
            "log_file" => self.log_file = Some(path()),
            // The mount is read-only, nosuid, nodev, noexec and noatime whatever is asked for.
            ""
            | "ro"
            | "rw"
            | "defaults"
            | "auto"
            | "noauto"
            | "user"
            | "nouser"
            | "users"
            | "nofail"
            | "_netdev"
            | "suid"
            | "nosuid"
            | "dev"
            | "nodev"
            | "exec"
            | "noexec"
            | "atime"
            | "noatime"
            | "relatime"
            | "norelatime"
            | "diratime"
            | "nodiratime"
            | "async"
            | "default_permissions"
            | "subtype"
            | "fsname" => {}
            _ if name.starts_with("x-") || name == "comment" => {}
            _ => return Err(unknown_option(&text).into()),
        }
        Ok(())
    }
}

fn unknown_option(option: &str) -> Failure {
    Failure::new(Exit::Usage, format!("-o {option}: not an option of jetfs mount"))
        .advise("`jetfs mount --help` lists the options; in -o they are written with `_`.")
}

fn absolute_string(path: &Path) -> Result<OsString> {
    Ok(absolute(path)?.into())
}

fn all_absolute(paths: &[PathBuf]) -> Result<Vec<OsString>> {
    paths.iter().map(|path| absolute_string(path)).collect()
}

fn parse_mode(text: &str) -> Result<u16, String> {
    match u16::from_str_radix(text, 8) {
        Ok(mode) if mode & !0o555 == 0 => Ok(mode),
        Ok(_) => Err("only read and execute permissions make sense on a read-only mount".into()),
        Err(_) => Err("an octal number such as 444".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_mount_set_what_the_long_options_set() {
        let mut args = Args::default();
        for option in [
            "rw",
            "allow_other",
            "mode=444",
            "uid=7",
            "log_dir=/a=b",
            "x-systemd.automount",
        ] {
            args.apply(&option.into()).unwrap();
        }
        assert!(args.allow_other);
        assert_eq!((args.mode, args.uid), (Some(0o444), Some(7)));
        assert_eq!(args.log_dir, Some("/a=b".into()));
    }

    #[test]
    fn an_unknown_option_is_a_usage_error() {
        let error = Args::default().apply(&"allow_othr".into()).unwrap_err();
        assert_eq!(Exit::of(&error), Exit::Usage);
        assert!(Args::default().apply(&"mode=0666".into()).is_err());
    }
}
