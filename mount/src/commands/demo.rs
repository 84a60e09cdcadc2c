//! `jetfs demo`: a live instance and the main job on its files, step by step, with what each step found.
//!
//! * `workload`: the instance and its writers; `writer`: one of them; `tables`: what they write;
//! * `model`: what they committed; `check`: whether a database has it;
//! * `stage`: the story and its mounts; `files`: copies and comparisons.

mod check;
mod files;
mod model;
mod stage;
mod tables;
mod workload;
mod writer;

use crate::exit::{Exit, Failure};
use crate::mount_point;
use crate::output::Output;
use anyhow::{Context, Result};
use files::{bytes, copy_file, first_difference, flip, page_len, parse_size, rate, read_page};
use jetfs::format::PageSize;
use serde_json::json;
use stage::{Stage, run_self};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use workload::{Plan, Written};

/// The database's name in the instance directory.
const DATABASE: &str = "demo.edb";

/// Show the main job on a live instance made for it: work, mount, copy, verify, compare, unmount
#[derive(Debug, clap::Args)]
#[command(
    long_about = "\
Show the main job on a live instance made for it: work, mount, copy, verify, compare, unmount.

Runs an instance of jetfs's own engine: several writers insert, change and delete rows in transactions of their own, and
remember what their durable commits did. Then the instance is shut down, every row of its database is compared with what
was remembered, and everything in it is checked to fit together. Its directory is mounted, the files are copied out by
plain reads, the copy is verified and compared byte for byte and row by row; a second copy is damaged to show what the mount
says about it. Needs nothing but this program and /dev/fuse, and leaves nothing behind.",
    after_help = "\
Examples:
  jetfs demo
  jetfs demo --writers 8 --seconds 20                   # how fast are durable commits here?
  jetfs demo --keep /tmp/demo                           # look at the files afterwards
  jetfs demo --size 2GiB --seconds 0 --keep /data/big --no-mount   # only write a database, for a benchmark

Exit codes: 0 everything agrees; 3 something is missing to mount; 5 interrupted; 6 something differs."
)]
pub(crate) struct Args {
    /// Work in this directory, which must be empty or new, and keep the files
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,

    /// Load one large table of about this size first, such as 500MiB or 2GiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    size: Option<u64>,

    /// Page size of the database in KiB
    #[arg(long, value_name = "KIB", default_value = "4", value_parser = ["4", "8", "16", "32"])]
    page_size: String,

    /// Writers that work at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    writers: u8,

    /// How long they work
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(0..=3600))]
    seconds: u16,

    /// Only write the database and check it
    #[arg(long, requires = "keep")]
    no_mount: bool,
}

impl Args {
    /// Runs it.
    pub(crate) fn run(self, output: &Output) -> Result<Exit> {
        let plan = self.plan()?;
        if !self.no_mount {
            mount_point::check_fuse()?;
        }
        let (directory, _cleanup) = self.directory()?;
        let kept = self.keep.is_some().then(|| directory.clone());
        let mut stage = Stage::new(output, kept)?;
        let instance = directory.join("instance");
        fs::create_dir_all(&instance).with_context(|| format!("cannot create {}", instance.display()))?;
        let database = instance.join(DATABASE);
        let written = plan.run(&mut stage, &instance, &database)?;
        stage.check(&database, &written)?;
        if !self.no_mount {
            stage.main_job(&directory, &written)?;
        }
        let left = match &self.keep {
            Some(_) => format!("the files are in {}", directory.display()),
            None => "everything is cleaned up".into(),
        };
        stage.say("done", left)?;
        if output.json {
            output.json(&result(&written, stage.seconds()))?;
        }
        Ok(Exit::Done)
    }

    fn plan(&self) -> Result<Plan> {
        let page_size = PageSize::from_stored(self.page_size.parse::<u32>()? * 1024);
        Ok(Plan {
            page_size: page_size.map_err(|error| Failure::new(Exit::Usage, error.to_string()))?,
            writers: self.writers.into(),
            duration: Duration::from_secs(self.seconds.into()),
            size: self.size,
        })
    }

    /// Where to work, and what removes it at the end.
    fn directory(&self) -> Result<(PathBuf, Option<tempfile::TempDir>)> {
        let Some(keep) = &self.keep else {
            let directory = tempfile::Builder::new()
                .prefix("jetfs-demo-")
                .tempdir()
                .context("cannot create a temporary directory (TMPDIR says where)")?;
            return Ok((directory.path().canonicalize()?, Some(directory)));
        };
        fs::create_dir_all(keep).with_context(|| format!("cannot create {}", keep.display()))?;
        if fs::read_dir(keep)?.next().is_some() {
            let what = format!("{} is not empty", keep.display());
            return Err(Failure::refused(what).advise("Give a new directory.").into());
        }
        Ok((keep.canonicalize()?, None))
    }
}

fn result(written: &Written, seconds: f64) -> serde_json::Value {
    let counts = written.counts;
    json!({
        "outcome": "every byte and every row agrees",
        "seconds": seconds,
        "durable-commits": counts.commits,
        "durable-commits-per-second": written.commits_per_second(),
        "rolled-back": counts.rolled_back,
        "write-conflicts": counts.conflicts,
        "rows-written": counts.changes,
        "bytes-written": counts.bytes,
        "rows": written.model.row_count(),
    })
}

impl Stage<'_> {
    /// What the engine's files hold is what was committed, no more and no less.
    fn check(&mut self, path: &Path, written: &Written) -> Result<()> {
        let begun = Instant::now();
        let database = check::open(path)?;
        let rows = check::compare_rows(&database, &written.model)?;
        let report = check::check_deeply(&database)?;
        let text = format!(
            "{}: all as committed; {} trees, {} pages, {} index entries, {} long values fit together ({:.2} s)",
            counted(&rows),
            report.counts.trees,
            report.counts.used_pages,
            report.counts.index_entries,
            report.counts.long_values,
            begun.elapsed().as_secs_f64()
        );
        self.say("check", text)
    }

    fn main_job(&mut self, directory: &Path, written: &Written) -> Result<()> {
        let instance = directory.join("instance");
        let (mount_point, copy) = (directory.join("mnt"), directory.join("copy"));
        self.mount_and_say(&instance, &mount_point)?;
        self.list(&mount_point)?;
        let names = self.copy(&mount_point, &copy)?;
        self.compare(&instance, &copy, &names)?;
        self.verify(&copy)?;
        self.read_back(&copy.join(DATABASE), written)?;
        let code = self.unmount(&mount_point)?;
        let text = format!("jetfs umount {}   the backup has ended", mount_point.display());
        match code {
            0 => self.say("umount", text)?,
            code => return Err(Failure::new(Exit::Failed, format!("jetfs umount ended with {code}")).into()),
        }
        self.show_damage(directory, &copy.join(DATABASE))
    }

    fn mount_and_say(&mut self, source: &Path, mount_point: &Path) -> Result<()> {
        let begun = Instant::now();
        self.mount(source, mount_point)?;
        let text = format!(
            "jetfs mount {} {}   answers after {:.0} ms",
            source.display(),
            mount_point.display(),
            begun.elapsed().as_secs_f64() * 1000.0
        );
        self.say("mount", text)
    }

    fn list(&mut self, mount_point: &Path) -> Result<()> {
        let mut names = Vec::new();
        for name in names_in(mount_point)? {
            let len = fs::metadata(mount_point.join(&name))?.len();
            names.push(format!("{} ({})", name.display(), bytes(len)));
        }
        let more = names.len().saturating_sub(6);
        names.truncate(6);
        if more > 0 {
            names.push(format!("{more} more"));
        }
        let text = format!(
            "{}   read-only; nothing can be written to the source",
            names.join(", ")
        );
        self.say("list", text)
    }

    fn copy(&mut self, from: &Path, to: &Path) -> Result<Vec<OsString>> {
        fs::create_dir(to)?;
        let begun = Instant::now();
        let mut total = 0;
        let names = names_in(from)?;
        for name in &names {
            total += copy_file(&from.join(name), &to.join(name))?;
            self.interrupt()?;
        }
        let seconds = begun.elapsed().as_secs_f64();
        let text = format!(
            "{} by plain reads in {:.0} ms, {}/s; every page was verified on its way",
            bytes(total),
            seconds * 1000.0,
            rate(total, seconds)
        );
        self.say("copy", text)?;
        Ok(names)
    }

    /// All files but those that the mount composes, such as backup.json.
    fn compare(&mut self, source: &Path, copy: &Path, names: &[OsString]) -> Result<()> {
        let mut count = 0;
        for name in names.iter().filter(|name| source.join(name).exists()) {
            let copied = copy.join(name);
            if let Some(offset) = first_difference(&source.join(name), &copied)? {
                let what = format!(
                    "{} differs from its source at offset {offset:#x}",
                    copied.display()
                );
                return Err(Failure::new(Exit::Damaged, what).into());
            }
            count += 1;
        }
        self.say(
            "compare",
            format_args!("{count} copied files equal their sources byte for byte"),
        )
    }

    fn verify(&mut self, copy: &Path) -> Result<()> {
        let report = run_self(&["--json".as_ref(), "verify".as_ref(), copy])?;
        let report: serde_json::Value = serde_json::from_slice(&report).unwrap_or_default();
        let verdict = report
            .get("verdict")
            .and_then(|verdict| verdict.as_str())
            .unwrap_or("good");
        let text = format!("jetfs verify {}   says: {verdict}", copy.display());
        self.say("verify", text)
    }

    fn read_back(&mut self, path: &Path, written: &Written) -> Result<()> {
        let begun = Instant::now();
        let rows = check::compare_rows(&check::open(path)?, &written.model)?;
        let text = format!(
            "{} in the copy: every value as it was committed ({:.2} s)",
            counted(&rows),
            begun.elapsed().as_secs_f64()
        );
        self.say("rows", text)
    }

    /// Mounts a damaged copy: one bit is repaired on the way, two are an error and never silent.
    fn show_damage(&mut self, directory: &Path, good: &Path) -> Result<()> {
        let (damaged, mount_point) = (directory.join("damaged"), directory.join("mnt"));
        fs::create_dir(&damaged)?;
        let path = damaged.join(DATABASE);
        copy_file(good, &path)?;
        let page = page_len(&path)?;
        // Page 4 holds the catalog's root, page 24 its shadow's: both are in every database.
        flip(&path, 5 * page + page - 1, 0x01)?;
        flip(&path, 25 * page + page - 1, 0x03)?;
        self.mount_and_say(&damaged, &mount_point)?;
        let mut original = vec![0; usize::try_from(page)?];
        let mut seen = original.clone();
        read_page(good, 5 * page, &mut original)?;
        let shown = mount_point.join(DATABASE);
        let repaired = read_page(&shown, 5 * page, &mut seen).is_ok() && seen == original;
        let refused = read_page(&shown, 25 * page, &mut seen);
        let (true, Err(error)) = (repaired, refused) else {
            let what = "a damaged page came through the mount unnoticed";
            return Err(Failure::new(Exit::Damaged, what).into());
        };
        self.say(
            "damage",
            format_args!("one flipped bit in page 4: repaired in what is read; two in page 24: {error}"),
        )?;
        let code = self.unmount(&mount_point)?;
        self.say(
            "umount",
            format_args!("exit code {code}: damaged places were refused"),
        )?;
        fs::remove_dir_all(&damaged)?;
        Ok(())
    }
}

/// The names in a directory, sorted.
fn names_in(directory: &Path) -> Result<Vec<OsString>> {
    let names = fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.file_name()));
    let mut names = names.collect::<Result<Vec<_>, _>>()?;
    names.sort();
    Ok(names)
}

fn counted(rows: &[(&str, u64)]) -> String {
    let counts: Vec<_> = rows
        .iter()
        .map(|(table, rows)| format!("{rows} {table}"))
        .collect();
    counts.join(", ")
}
