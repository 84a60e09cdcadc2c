//! `jetfs demo`: the main job on a database that it makes itself, step by step, with what each step found.

use crate::demo_database::{DemoTable, large_table, small_tables};
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::mount_point;
use crate::mount_table;
use crate::output::Output;
use anyhow::{Context, Result};
use jetfs::format::{PageSize, Value};
use jetfs::io::{FileSystem, OpenMode, RealFileSystem};
use jetfs::store::bulk_load::{BulkLoad, BulkLoadOptions, Cell, ColumnSchema};
use jetfs::store::{Database, Schema, Table};
use serde_json::json;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime};

/// The database's name in the instance directory.
const DATABASE: &str = "demo.edb";
/// How much is read at a time, as cp does.
const BUFFER: usize = 128 << 10;

/// Show the main job on a database made for it: write, mount, copy, verify, compare, unmount
#[derive(Debug, clap::Args)]
#[command(
    long_about = "\
Show the main job on a database made for it: write, mount, copy, verify, compare, unmount.

Writes a small ESE database with jetfs's own writer of pages, mounts its directory, copies the files out by plain
reads, verifies the copy, compares it byte for byte and row by row, damages a second copy to show what the mount says
about it, and unmounts. Needs nothing but this program and /dev/fuse, and leaves nothing behind.",
    after_help = "\
Examples:
  jetfs demo
  jetfs demo --keep /tmp/demo                          # look at the files afterwards
  jetfs demo --size 2GiB --keep /data/big --no-mount   # only write a database, for a benchmark

Exit codes: 0 everything agrees; 3 something is missing to mount; 6 the copy differs."
)]
pub(crate) struct Args {
    /// Work in this directory, which must be empty or new, and keep the files
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,

    /// Write one large table of about this size, such as 500MiB or 2GiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    size: Option<u64>,

    /// Page size of the database in KiB
    #[arg(long, value_name = "KIB", default_value = "4", value_parser = ["4", "8", "16", "32"])]
    page_size: String,

    /// Only write the database
    #[arg(long, requires = "keep")]
    no_mount: bool,
}

/// What the steps share: where everything is, and the mounts to be ended whatever happens.
struct Stage<'a> {
    output: &'a Output,
    interrupt: Interrupt,
    started: Instant,
    step: u32,
    mounted: Vec<PathBuf>,
}

impl Args {
    /// Runs it.
    pub(crate) fn run(self, output: &Output) -> Result<Exit> {
        if !self.no_mount {
            mount_point::check_fuse()?;
        }
        let (directory, _cleanup) = self.directory()?;
        let mut stage = Stage {
            output,
            interrupt: Interrupt::listen()?,
            started: Instant::now(),
            step: 0,
            mounted: Vec::new(),
        };
        let instance = directory.join("instance");
        fs::create_dir_all(&instance).with_context(|| format!("cannot create {}", instance.display()))?;
        let tables = self.write(&mut stage, &instance)?;
        if self.no_mount {
            return Ok(Exit::Done);
        }
        let exit = stage.main_job(&directory, &tables)?;
        stage.say(
            "done",
            match &self.keep {
                Some(_) => format!("the files are in {}", directory.display()),
                None => "everything is cleaned up".into(),
            },
        )?;
        if output.json {
            output.json(&json!({ "outcome": "every byte and every row agrees", "seconds": stage.started.elapsed().as_secs_f64() }))?;
        }
        Ok(exit)
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

    fn write(&self, stage: &mut Stage<'_>, instance: &Path) -> Result<Vec<DemoTable>> {
        let page_size = PageSize::from_stored(self.page_size.parse::<u32>()? * 1024)
            .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        let tables = match self.size {
            Some(size) => vec![large_table(size, page_size)],
            None => small_tables(),
        };
        let options = BulkLoadOptions {
            page_size,
            time: SystemTime::now().into(),
            seed: u64::from(std::process::id()),
        };
        let begun = Instant::now();
        let path = instance.join(DATABASE);
        let mut load = BulkLoad::create(&RealFileSystem, &path, options)?;
        for table in &tables {
            let rows = table.rows().take_while(|_| !stage.interrupt.happened());
            load.table(&table.schema, rows)?;
        }
        stage.interrupt.check()?;
        let written = load.finish()?;
        let rows: u64 = written.rows.iter().map(|(_, rows)| rows).sum();
        stage.say(
            "write",
            format_args!(
                "{}: {} in pages of {page_size}, {} rows in {} tables, durable after {:.2} s",
                path.display(),
                bytes(written.len),
                rows,
                written.rows.len(),
                begun.elapsed().as_secs_f64()
            ),
        )?;
        Ok(tables)
    }
}

impl Stage<'_> {
    /// One line of the story; with `--json` on stderr, to leave stdout to the result.
    fn say(&mut self, what: &str, text: impl Display) -> Result<()> {
        self.interrupt.check()?;
        self.step += 1;
        let line = format!("{:>2}. {what:<8} {text}", self.step);
        if self.output.json {
            self.output.note(line);
        } else {
            self.output.line(line)?;
        }
        Ok(())
    }

    fn main_job(&mut self, directory: &Path, tables: &[DemoTable]) -> Result<Exit> {
        let instance = directory.join("instance");
        let (mount_point, copy) = (directory.join("mnt"), directory.join("copy"));
        self.mount(&instance, &mount_point)?;
        self.list(&mount_point)?;
        self.copy(&mount_point, &copy)?;
        self.compare(&instance.join(DATABASE), &copy.join(DATABASE))?;
        self.verify(&copy)?;
        self.read_back(&copy.join(DATABASE), tables)?;
        self.unmount(&mount_point)?;
        self.show_damage(directory, &copy.join(DATABASE))?;
        Ok(Exit::Done)
    }

    fn mount(&mut self, source: &Path, mount_point: &Path) -> Result<()> {
        fs::create_dir(mount_point)?;
        let begun = Instant::now();
        // Before it is mounted: an interruption may end the command after the mount process has begun.
        self.mounted.push(mount_point.to_path_buf());
        run_self(&[
            "--log".as_ref(),
            "error".as_ref(),
            "mount".as_ref(),
            "--quiet".as_ref(),
            source,
            mount_point,
        ])?;
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
        for entry in fs::read_dir(mount_point)? {
            let entry = entry?;
            names.push(format!(
                "{} ({})",
                entry.file_name().to_string_lossy(),
                bytes(entry.metadata()?.len())
            ));
        }
        names.sort();
        let text = format!(
            "{}   read-only; nothing can be written to the source",
            names.join(", ")
        );
        self.say("list", text)
    }

    fn copy(&mut self, from: &Path, to: &Path) -> Result<()> {
        fs::create_dir(to)?;
        let begun = Instant::now();
        let mut total = 0;
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            total += copy_file(&from.join(&name), &to.join(&name))?;
            self.interrupt.check()?;
        }
        let seconds = begun.elapsed().as_secs_f64();
        let text = format!(
            "{} by plain reads in {:.0} ms, {}/s; every page was verified on its way",
            bytes(total),
            seconds * 1000.0,
            rate(total, seconds)
        );
        self.say("copy", text)
    }

    fn compare(&mut self, source: &Path, copy: &Path) -> Result<()> {
        if let Some(offset) = first_difference(source, copy)? {
            let what = format!("{} differs from its source at offset {offset:#x}", copy.display());
            return Err(Failure::new(Exit::Damaged, what).into());
        }
        self.say("compare", "the copy equals the source byte for byte")
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

    fn read_back(&mut self, path: &Path, tables: &[DemoTable]) -> Result<()> {
        let begun = Instant::now();
        let file = RealFileSystem
            .open(path, OpenMode::ReadOnly)
            .with_context(|| format!("cannot open {}", path.display()))?;
        let database = Database::open(file, path)?;
        let schema = Schema::load(&database)?;
        let mut counts = Vec::new();
        for table in tables {
            let rows = compare_rows(&database, &schema, table)?;
            counts.push(format!("{rows} {}", table.schema.name));
        }
        let text = format!(
            "{}: every value as it was written ({:.2} s)",
            counts.join(", "),
            begun.elapsed().as_secs_f64()
        );
        self.say("rows", text)
    }

    fn unmount(&mut self, mount_point: &Path) -> Result<()> {
        run_self(&["umount".as_ref(), mount_point])?;
        self.mounted.retain(|mounted| mounted != mount_point);
        fs::remove_dir(mount_point)?;
        self.say(
            "umount",
            format_args!("jetfs umount {}   the backup has ended", mount_point.display()),
        )
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
        self.mount(&damaged, &mount_point)?;
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
        self.end_damaged(&mount_point)?;
        fs::remove_dir_all(&damaged)?;
        Ok(())
    }

    /// The backup of a damaged source ends with its own exit code.
    fn end_damaged(&mut self, mount_point: &Path) -> Result<()> {
        let status = Command::new(std::env::current_exe()?)
            .args(["umount".as_ref(), mount_point])
            .stderr(Stdio::null())
            .status()?;
        if mount_table::mounted_at(mount_point)?.is_some() {
            return Err(Failure::busy(format!("cannot unmount {}", mount_point.display())).into());
        }
        self.mounted.retain(|mounted| mounted != mount_point);
        fs::remove_dir(mount_point)?;
        let code = status.code().unwrap_or(-1);
        self.say(
            "umount",
            format_args!("exit code {code}: damaged places were refused"),
        )
    }
}

impl Drop for Stage<'_> {
    /// After an error no mount is left behind; the temporary directory could not be removed either.
    fn drop(&mut self) {
        for mount_point in &self.mounted {
            let _ = mount_table::unmount(mount_point, true);
        }
    }
}

/// Runs this very program; its errors become ours, with their exit code.
fn run_self(arguments: &[&Path]) -> Result<Vec<u8>> {
    let output = Command::new(std::env::current_exe().context("cannot find the program itself")?)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context("cannot start the program itself")?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let exit = match output.status.code() {
        Some(3) => Exit::Refused,
        Some(4) => Exit::Busy,
        Some(5) => Exit::Incomplete,
        Some(6) => Exit::Damaged,
        _ => Exit::Failed,
    };
    let text = String::from_utf8_lossy(&output.stderr);
    let mut lines = text.lines().map(|line| line.trim_start_matches("jetfs: "));
    let failure = Failure::new(exit, lines.next().unwrap_or("failed without a word"));
    Err(match lines.next() {
        Some(advice) => failure.advise(advice.to_owned()).into(),
        None => failure.into(),
    })
}

fn copy_file(from: &Path, to: &Path) -> Result<u64> {
    let mut source = File::open(from).with_context(|| format!("cannot open {}", from.display()))?;
    let mut target = File::create(to).with_context(|| format!("cannot create {}", to.display()))?;
    let mut buffer = vec![0; BUFFER];
    let mut total = 0;
    loop {
        let read = source
            .read(&mut buffer)
            .with_context(|| format!("cannot read {}", from.display()))?;
        let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else {
            return Ok(total);
        };
        target
            .write_all(chunk)
            .with_context(|| format!("cannot write {}", to.display()))?;
        total += read as u64;
    }
}

/// Where two files differ first; the shorter one's end counts.
fn first_difference(left: &Path, right: &Path) -> Result<Option<u64>> {
    let mut files = (File::open(left)?, File::open(right)?);
    let lengths = (files.0.metadata()?.len(), files.1.metadata()?.len());
    let mut buffers = (vec![0; BUFFER], vec![0; BUFFER]);
    let mut offset = 0;
    while offset < lengths.0.min(lengths.1) {
        let len = usize::try_from((lengths.0.min(lengths.1) - offset).min(BUFFER as u64))?;
        buffers.0.truncate(len);
        buffers.1.truncate(len);
        files.0.read_exact(&mut buffers.0)?;
        files.1.read_exact(&mut buffers.1)?;
        if let Some(at) = buffers.0.iter().zip(&buffers.1).position(|(a, b)| a != b) {
            return Ok(Some(offset + at as u64));
        }
        offset += len as u64;
    }
    Ok((lengths.0 != lengths.1).then_some(offset))
}

/// Reads a table and compares each value with what was written; returns the number of rows.
fn compare_rows(database: &Database, schema: &Schema, written: &DemoTable) -> Result<u64> {
    let name = &written.schema.name;
    let table = Table::open(database, schema, name)?;
    let differs = |row: u64, what: &str| {
        Failure::new(
            Exit::Damaged,
            format!("row {row} of {name}: {what} differs from what was written"),
        )
    };
    let places: Vec<usize> = written
        .schema
        .columns
        .iter()
        .map(|column| {
            let mut read = table.columns().iter();
            read.position(|read| read.schema.name == column.name)
                .ok_or_else(|| differs(0, &column.name))
        })
        .collect::<Result<_, _>>()?;
    let mut expected = written.rows();
    let mut count = 0;
    for row in table.rows()? {
        let row = row?;
        let cells = expected
            .next()
            .ok_or_else(|| differs(count, "the number of rows"))?;
        let mut values: Vec<_> = row.values.into_iter().map(Some).collect();
        for ((cell, column), &place) in cells.iter().zip(&written.schema.columns).zip(&places) {
            let value = values.get_mut(place).and_then(Option::take);
            let value = value.ok_or_else(|| differs(count, &column.name))??;
            if value != as_value(column, cell)? {
                return Err(differs(count, &column.name).into());
            }
        }
        count += 1;
    }
    match expected.next() {
        None => Ok(count),
        Some(_) => Err(differs(count, "the number of rows").into()),
    }
}

/// What a reader should see of a cell.
fn as_value(column: &ColumnSchema, cell: &Cell) -> Result<Value> {
    let mut values = cell
        .values()
        .iter()
        .map(|bytes| Value::read(column.kind, column.code_page, bytes.clone()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(jetfs::JetError::from)?;
    Ok(match (values.pop(), values.is_empty()) {
        (None, _) => Value::Null,
        (Some(value), true) => value,
        (Some(last), false) => {
            values.push(last);
            Value::Multi(values)
        }
    })
}

fn page_len(path: &Path) -> Result<u64> {
    let file = RealFileSystem.open(path, OpenMode::ReadOnly)?;
    Ok(Database::open(file, path)?.page_size().bytes_u64())
}

/// Changes bits of a byte.
fn flip(path: &Path, offset: u64, bits: u8) -> Result<()> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let mut byte = [0];
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(&mut byte)?;
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(&byte.map(|byte| byte ^ bits))?;
    Ok(())
}

fn read_page(path: &Path, offset: u64, page: &mut [u8]) -> std::io::Result<()> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(page)
}

/// A size as people read it.
fn bytes(len: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    #[allow(clippy::cast_precision_loss, reason = "shown with one digit after the point")]
    UNITS.iter().find(|(unit, _)| len >= *unit).map_or_else(
        || format!("{len} bytes"),
        |(unit, name)| format!("{:.1} {name}", len as f64 / *unit as f64),
    )
}

fn rate(len: u64, seconds: f64) -> String {
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate to be shown; no file is that large"
    )]
    bytes((len as f64 / seconds.max(1e-6)) as u64)
}

/// `500MiB`, `2GiB`, `2G`, or bytes.
fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = text.strip_prefix(digits).unwrap_or_default();
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        _ => return Err("a number with KiB, MiB or GiB".into()),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "a number with KiB, MiB or GiB".to_owned())?;
    number
        .checked_mul(1 << shift)
        .filter(|size| (1 << 20..=8 << 40).contains(size))
        .ok_or_else(|| "a size from 1 MiB to 8 TiB".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(parse_size("2GiB"), Ok(2 << 30));
        assert_eq!(parse_size("500m"), Ok(500 << 20));
        assert!(parse_size("many").is_err() && parse_size("10").is_err());
        assert!(parse_size("99999999999999999999G").is_err());
    }

    #[test]
    fn a_difference_is_found_where_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let (left, right) = (directory.path().join("l"), directory.path().join("r"));
        let mut bytes = vec![7; 3 * BUFFER];
        fs::write(&left, &bytes).unwrap();
        fs::write(&right, &bytes).unwrap();
        assert_eq!(first_difference(&left, &right).unwrap(), None);
        bytes[BUFFER + 5] = 8;
        fs::write(&right, &bytes).unwrap();
        assert_eq!(first_difference(&left, &right).unwrap(), Some(BUFFER as u64 + 5));
        fs::write(&right, &bytes[..BUFFER]).unwrap();
        assert_eq!(first_difference(&left, &right).unwrap(), Some(BUFFER as u64));
    }
}
