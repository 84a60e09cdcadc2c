//! `jetfs demo`: a live instance and the main job on its files, step by step, with what each step found.
//!
//! * `workload`: the instance and its writers; `writer`: one of them; `tables`: what they write;
//! * `model`: what they committed; `check`: whether a database has it;
//! * `backups`: of the instance while they work, and their restore;
//! * `stage`: the story and its mounts; `files`: copies and damage.

mod backups;
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
use backups::Backups;
use files::{copy_file, flip, page_len, parse_size, read_page};
use jetfs::format::PageSize;
use serde_json::json;
use stage::Stage;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use workload::{Plan, Written};

/// The database's name in the instance directory.
const DATABASE: &str = "demo.edb";

/// Show the whole story on a live instance made for it: work, back up, restore, compare
#[derive(Debug, clap::Args)]
#[command(
    long_about = "\
Show the whole story on a live instance made for it: work, back up, restore, compare.

Runs an instance of jetfs's own engine: several writers insert, change and delete rows in transactions of their own, and \
remember what their durable commits did. While they work the instance is mounted, its files are copied out by plain reads, \
and the mount is ended: a full backup. When they are done, an incremental one follows in the same way. The instance is shut \
down, and every row of its database is compared with what was remembered; then the copies are verified and restored, and the \
restored database is compared in the same way. At last a copy is damaged, to show what a mount says about it. Needs nothing \
but this program and /dev/fuse, and leaves nothing behind.",
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
        let backups = (!self.no_mount).then(|| Backups::new(&directory));
        let written = plan.run(&mut stage, &instance, &database, backups.as_ref())?;
        stage.check(&database, &written)?;
        if let Some(backups) = &backups {
            let restored = backups.restore(&mut stage, &written)?;
            stage.show_damage(&directory, &restored.join(DATABASE))?;
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
        self.mount_and_say(&[], &damaged, &mount_point)?;
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
        let (code, _) = self.unmount(&mount_point)?;
        let text = format!("exit code {code}: damaged places were refused");
        self.say("umount", text)?;
        fs::remove_dir_all(&damaged)?;
        Ok(())
    }
}

fn counted(rows: &[(&str, u64)]) -> String {
    let counts: Vec<_> = rows
        .iter()
        .map(|(table, rows)| format!("{rows} {table}"))
        .collect();
    counts.join(", ")
}
