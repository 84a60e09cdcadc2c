//! The live part of `jetfs demo`: an instance of the native engine, and writers that work on it at the same time.

use super::backups::{Backups, Hosted};
use super::files::bytes;
use super::model::Model;
use super::stage::Stage;
use super::tables::{
    CUSTOMER_COUNT, CUSTOMERS, customer, definitions, measurement, measurement_count, measurements,
};
use super::writer::{Counts, Writer, set_all};
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jetfs::JetError;
use jetfs::engine::{CommitMode, Database, Instance, Parameters, Session, Table, Term};
use jetfs::format::{ColumnId, PageSize, Value};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Rows of the large table that are committed together.
const BATCH: i64 = 1000;
/// How often the terminal shows how far it is.
const TICK: Duration = Duration::from_millis(50);

/// What is to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) page_size: PageSize,
    pub(super) writers: usize,
    pub(super) duration: Duration,
    /// About how large the large table is to be.
    pub(super) size: Option<u64>,
}

/// What works on the instance beside the writers.
#[derive(Clone, Copy)]
struct Live<'a> {
    instance: &'a Instance,
    database: &'a Database,
    backups: Option<&'a Hosted<'a>>,
}

/// What was written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) model: Model,
    pub(super) counts: Counts,
    pub(super) seconds: f64,
}

impl Written {
    /// Durable commits in a second.
    pub(super) fn commits_per_second(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "a rate to be shown")]
        let commits = self.counts.commits as f64;
        commits / self.seconds.max(1e-6)
    }
}

impl Plan {
    /// Runs an instance in `directory` and ends it, also when somebody interrupts the work. Backups are made of it while
    /// the writers work, and of what came since.
    pub(super) fn run(
        self,
        stage: &mut Stage<'_>,
        directory: &Path,
        database: &Path,
        backups: Option<&Backups>,
    ) -> Result<Written> {
        let parameters = Parameters::new(directory)
            .database_page_size(u32::try_from(self.page_size.bytes())?)
            // Nothing can be backed up incrementally of a circular log.
            .circular_log(self.size.is_some() && backups.is_none());
        let instance = Instance::init(parameters)?;
        let hosted = backups
            .map(|backups| backups.host(&instance, directory))
            .transpose()?;
        let worked = self.work(stage, &instance, database, hosted.as_ref());
        drop(hosted);
        let begun = Instant::now();
        // Whoever keeps the files of an interrupted run gets clean ones as well.
        let ended = instance.term(Term::StopBackup);
        let written = worked?;
        ended?;
        let text = format!(
            "the instance shut down cleanly in {:.0} ms; {} in {}, {} of logs",
            begun.elapsed().as_secs_f64() * 1000.0,
            bytes(database.metadata().context("cannot look at the database")?.len()),
            database.file_name().unwrap_or_default().to_string_lossy(),
            bytes(len_of_logs(directory)?),
        );
        stage.say("end", text)?;
        Ok(written)
    }

    fn work(
        self,
        stage: &mut Stage<'_>,
        instance: &Instance,
        path: &Path,
        backups: Option<&Hosted<'_>>,
    ) -> Result<Written> {
        let database = instance.create_database(path)?;
        let session = instance.session()?;
        let mut model = Model::default();
        create(&session, &database, &mut model)?;
        let text = format!(
            "{}: pages of {}, 3 tables with 7 indexes, {CUSTOMER_COUNT} customers",
            path.display(),
            self.page_size,
        );
        stage.say("create", text)?;
        if let Some(size) = self.size {
            self.load(stage, &session, &database, size, &mut model)?;
        }
        let live = Live {
            instance,
            database: &database,
            backups,
        };
        let written = self.write(stage, live, model)?;
        if !self.duration.is_zero() {
            self.tell(stage, &written)?;
        }
        if let Some(backups) = backups {
            backups.incremental(stage)?;
        }
        Ok(written)
    }

    fn tell(self, stage: &mut Stage<'_>, written: &Written) -> Result<()> {
        let counts = written.counts;
        let text = format!(
            "{} writers at once for {:.1} s: {} durable commits ({:.0}/s), {} rows put, changed or deleted ({})",
            self.writers,
            written.seconds,
            counts.commits,
            written.commits_per_second(),
            counts.changes,
            bytes(counts.bytes),
        );
        stage.say("work", text)?;
        let text = format!(
            "{} transactions on purpose, {} after a write conflict: nothing of them may be in the files",
            counts.rolled_back, counts.conflicts,
        );
        stage.say("undo", text)
    }

    /// Loads the large table, many rows in a transaction.
    fn load(
        self,
        stage: &mut Stage<'_>,
        session: &Session,
        database: &Database,
        size: u64,
        model: &mut Model,
    ) -> Result<()> {
        let begun = Instant::now();
        let transaction = session.begin()?;
        let table = database.create_table(session, &measurements())?;
        transaction.commit()?;
        let columns = columns(&table, &["Id", "Device", "Samples"])?;
        let count = measurement_count(size, self.page_size);
        let bar = bar(count.unsigned_abs(), "{bar:40} {pos} of {len} rows, {eta} left");
        let mut first = 0;
        while first < count {
            stage.interrupt()?;
            let last = count.min(first + BATCH);
            let transaction = session.begin()?;
            for id in first..last {
                insert(&table, &columns, &measurement(id, self.page_size))?;
            }
            transaction.commit_with(CommitMode::Lazy)?;
            bar.set_position(last.unsigned_abs());
            first = last;
        }
        session.wait_for_commits()?;
        bar.finish_and_clear();
        model.measurements = count;
        let seconds = begun.elapsed().as_secs_f64();
        #[allow(clippy::cast_precision_loss, reason = "a rate to be shown")]
        let rate = count as f64 / seconds.max(1e-6);
        let text = format!(
            "{count} rows of about 1 KiB, {BATCH} in a transaction: {seconds:.1} s, {rate:.0} rows/s"
        );
        stage.say("load", text)
    }

    fn write(self, stage: &mut Stage<'_>, live: Live<'_>, mut model: Model) -> Result<Written> {
        let begun = Instant::now();
        let mut counts = Counts::default();
        let (stop, commits) = (AtomicBool::new(false), AtomicU64::new(0));
        let customers = &model.customers;
        let mut backed_up = Ok(());
        let ended: Vec<Result<(Model, Counts), JetError>> = thread::scope(|scope| {
            let writers: Vec<_> = (0..self.writers)
                .map(|number| {
                    let (stop, commits) = (&stop, &commits);
                    scope.spawn(move || {
                        let place = (number, self.writers);
                        let written = write_until(live, place, customers, stop, commits);
                        // One that fails stops the others.
                        written.inspect_err(|_| stop.store(true, Ordering::Relaxed))
                    })
                })
                .collect();
            let wait = |stage: &Stage<'_>, until| wait(stage, begun, until, &stop, &commits);
            if let Some(backups) = live.backups {
                wait(stage, self.duration / 2);
                backed_up = backups.full(stage, &commits);
            }
            if backed_up.is_ok() {
                wait(stage, self.duration);
            }
            stop.store(true, Ordering::Relaxed);
            writers
                .into_iter()
                .filter_map(|writer| writer.join().ok())
                .collect()
        });
        let seconds = begun.elapsed().as_secs_f64();
        if ended.len() < self.writers {
            anyhow::bail!("a writer ended by a panic");
        }
        backed_up?;
        for ended in ended {
            let (theirs, did) = ended?;
            model.add(theirs);
            counts += did;
        }
        Ok(Written {
            model,
            counts,
            seconds,
        })
    }
}

/// Until so much time is over, somebody interrupts, or a writer fails.
fn wait(stage: &Stage<'_>, begun: Instant, until: Duration, stop: &AtomicBool, commits: &AtomicU64) {
    let bar = bar(0, "{elapsed} of work, {pos} durable commits");
    while begun.elapsed() < until && stage.interrupt().is_ok() && !stop.load(Ordering::Relaxed) {
        thread::sleep(TICK.min(until.saturating_sub(begun.elapsed())));
        bar.set_position(commits.load(Ordering::Relaxed));
    }
    bar.finish_and_clear();
}

fn write_until(
    live: Live<'_>,
    place: (usize, usize),
    customers: &std::collections::BTreeMap<i64, u64>,
    stop: &AtomicBool,
    commits: &AtomicU64,
) -> Result<(Model, Counts), JetError> {
    let session = live.instance.session()?;
    let mut writer = Writer::new(&session, live.database, place, customers)?;
    while !stop.load(Ordering::Relaxed) {
        if writer.transaction()? {
            commits.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(writer.end())
}

/// Makes the tables, and the customers that all writers share.
fn create(session: &Session, database: &Database, model: &mut Model) -> Result<()> {
    let transaction = session.begin()?;
    for definition in definitions() {
        drop(database.create_table(session, &definition)?);
    }
    let table = database.open_table(session, CUSTOMERS)?;
    let columns = columns(&table, &["Number", "Guid", "Active", "Name", "Remark"])?;
    for number in 0..CUSTOMER_COUNT {
        insert(&table, &columns, &customer(number, 0))?;
        model.customers.insert(number, 0);
    }
    transaction.commit()?;
    Ok(())
}

fn columns(table: &Table<'_>, names: &[&str]) -> Result<Vec<ColumnId>, JetError> {
    names.iter().map(|name| table.column(name)).collect()
}

fn insert(table: &Table<'_>, columns: &[ColumnId], values: &[Value]) -> Result<(), JetError> {
    let mut update = table.insert()?;
    set_all(&mut update, columns, values)?;
    update.save().map(drop)
}

/// Shown only where stderr is a terminal.
fn bar(len: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn len_of_logs(directory: &Path) -> Result<u64> {
    let mut len = 0;
    for entry in directory.read_dir()? {
        let entry = entry?;
        if entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "log")
        {
            len += entry.metadata()?.len();
        }
    }
    Ok(len)
}
