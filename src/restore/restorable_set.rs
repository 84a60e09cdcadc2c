//! What replaying the logs of backup sets came to. Nothing of it is written yet.

use super::plan::PlannedDatabase;
use crate::error::{JetError, JetResult};
use crate::format::LogTime;
use crate::io::FileSystem;
use crate::recovery::in_place::Writable;
use crate::recovery::{Counts, Recovered, Replayed, Undone};
use std::path::PathBuf;

/// A set that can be written.
#[derive(Debug)]
pub struct RestorableSet {
    /// The databases, as they will be.
    pub databases: Vec<RestoredDatabase>,
    /// The last generation that was replayed.
    pub last_generation: u32,
    /// The last time that the logs tell.
    pub time: LogTime,
    /// How much was replayed.
    pub counts: Counts,
    /// How much was undone.
    pub undone: Undone,
    /// Where everything goes.
    pub destination: PathBuf,
    /// Files that are copied, and where to.
    pub(super) copies: Vec<(PathBuf, PathBuf)>,
    /// What is then changed.
    pub(super) writable: Writable,
}

/// A database of the result.
#[derive(Debug, Clone)]
pub struct RestoredDatabase {
    /// Where it goes.
    pub path: PathBuf,
    /// The copy that it is made from; `None` if the logs make it.
    pub copy: Option<PathBuf>,
    /// Pages that the logs change.
    pub changed_pages: u64,
    /// Bytes of the file when all is done.
    pub len: u64,
}

/// What the pages are like that are taken over as they are.
#[derive(Debug, Default)]
pub struct PageCheck {
    /// Pages that were read.
    pub pages: u64,
    /// Those that are damaged.
    pub damaged: Vec<JetError>,
}

impl RestorableSet {
    /// Every file of the result with its length: what there must be room for.
    ///
    /// # Errors
    /// A log has gone meanwhile.
    pub fn files(&self, fs: &dyn FileSystem) -> JetResult<Vec<(PathBuf, u64)>> {
        let databases = self.databases.iter();
        let mut files: Vec<(PathBuf, u64)> = databases
            .map(|database| (database.path.clone(), database.len))
            .collect();
        for (from, to) in &self.copies {
            if files.iter().any(|(path, _)| path == to) {
                continue;
            }
            let stat = fs.stat(from);
            let stat = stat.map_err(|error| JetError::io("find", error).in_file(from))?;
            files.push((to.clone(), stat.len));
        }
        let new = self
            .writable
            .byte_count()
            .saturating_sub(self.writable.page_bytes());
        files.push((self.destination.clone(), new));
        Ok(files)
    }

    /// Bytes of pages that the logs change.
    pub fn changed_bytes(&self) -> u64 {
        self.writable.page_bytes()
    }

    /// Files that are copied first, and where to.
    pub fn copies(&self) -> &[(PathBuf, PathBuf)] {
        &self.copies
    }

    /// Verifies the pages that the logs do not change: replaying does not look at them (section 8.5), and a damaged one
    /// would go unnoticed into the restored database. `progress` gets bytes, and can end it with an error.
    ///
    /// # Errors
    /// A copy cannot be read; that of `progress`.
    pub fn check_pages(&self, progress: &mut dyn FnMut(u64) -> JetResult<()>) -> JetResult<PageCheck> {
        let mut check = PageCheck::default();
        for pages in self.writable.pages() {
            let mut page = vec![0; pages.page_size().bytes()];
            for pgno in (1..=pages.last_page()).filter(|pgno| pages.in_base(*pgno)) {
                check.pages += 1;
                if let Err(error) = pages.read_page(pgno, &mut page) {
                    check.take(error)?;
                }
                progress(page.len() as u64)?;
            }
        }
        Ok(check)
    }
}

impl PageCheck {
    fn take(&mut self, error: JetError) -> JetResult<()> {
        match error.cause() {
            crate::error::Cause::Io { .. } => Err(error),
            _ => {
                self.damaged.push(error);
                Ok(())
            }
        }
    }
}

/// The result of a replay with every database where it goes, and what there is to tell of each.
pub(super) fn relocated(
    mut replayed: Replayed,
    planned: &[PlannedDatabase],
) -> (Replayed, Vec<RestoredDatabase>) {
    let mut restored = Vec::new();
    for database in &mut replayed.databases {
        let plan = planned.iter().find(|plan| plan.copy.path == database.path);
        if let Some(plan) = plan {
            database.path.clone_from(&plan.target);
        }
        restored.push(told(database, plan));
    }
    (replayed, restored)
}

fn told(database: &Recovered, plan: Option<&PlannedDatabase>) -> RestoredDatabase {
    let size = database.overlay.page_size();
    RestoredDatabase {
        path: database.path.clone(),
        copy: plan.map(|plan| plan.copy.path.clone()),
        changed_pages: database.overlay.changed().len() as u64,
        len: (u64::from(database.overlay.last_page()) + 2) * size.bytes_u64(),
    }
}
