//! A source in memory whose steps fail on demand: for tests of what stands above a source.

use super::findings::Findings;
use super::source::{
    BackupFile, BeginGrbit, Ending, FileRole, LogRange, LogSet, Obstacles, Source, SourceFile,
};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::PageSize;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

/// A step of a source that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "named as the functions of Source and BackupFile")]
pub enum Step {
    Begin,
    Databases,
    PrepareLogs,
    Open,
    Read,
    Truncatable,
    Truncate,
    End,
}

/// Files in memory, and a script of failures.
#[derive(Debug, Default)]
pub struct MemorySource {
    files: Vec<(SourceFile, Arc<[u8]>)>,
    base: String,
    range: Option<LogRange>,
    script: Arc<Mutex<Script>>,
    findings: Findings,
}

#[derive(Debug, Default)]
struct Script {
    failures: BTreeMap<Step, JetErr>,
    obstacles: Obstacles,
    truncated: Vec<LogRange>,
    endings: Vec<Ending>,
}

impl MemorySource {
    /// Nothing in it yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file; the range of generations grows with the logs.
    #[must_use]
    pub fn with_file(mut self, name: &str, role: FileRole, bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        if let FileRole::ArchivedLog { generation } = role {
            let range = self.range.get_or_insert(LogRange {
                low: generation,
                high: generation,
            });
            range.low = range.low.min(generation);
            range.high = range.high.max(generation);
            self.base = name.chars().take(3).collect();
        }
        let file = SourceFile {
            name: OsString::from(name),
            path: PathBuf::from("/memory").join(name),
            role,
            len: bytes.len() as u64,
            modified: SystemTime::UNIX_EPOCH,
        };
        self.files.push((file, bytes));
        self
    }

    /// The next time that it comes to `step`, it fails with `code`.
    pub fn fail_next(&self, step: Step, code: JetErr) {
        self.script.lock().failures.insert(step, code);
    }

    /// Takes back every failure that has not happened.
    pub fn fail_no_more(&self) {
        self.script.lock().failures.clear();
    }

    /// What speaks against a backup from now on.
    pub fn set_obstacles(&self, obstacles: Obstacles) {
        self.script.lock().obstacles = obstacles;
    }

    /// The ranges that were truncated.
    pub fn truncated(&self) -> Vec<LogRange> {
        self.script.lock().truncated.clone()
    }

    /// How its backups were ended.
    pub fn endings(&self) -> Vec<Ending> {
        self.script.lock().endings.clone()
    }

    fn step(&self, step: Step) -> JetResult<()> {
        self.script.lock().step(step)
    }

    fn files(&self, databases: bool) -> Vec<SourceFile> {
        let files = self.files.iter().map(|(file, _)| file);
        files
            .filter(|file| (file.role == FileRole::Database) == databases)
            .cloned()
            .collect()
    }
}

impl Script {
    fn step(&mut self, step: Step) -> JetResult<()> {
        match self.failures.remove(&step) {
            Some(code) => Err(JetError::rule(code, format!("{step:?} fails as the script says"))),
            None => Ok(()),
        }
    }
}

impl Source for MemorySource {
    fn obstacles(&self) -> Obstacles {
        self.script.lock().obstacles
    }

    fn begin(&self, _grbit: BeginGrbit) -> JetResult<()> {
        self.step(Step::Begin)
    }

    fn databases(&self) -> JetResult<Vec<SourceFile>> {
        self.step(Step::Databases)?;
        Ok(self.files(true))
    }

    fn prepare_logs(&self) -> JetResult<LogSet> {
        self.step(Step::PrepareLogs)?;
        Ok(LogSet {
            base: self.base.clone(),
            range: self.range,
            files: self.files(false),
        })
    }

    fn open(&self, file: &SourceFile) -> JetResult<Arc<dyn BackupFile>> {
        self.step(Step::Open)?;
        let found = self.files.iter().find(|(own, _)| own.name == file.name);
        let (_, bytes) = found.ok_or_else(|| JetError::rule(JetErr::FileNotFound, "no such file"))?;
        Ok(Arc::new(MemoryBackupFile {
            bytes: Arc::clone(bytes),
            script: Arc::clone(&self.script),
        }))
    }

    fn truncatable(&self, _copied: &[OsString]) -> JetResult<Option<LogRange>> {
        self.step(Step::Truncatable)?;
        Ok(self.range)
    }

    fn truncate(&self, range: LogRange) -> JetResult<()> {
        self.step(Step::Truncate)?;
        self.script.lock().truncated.push(range);
        Ok(())
    }

    fn end(&self, ending: &Ending) -> JetResult<()> {
        self.script.lock().endings.push(ending.clone());
        self.step(Step::End)
    }

    fn findings(&self) -> &Findings {
        &self.findings
    }
}

#[derive(Debug)]
struct MemoryBackupFile {
    bytes: Arc<[u8]>,
    script: Arc<Mutex<Script>>,
}

impl BackupFile for MemoryBackupFile {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn page_size(&self) -> PageSize {
        PageSize::Kib4
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> JetResult<usize> {
        self.script.lock().step(Step::Read)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.bytes.get(start..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        for (to, from) in buf.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(count)
    }

    fn verify(&self) -> JetResult<()> {
        Ok(())
    }

    fn passthrough(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
