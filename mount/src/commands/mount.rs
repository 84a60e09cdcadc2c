//! `jetfs mount`.

mod live_args;

use self::live_args::LiveArgs;
use super::recover::progress::Bar;
use crate::daemon::{Preparing, Ready, Waiting};
use crate::exit::{Exit, Failure};
use crate::launch;
use crate::mount_point;
use crate::output::Output;
use crate::request::{MountRequest, RecoveryRequest};
use crate::{daemon, systemd};
use anyhow::Result;
use jetfs::recovery::Options;
use std::ffi::OsString;
use std::path::{Path, PathBuf, absolute};

/// Mount the files of an instance as a read-only directory, verified while read
#[derive(Debug, Default, Clone, clap::Args)]
#[command(
    override_usage = "jetfs mount [OPTIONS] SOURCE... MOUNTPOINT",
    long_about = "\
Mount the files of an instance as a read-only directory, verified while read.

SOURCE is the directory of a running instance (of a program that embeds jetfs, or of `jetfs serve`): mounting begins a \
backup, and every database is shown as of that moment, while the instance goes on; `jetfs umount` ends the backup and \
says whether all was read. With --mode stream databases are read as they are on disk, and logs appear with `jetfs seal`. \
Or SOURCE is the directory of an instance that nobody has open, or ESE files. Databases, logs and checkpoint appear in \
MOUNTPOINT byte for byte; backup.json describes the set; .jetfs/status.json (not listed) tells how far readers are \
and what was found. A page with one flipped bit is repaired in the returned data and reported; a worse one gives its \
reader EIO. The source is never written to.

With --recovered only databases appear, as plain clean files, as they will be after recovery: logs are replayed and \
open transactions undone in memory. SOURCE may also be a backup set, or a full one and its incrementals. Where logs are \
missing or damaged the mount is refused; with --best-effort it shows what can be replayed.

Returns when the mount answers, or says why it cannot. A mount process stays until `jetfs umount`.",
    after_help = "\
Examples:
  jetfs mount /srv/ad/ntds /mnt/backup
  jetfs mount --on-umount truncate /srv/orders /mnt/b  # a running instance: a full backup, incrementals may follow
  jetfs mount --kind incremental --on-umount truncate /srv/orders /mnt/b
  jetfs mount SRUDB.dat /mnt/srum                      # a single file
  jetfs mount /data/db --log-dir /data/logs /mnt/b     # logs elsewhere
  jetfs mount -o allow_other,mode=444 /srv/ad /mnt/b   # others may read
  jetfs mount --recovered /evidence/srum /mnt/srum     # replay the logs of a dirty set, without touching it
  jetfs mount --recovered /backup/full /backup/inc /mnt/b   # browse a backup without a restore
  mount -t fuse.jetfs /srv/ad /mnt/b -o recovered      # from mount(8) and fstab

Exit codes: 0 mounted; 3 refused (also: logs are missing); 4 the mount point or the source is in use; 6 a header is \
damaged in both copies, or what must be replayed is damaged."
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
    #[arg(long, value_name = "OCTAL", value_parser = parse_mode)]
    permissions: Option<u16>,

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

    /// Show the databases as they will be after recovery: their logs are replayed in memory, and what was never
    /// committed is undone; backup sets too
    #[arg(long, conflicts_with = "trust_source")]
    recovered: bool,

    /// With --recovered: where logs are missing or damaged, show what can be replayed, and say what is not there
    #[arg(long)]
    best_effort: bool,

    /// With --recovered: the database that the logs call OLD is NEW (may be given several times)
    #[arg(long, value_name = "OLD=NEW", value_parser = parse_map)]
    map: Vec<(String, PathBuf)>,

    /// With --recovered: leave databases out that are attached at the end of the logs and whose files are not there
    #[arg(long)]
    ignore_missing: bool,

    /// With --recovered: bytes of changed pages of each database that are kept in memory (K, M, G may follow); more go
    /// to a temporary file [default: 512M]
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    memory: Option<usize>,

    /// With --recovered: directory of temporary files [default: the system's]
    #[arg(long, value_name = "DIR")]
    temp_dir: Option<PathBuf>,

    #[command(flatten)]
    live: LiveArgs,

    /// Stay in the foreground (for systemd; says READY to NOTIFY_SOCKET)
    #[arg(long)]
    foreground: bool,

    /// Append the log of the mount process to a file
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,

    /// Print nothing but errors
    #[arg(long, short)]
    quiet: bool,

    /// Options as mount(8) has them: the long options with `_`, such as allow_other,uid=0,log_dir=/logs; mode=444 is
    /// permissions=444
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
            let mut waiting = Foreground {
                args: &self,
                output,
                bar: PreparingBar::default(),
            };
            let outcome = daemon::serve(&request, &mut waiting)?;
            output.note(&outcome.summary);
            return Ok(outcome.exit);
        }
        let mut bar = PreparingBar::default();
        let arguments = self.daemon_arguments(filter);
        let ready = launch::in_background(&request, &arguments, &mut |progress| bar.show(progress));
        bar.finish();
        let ready = ready?;
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
            databases: self.databases()?,
            allow_other: self.allow_other,
            uid: self.uid,
            gid: self.gid,
            mode: self.permissions.or(self.live.permissions()),
            allow_damaged: self.allow_damaged,
            trust_source: self.trust_source,
            no_lock: self.no_lock,
            recovered: self.recovery()?,
            live: self.live.request(),
            spool_dir: self.live.spool_dir()?,
        };
        request.live.check()?;
        mount_point::check_overlap(&mount_point, request.inputs())?;
        if let Some(recovery) = &request.recovered {
            mount_point::check_temp_dir(Path::new(&recovery.temp_dir), request.inputs())?;
        }
        if let Some(directory) = &request.spool_dir {
            mount_point::check_temp_dir(Path::new(directory), request.inputs())?;
        }
        mount_point::check_fuse()?;
        Ok(request)
    }

    /// Databases that were named, alone or in a map.
    fn databases(&self) -> Result<Vec<OsString>> {
        let mapped = self.map.iter().map(|(_, new)| new);
        let named = self.database.iter().chain(mapped);
        named.map(|path| absolute_string(path)).collect()
    }

    /// How the recovered view is made, if one is asked for.
    fn recovery(&self) -> Result<Option<RecoveryRequest>> {
        let needless = [
            (self.best_effort, "--best-effort"),
            (self.ignore_missing, "--ignore-missing"),
            (!self.map.is_empty(), "--map"),
            (self.memory.is_some(), "--memory"),
            (self.temp_dir.is_some(), "--temp-dir"),
        ];
        if !self.recovered {
            let given = needless.into_iter().find(|(is_given, _)| *is_given);
            return given.map_or(Ok(None), |(_, name)| {
                Err(Failure::new(Exit::Usage, format!("{name} needs --recovered")).into())
            });
        }
        if self.trust_source {
            let what = "--trust-source and --recovered exclude each other";
            return Err(Failure::new(Exit::Usage, what).into());
        }
        let map = self
            .map
            .iter()
            .map(|(old, new)| Ok((old.clone(), absolute_string(new)?)));
        let temp_dir = self.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
        Ok(Some(RecoveryRequest {
            best_effort: self.best_effort,
            ignore_missing: self.ignore_missing,
            map: map.collect::<Result<_>>()?,
            memory: self.memory.unwrap_or(Options::MEMORY),
            temp_dir: absolute_string(&temp_dir)?,
        }))
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
        if self.live.apply(name, value)? {
            return Ok(());
        }
        match name {
            "allow_other" => self.allow_other = true,
            "allow_damaged" => self.allow_damaged = true,
            "trust_source" => self.trust_source = true,
            "no_lock" => self.no_lock = true,
            "recovered" => self.recovered = true,
            "best_effort" => self.best_effort = true,
            "ignore_missing" => self.ignore_missing = true,
            "map" => {
                let parsed = parse_map(value).map_err(|_| unknown_option(&text))?;
                self.map.push(parsed);
            }
            "memory" => self.memory = Some(parse_bytes(value).map_err(|_| unknown_option(&text))?),
            "temp_dir" => self.temp_dir = Some(path()),
            "uid" => self.uid = Some(number()?),
            "gid" => self.gid = Some(number()?),
            "mode" | "permissions" => {
                self.permissions = Some(parse_mode(value).map_err(|_| unknown_option(&text))?)
            }
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

/// Waits in the same process.
struct Foreground<'a> {
    args: &'a Args,
    output: &'a Output,
    bar: PreparingBar,
}

impl Waiting for Foreground<'_> {
    fn preparing(&mut self, progress: Preparing) -> Result<()> {
        self.bar.show(progress);
        Ok(())
    }

    fn ready(&mut self, ready: &Ready) -> Result<()> {
        self.bar.finish();
        self.args.announce(ready, self.output)?;
        systemd::notify_ready();
        Ok(())
    }
}

/// How far it is, on the terminal; there from the first report on.
#[derive(Default)]
struct PreparingBar(Option<Bar>);

impl PreparingBar {
    fn show(&mut self, progress: Preparing) {
        match progress {
            Preparing::Replaying(replay) => {
                let bar = self.0.get_or_insert_with(|| Bar::of_logs(replay.total_bytes));
                bar.at(replay.generation, replay.last, replay.log_bytes);
            }
            Preparing::Spooling { done, total } => {
                let bar = self.0.get_or_insert_with(|| Bar::new(total, "spooling"));
                bar.of(done, total);
            }
        }
    }

    fn finish(&mut self) {
        if let Some(bar) = self.0.take() {
            bar.finish();
        }
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

/// One of the values that an option may have.
fn chosen<T: clap::ValueEnum>(value: &str) -> Option<T> {
    T::from_str(value, false).ok()
}

/// `OLD=NEW`
fn parse_map(text: &str) -> Result<(String, PathBuf), String> {
    let (old, new) = text.split_once('=').ok_or("OLD=NEW is wanted")?;
    Ok((old.to_owned(), new.into()))
}

/// A number of bytes: `4096`, `512M`.
fn parse_bytes(text: &str) -> Result<usize, String> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (text.len() - 1, 10),
        Some(b'M' | b'm') => (text.len() - 1, 20),
        Some(b'G' | b'g') => (text.len() - 1, 30),
        _ => (text.len(), 0),
    };
    let number = text.get(..digits).and_then(|digits| digits.parse::<usize>().ok());
    let bytes = number.and_then(|number| number.checked_mul(1 << shift));
    bytes.ok_or_else(|| "a number of bytes such as 512M".to_owned())
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
        assert_eq!((args.permissions, args.uid), (Some(0o444), Some(7)));
        assert_eq!(args.log_dir, Some("/a=b".into()));
    }

    #[test]
    fn an_unknown_option_is_a_usage_error() {
        let error = Args::default().apply(&"allow_othr".into()).unwrap_err();
        assert_eq!(Exit::of(&error), Exit::Usage);
        assert!(Args::default().apply(&"mode=0666".into()).is_err());
    }
}
