//! The work: what is to be checked in each file, cut into jobs that threads take one after the other.

use super::database::{check_pages, plan};
use super::read::{Meter, Progress};
use super::report::{Damage, FileReport};
use super::{VerifyOptions, companion, deep, log};
use crate::backup::FileRole;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{Checkpoint, FormatError, LogHeader, PageSize, Trailer};
use crate::io::{File, FileSystem, LockKind, OpenMode, lock_holder};
use crate::source::at_rest::{Entry, Inventory};
use crate::store::Database;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of a database in one job.
const JOB_LEN: u64 = 64 << 20;

/// A checked file, and what the judgement of the set wants to know of it.
#[derive(Debug)]
pub(super) struct Checked<'a> {
    pub(super) entry: &'a Entry,
    pub(super) report: FileReport,
    /// The sum of a sound log's segments.
    pub(super) segments_sum: Option<u64>,
    /// The trailer of a backup copy.
    pub(super) trailer: Option<Trailer>,
}

/// A part of a file that one thread checks.
#[derive(Clone, Copy)]
struct Job<'a> {
    /// The file's place among the checked.
    file: usize,
    task: Task<'a>,
}

#[derive(Clone, Copy)]
enum Task<'a> {
    Pages { size: PageSize, first: u32, last: u32 },
    Deep { size: PageSize, last: u32 },
    Log(&'a LogHeader),
    Checkpoint,
    FlushMap,
}

impl Task<'_> {
    /// Bytes that it reads.
    fn len(&self, file_len: u64) -> u64 {
        match self {
            Task::Pages { size, first, last } => u64::from(last - first + 1) * size.bytes_u64(),
            Task::Deep { size, last } => u64::from(*last) * size.bytes_u64(),
            Task::Log(_) | Task::FlushMap => file_len,
            Task::Checkpoint => Checkpoint::FILE_LEN as u64,
        }
    }
}

/// Checks every file of the inventory.
///
/// # Errors
/// An engine has one of the files.
pub(super) fn check_files<'a>(
    file_system: &dyn FileSystem,
    inventory: &'a Inventory,
    options: VerifyOptions,
    tell: &(dyn Fn(Progress) + Sync),
) -> JetResult<Vec<Checked<'a>>> {
    let mut checked: Vec<Checked<'a>> = inventory.entries().map(Checked::new).collect();
    let headers = log_headers(inventory);
    let mut jobs = Vec::new();
    for (index, file) in checked.iter_mut().enumerate() {
        let opened = open(file_system, file.entry, options)?;
        let tasks = match opened {
            Ok(opened) => file.tasks(&opened, &headers, options)?,
            Err(damage) => {
                file.report.add(damage);
                Vec::new()
            }
        };
        jobs.extend(tasks.into_iter().map(|task| Job { file: index, task }));
    }
    let total = jobs
        .iter()
        .filter_map(|job| Some(job.task.len(checked.get(job.file)?.report.len)))
        .sum();
    let meter = Meter::new(total, tell);
    run_all(&jobs, &mut checked, options, file_system, &meter)?;
    Ok(checked)
}

fn run_all(
    jobs: &[Job<'_>],
    checked: &mut [Checked<'_>],
    options: VerifyOptions,
    file_system: &dyn FileSystem,
    meter: &Meter<'_>,
) -> JetResult<()> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let files: &[Checked<'_>] = checked;
    std::thread::scope(|scope| {
        for _ in 0..options.threads.clamp(1, jobs.len().max(1)) {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Some(file) = files.get(job.file) else { break };
                    let part = open(file_system, file.entry, options)
                        .and_then(|opened| file.run(job, opened, meter));
                    results.lock().push((job.file, part));
                }
            });
        }
    });
    for (index, part) in results.into_inner() {
        let (part, sum) = part?;
        if let Some(file) = checked.get_mut(index) {
            file.report.unit = part.unit;
            file.report.merge(part);
            file.segments_sum = sum.or(file.segments_sum);
        }
    }
    Ok(())
}

/// The headers of all logs, by the path of the log.
type LogHeaders<'a> = std::collections::BTreeMap<&'a Path, &'a Result<Box<LogHeader>, FormatError>>;

fn log_headers(inventory: &Inventory) -> LogHeaders<'_> {
    let logs = inventory.sequences.iter().flat_map(|sequence| &sequence.logs);
    logs.chain(&inventory.stray_logs)
        .map(|log| (log.entry.file.path.as_path(), &log.header))
        .collect()
}

/// Opens a file, with a lock if wanted. `Err` inside: it cannot be opened, which is for its report.
fn open(
    file_system: &dyn FileSystem,
    entry: &Entry,
    options: VerifyOptions,
) -> JetResult<Result<Arc<dyn File>, Damage>> {
    let path = &entry.file.path;
    let file = match file_system.open(path, OpenMode::ReadOnly) {
        Ok(file) => file,
        Err(error) => return Ok(Err(cannot_open(&error))),
    };
    let is_locked = options.lock && matches!(file.try_lock(LockKind::Shared), Ok(false));
    if !is_locked {
        return Ok(Ok(file));
    }
    let who = lock_holder(entry.stat.identity).map_or_else(String::new, |holder| format!(" by {holder}"));
    let error = JetError::rule(JetErr::DatabaseInUse, format!("locked{who}"));
    Err(error
        .in_file(path)
        .advise("Verify a copy, or wait until the program that has the file open has ended."))
}

fn cannot_open(error: &std::io::Error) -> Damage {
    Damage {
        offset: 0,
        page: None,
        repairable: false,
        code: JetErr::from_io(error),
        what: format!("cannot be opened: {error}"),
    }
}

impl<'a> Checked<'a> {
    fn new(entry: &'a Entry) -> Self {
        let file = &entry.file;
        let (name, path) = (file.name.as_os_str().into(), file.path.as_path().into());
        Checked {
            entry,
            report: FileReport::new(name, path, file.role, file.len),
            segments_sum: None,
            trailer: None,
        }
    }

    /// What is to be checked, once the headers were looked at.
    ///
    /// # Errors
    /// It is a dirty database that is to be checked deeply.
    fn tasks(
        &mut self,
        file: &Arc<dyn File>,
        headers: &LogHeaders<'a>,
        options: VerifyOptions,
    ) -> JetResult<Vec<Task<'a>>> {
        Ok(match self.report.role {
            FileRole::Database => self.pages(file, options)?,
            FileRole::ArchivedLog { .. } | FileRole::CurrentLog { .. } => self.log(headers),
            FileRole::Checkpoint => vec![Task::Checkpoint],
            FileRole::FlushMap => vec![Task::FlushMap],
            FileRole::Patch | FileRole::TempLog | FileRole::ReserveLog | FileRole::ShadowLog => Vec::new(),
        })
    }

    fn pages(&mut self, file: &Arc<dyn File>, options: VerifyOptions) -> JetResult<Vec<Task<'a>>> {
        let path = &self.entry.file.path;
        let Some(plan) = plan(file, path, &mut self.report) else {
            return Ok(Vec::new());
        };
        self.trailer = plan.trailer;
        let size = plan.size;
        let pages_in_job = u32::try_from(JOB_LEN / size.bytes_u64()).unwrap_or(u32::MAX);
        let starts = (1..=plan.last).step_by(usize::try_from(pages_in_job).unwrap_or(usize::MAX));
        let mut tasks: Vec<_> = starts
            .map(|first| Task::Pages {
                size,
                first,
                last: first.saturating_add(pages_in_job - 1).min(plan.last),
            })
            .collect();
        if options.deep {
            deep::require_clean(plan.state, path)?;
            tasks.push(Task::Deep {
                size,
                last: plan.last,
            });
        }
        Ok(tasks)
    }

    fn log(&mut self, headers: &LogHeaders<'a>) -> Vec<Task<'a>> {
        match headers.get(self.entry.file.path.as_path()) {
            Some(Ok(header)) => vec![Task::Log(header)],
            Some(Err(error)) => {
                self.report.add(Damage {
                    offset: 0,
                    page: None,
                    repairable: false,
                    code: error.jet_err(),
                    what: error.to_string(),
                });
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// Does a job of this file; what it finds is merged into the file's report later.
    fn run(
        &self,
        job: &Job<'_>,
        file: Result<Arc<dyn File>, Damage>,
        meter: &Meter<'_>,
    ) -> JetResult<(FileReport, Option<u64>)> {
        let of = &self.report;
        let mut part = FileReport::new(of.name.clone(), of.path.clone(), of.role, of.len);
        part.unit = of.unit;
        let file = match file {
            Ok(file) => file,
            Err(damage) => {
                part.add(damage);
                return Ok((part, None));
            }
        };
        let mut sum = None;
        match job.task {
            Task::Pages { size, first, last } => check_pages(&*file, size, (first, last), meter, &mut part),
            Task::Deep { size, last } => {
                let database = Database::open(Arc::clone(&file), &self.entry.file.path)?;
                let page = size.bytes_u64();
                let deep = deep::check(&database, deep::Limits::default(), &|| meter.add(page))?;
                meter.add(u64::from(last).saturating_sub(deep.counts.used_pages) * page);
                part.deep = Some(deep);
            }
            Task::Log(header) => sum = log::check_log(&*file, header, meter, &mut part),
            Task::Checkpoint => companion::check_checkpoint(&*file, meter, &mut part),
            Task::FlushMap => companion::check_flush_map(&*file, meter, &mut part),
        }
        self.note_change(&*file, &mut part);
        Ok((part, sum))
    }

    /// A file that changed since it was listed may look damaged although it is only in use.
    fn note_change(&self, file: &dyn File, part: &mut FileReport) {
        let before = &self.entry.stat;
        let is_same = file.stat().is_ok_and(|now| {
            (now.len, now.modified, now.identity) == (before.len, before.modified, before.identity)
        });
        if !is_same {
            part.notes
                .push("the file changed while it was verified".to_owned());
        }
    }
}
