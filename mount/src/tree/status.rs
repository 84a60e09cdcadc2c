//! `.jetfs/status.json` and `.jetfs/metrics`: how the backup stands, for scripts.

use super::Tree;
use super::extended::generation;
use super::node::FileNode;
use jetfs::backup::{
    BackupMode, FileProgress, FileRole, Finding, JsonName, ManifestRecovery, Outcome, PhaseName, json_time,
};
use jetfs::format::PageSize;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the mount has done.
#[derive(Debug, Default)]
pub(super) struct Counters {
    opens: AtomicU64,
    reads: AtomicU64,
    bytes: AtomicU64,
    pages: AtomicU64,
    failures: AtomicU64,
}

impl Counters {
    pub(super) fn opened(&self) {
        self.opens.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self, bytes: usize) {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the pages that a read touched.
    pub(super) fn verified(&self, page_size: PageSize, offset: u64, bytes: usize) {
        let page = page_size.bytes_u64();
        let end = offset.saturating_add(bytes as u64);
        let touched = end.div_ceil(page).saturating_sub(offset / page);
        self.pages.fetch_add(touched, Ordering::Relaxed);
    }
}

/// How the backup stands.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    /// Version of jetfs.
    version: &'static str,
    source: JsonName,
    mode: &'static str,
    /// The phase of the backup.
    state: &'static str,
    started: String,
    /// In a recovered view, what was replayed and what was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovered: Option<ManifestRecovery>,
    files: Vec<FileStatus>,
    findings: Vec<Value>,
    /// Findings beyond those that are kept.
    findings_dropped: u64,
    warnings: Vec<String>,
    ignored: Vec<Ignored>,
    open_files: usize,
}

/// An entry of the source that is not shown.
#[derive(Debug, Serialize)]
struct Ignored {
    path: JsonName,
    reason: String,
}

#[derive(Debug, Serialize)]
struct FileStatus {
    name: JsonName,
    #[serde(flatten)]
    role: FileRole,
    path: JsonName,
    len: u64,
    delivered: u64,
    complete: bool,
    /// Verified as a whole when it was opened; the kernel may read it by itself, and then nothing is counted.
    verified: bool,
}

impl Tree {
    /// How the backup stands.
    pub(crate) fn status(&self) -> Status {
        let progress = self.session.progress().into_iter();
        let progress = progress.map(|file| (file.name.clone(), file)).collect();
        let findings = self.session.source().findings();
        Status {
            version: env!("CARGO_PKG_VERSION"),
            source: self.about.source.as_path().into(),
            mode: match (self.is_recovered_view(), self.about.live) {
                (true, _) => "recovered",
                (false, Some(live)) => match live.mode() {
                    BackupMode::Stream => "stream",
                    BackupMode::Spool => "spool",
                    _ => "frozen",
                },
                (false, None) => "at-rest",
            },
            state: self.state(),
            started: json_time::to_text(self.about.started),
            recovered: self.about.recovery.clone(),
            files: self
                .file_nodes()
                .iter()
                .map(|node| file_status(node, &progress))
                .collect(),
            findings: findings.all().iter().map(finding_json).collect(),
            findings_dropped: findings.dropped(),
            warnings: [self.about.warnings.clone(), self.notices.lock().clone()].concat(),
            ignored: self.ignored(),
            open_files: self.open_handles(),
        }
    }

    fn ignored(&self) -> Vec<Ignored> {
        let ignored = self.about.ignored.iter();
        ignored
            .map(|(path, reason)| Ignored {
                path: path.as_path().into(),
                reason: reason.clone(),
            })
            .collect()
    }

    /// What is wrong with the set as a whole, one line each.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.about.warnings
    }

    /// How many damaged places were repaired in the returned data, and how many were refused.
    pub(crate) fn damage(&self) -> (usize, usize) {
        let findings = self.session.source().findings().all();
        let count = |outcome| {
            findings
                .iter()
                .filter(|finding| finding.outcome == outcome)
                .count()
        };
        (count(Outcome::Repaired), count(Outcome::Refused))
    }

    /// `1 database, 14 logs (generations 0x1-0xE)`
    pub(crate) fn contents_in_words(&self) -> String {
        let files = self.files();
        let databases = files
            .iter()
            .filter(|file| file.role == FileRole::Database)
            .count();
        let generations: Vec<u32> = files.iter().filter_map(|file| generation(file.role)).collect();
        if self.is_recovered_view() {
            return format!("the recovered view ({})", counted(databases, "database"));
        }
        let mut parts = vec![counted(databases, "database")];
        if let (Some(low), Some(high)) = (generations.iter().min(), generations.iter().max()) {
            let logs = counted(generations.len(), "log");
            parts.push(match low == high {
                true => format!("{logs} (generation {low:#X})"),
                false => format!("{logs} (generations {low:#X}-{high:#X})"),
            });
        }
        let others = files.len().saturating_sub(databases + generations.len());
        if others > 0 {
            parts.push(counted(others, "other file"));
        }
        parts.join(", ").replace("0X", "0x")
    }

    /// The phase of the backup in one word.
    pub(super) fn state(&self) -> &'static str {
        match self.session.phase() {
            PhaseName::NotStarted => "ended",
            PhaseName::Databases => "databases",
            PhaseName::Logs => "logs",
            PhaseName::Frozen => "frozen",
            PhaseName::Surrogate => "surrogate",
        }
    }

    pub(super) fn status_text(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(&self.status()).unwrap_or_default();
        text.push(b'\n');
        text
    }

    pub(super) fn metrics_text(&self) -> Vec<u8> {
        let findings = self.session.source().findings().all();
        let count = |outcome| {
            findings
                .iter()
                .filter(|finding| finding.outcome == outcome)
                .count() as u64
        };
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        let lines = [
            ("opens", "Files opened.", load(&counters.opens)),
            ("reads", "Reads answered.", load(&counters.reads)),
            ("read_bytes", "Bytes delivered.", load(&counters.bytes)),
            (
                "pages_verified",
                "Pages and log segments verified in reads.",
                load(&counters.pages),
            ),
            ("failures", "Opens and reads refused.", load(&counters.failures)),
            (
                "places_repaired",
                "Damaged places repaired in the returned data.",
                count(Outcome::Repaired),
            ),
            (
                "places_refused",
                "Damaged places refused.",
                count(Outcome::Refused),
            ),
            (
                "places_served_damaged",
                "Damaged places served as they are.",
                count(Outcome::ServedDamaged),
            ),
        ];
        let mut text = String::new();
        for (name, help, value) in lines {
            let _ = writeln!(
                text,
                "# HELP jetfs_{name}_total {help}\n# TYPE jetfs_{name}_total counter\njetfs_{name}_total {value}"
            );
        }
        text.into_bytes()
    }
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

fn file_status(node: &FileNode, progress: &BTreeMap<OsString, FileProgress>) -> FileStatus {
    let file = &node.file;
    let own = progress.get(&file.name);
    FileStatus {
        name: JsonName(file.name.clone()),
        role: file.role,
        path: file.path.as_path().into(),
        len: file.len,
        delivered: own.map_or(0, |progress| progress.delivered),
        complete: own.is_some_and(|progress| progress.complete),
        verified: node.shared.is_verified(),
    }
}

/// A finding for JSON.
pub(crate) fn finding_json(finding: &Finding) -> Value {
    json!({
        "file": JsonName(finding.file.clone()),
        "offset": finding.offset,
        "page": finding.page,
        "outcome": finding.outcome,
        "error": finding.code.name(),
        "number": finding.code.number(),
        "what": finding.what,
    })
}
