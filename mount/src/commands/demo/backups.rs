//! The backups of `jetfs demo`: of its instance while the writers work, and of the logs that came since.

use super::files::{bytes, copy_file, names_in, rate};
use super::stage::{Stage, run_self};
use super::{DATABASE, check, counted};
use crate::exit::{Exit, Failure};
use anyhow::Result;
use jetfs::engine::Instance;
use jetfs::service::Service;
use jetfs::source::live::LiveOptions;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Where the copies go.
pub(super) struct Backups {
    directory: PathBuf,
}

/// The instance can be mounted as long as this lives.
pub(super) struct Hosted<'b> {
    backups: &'b Backups,
    instance: PathBuf,
    _service: Service,
}

impl Backups {
    /// Copies go into `directory`.
    pub(super) fn new(directory: &Path) -> Self {
        Backups {
            directory: directory.to_path_buf(),
        }
    }

    /// Lets `jetfs mount` find the instance, whose files are in `directory`.
    pub(super) fn host(&self, instance: &Instance, directory: &Path) -> Result<Hosted<'_>> {
        Ok(Hosted {
            backups: self,
            instance: directory.to_path_buf(),
            _service: Service::start(instance, LiveOptions::default())?,
        })
    }

    fn set(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Restores the full backup and the logs since then, and compares every value of every row.
    pub(super) fn restore(&self, stage: &mut Stage<'_>, written: &super::Written) -> Result<PathBuf> {
        let (full, incremental) = (self.set("full"), self.set("incremental"));
        for set in [&full, &incremental] {
            run_self(&["verify".as_ref(), "--require-manifest".as_ref(), set])?;
        }
        stage.say(
            "verify",
            "both copies: every checksum is right, and nothing is missing",
        )?;
        let restored = self.set("restored");
        let begun = Instant::now();
        run_self(&["restore".as_ref(), &full, &incremental, &restored])?;
        let text = format!(
            "jetfs restore {} {} {}   took {:.0} ms",
            full.display(),
            incremental.display(),
            restored.display(),
            begun.elapsed().as_secs_f64() * 1000.0
        );
        stage.say("restore", text)?;
        let database = check::open(&restored.join(DATABASE))?;
        let rows = check::compare_rows(&database, &written.model)?;
        check::check_deeply(&database)?;
        let text = format!(
            "{} in the restored database: every value as it was committed, and all fits together",
            counted(&rows)
        );
        stage.say("rows", text)?;
        Ok(restored)
    }
}

impl Hosted<'_> {
    /// A full backup, while the writers count their commits.
    pub(super) fn full(&self, stage: &mut Stage<'_>, commits: &AtomicU64) -> Result<()> {
        let (begun, before) = (Instant::now(), commits.load(Ordering::Relaxed));
        self.take(stage, &["--on-umount", "truncate"], "full")?;
        let meanwhile = commits.load(Ordering::Relaxed) - before;
        let text = format!(
            "{meanwhile} durable commits in the {:.1} s of the backup",
            begun.elapsed().as_secs_f64()
        );
        stage.say("live", text)
    }

    /// The logs since the full backup.
    pub(super) fn incremental(&self, stage: &mut Stage<'_>) -> Result<()> {
        let options = ["--kind", "incremental", "--on-umount", "truncate"];
        self.take(stage, &options, "incremental")
    }

    fn take(&self, stage: &mut Stage<'_>, options: &[&str], name: &str) -> Result<()> {
        let (mount_point, copy) = (self.backups.set("mnt"), self.backups.set(name));
        stage.mount_and_say(options, &self.instance, &mount_point)?;
        copy_all(stage, &mount_point, &copy)?;
        let (code, said) = stage.unmount(&mount_point)?;
        if code != 0 {
            return Err(Failure::new(
                Exit::Incomplete,
                format!("jetfs umount ended with {code}: {said}"),
            )
            .into());
        }
        stage.say("umount", said)
    }
}

/// Copies every file, as cp does.
fn copy_all(stage: &mut Stage<'_>, from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    let begun = Instant::now();
    let mut total = 0;
    let names = names_in(from)?;
    for name in &names {
        total += copy_file(&from.join(name), &to.join(name))?;
        stage.interrupt()?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let text = format!(
        "{} files, {}, by plain reads in {:.0} ms, {}/s; every page was verified on its way",
        names.len(),
        bytes(total),
        seconds * 1000.0,
        rate(total, seconds)
    );
    stage.say("copy", text)
}
