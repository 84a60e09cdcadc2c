//! The main loop: which record is applied to what (log-and-recovery.md sections 6.2, 6.3 and 6.7).

use super::apply::{
    NodeBefore, Undoing, apply_convert_fdp, apply_create_multiple_extent, apply_create_single_extent,
    apply_empty_tree, apply_merge, apply_new_page, apply_node, apply_page_move, apply_root_page_move,
    apply_scrub, apply_split, check_key, undo_node,
};
use super::attach::LoggedAttach;
use super::database::ReplayedDatabase;
use super::databases::{Databases, Now, set_version};
use super::open_macros::{Macro, OpenMacros};
use super::pages::{Decision, PageChange, RedoPages};
use super::read_ahead::{PageAhead, Shared};
use super::session::{Bookmark, Change, Sessions};
use super::versions::{needs_node_before, node_before, node_operation, versioned_operation, versions_of};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::{
    AttachDatabase, BackupPhase, DBTIME_NIL, LogRecord, MacroBoundary, NewPage, PageOperation, Undo,
    UndoInfo, UndoneOperation,
};
use crate::format::{LogHeader, LogPosition, LogTime};
use crate::store::log_reader::Logged;
use std::sync::Arc;

/// The state of a replay.
#[derive(Debug)]
pub(super) struct Redo<'f> {
    /// The databases.
    pub(super) databases: Databases<'f>,
    /// Open transactions.
    pub(super) sessions: Sessions,
    /// Open macros.
    pub(super) macros: OpenMacros,
    /// What was read last.
    pub(super) now: Now,
    /// The last record that is no filler: how the log ends.
    pub(super) ending: LogEnding,
    /// Position of the last `ShutDownMark` of this run.
    pub(super) shutdown_mark: Option<LogPosition>,
    /// How much was done.
    pub(super) counts: Counts,
    /// What is read ahead.
    pub(super) read_ahead: Option<Arc<Shared>>,
}

/// How a log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum LogEnding {
    /// In the middle of something, or no record was read.
    #[default]
    Open,
    /// With `ShutDownMark`: everything is undone and flushed.
    ShutDownMark,
    /// With the record that ends a run, at this position.
    Closed(LogPosition),
}

/// How much a replay did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Records that were read.
    pub records: u64,
    /// Changes of pages that were applied.
    pub applied: u64,
    /// Changes of pages that the pages had already.
    pub newer: u64,
}

impl<'f> Redo<'f> {
    /// Nothing was read yet.
    pub(super) fn new(databases: Databases<'f>, now: Now) -> Self {
        Redo {
            databases,
            sessions: Sessions::default(),
            macros: OpenMacros::default(),
            now,
            ending: LogEnding::Open,
            shutdown_mark: None,
            counts: Counts::default(),
            read_ahead: None,
        }
    }

    /// Takes the pages that were read ahead, and says where those of the next logs are.
    ///
    /// # Errors
    /// There is no room for them, and the temporary file cannot be written.
    pub(super) fn take_pages(&mut self) -> JetResult<()> {
        let Some(shared) = &self.read_ahead else {
            return Ok(());
        };
        for (dbid, page) in shared.take_pages() {
            let Some(database) = self.databases.get_mut(dbid) else {
                continue;
            };
            match page {
                PageAhead::Verified(page) => database.overlay.offer(page)?,
                PageAhead::Blank(pgno) => database.overlay.offer_blank(pgno),
            }
        }
        shared.set_files(self.databases.page_files());
        Ok(())
    }

    /// Redo begins in this generation.
    pub(super) fn begin_at(&mut self, log: &LogHeader) {
        self.now.position.generation = log.generation;
        self.now.generation_time = log.create_time;
        self.note_time(log.create_time);
    }

    /// A generation is read from its beginning, or from where redo starts.
    ///
    /// # Errors
    /// A database knows another log of this generation, or misses an explanation.
    pub(super) fn enter_generation(&mut self, log: &LogHeader) -> JetResult<()> {
        self.begin_at(log);
        self.databases.enter_generation(log)
    }

    /// Replays a record.
    ///
    /// # Errors
    /// It cannot be applied; the error names the record.
    pub(super) fn replay(&mut self, logged: &Logged<'_>) -> JetResult<()> {
        self.now.position = logged.position;
        self.counts.records += 1;
        self.dispatch(logged)
            .map_err(|error| error.replaying(logged.position))
    }

    fn dispatch(&mut self, logged: &Logged<'_>) -> JetResult<()> {
        self.note_ending(&logged.record);
        match &logged.record {
            LogRecord::Begin0(begin) => self.sessions.begin0(begin.session, begin.levels, begin.trx),
            LogRecord::Begin(begin) => {
                if let Some(session) = self.sessions.get_mut(begin.session) {
                    session.begin(begin.levels);
                }
            }
            LogRecord::Commit0(commit) => self.commit(commit.session, 0),
            LogRecord::Commit(commit) => self.commit(commit.session, commit.level),
            LogRecord::Rollback(rollback) => {
                if let Some(session) = self.sessions.get_mut(rollback.session) {
                    session.rollback(rollback.levels);
                }
            }
            LogRecord::Refresh(refresh) => {
                if let Some(session) = self.sessions.get_mut(refresh.session) {
                    session.commit(0);
                    session.level = 1;
                }
            }
            LogRecord::MacroBegin(boundary) => self.macros.begin(*boundary),
            LogRecord::MacroAbort(boundary) => {
                self.macros.end(*boundary);
            }
            LogRecord::MacroCommit(boundary) => {
                if let Some(committed) = self.macros.end(*boundary) {
                    self.commit_macro(&committed, *boundary)?;
                }
            }
            LogRecord::UndoInfo(info) => self.undo_info(info),
            LogRecord::NewPage(new) => self.new_page(new)?,
            LogRecord::RootPageMove(moved) => {
                self.macros.keep(moved.session, moved.dbtime, logged.bytes);
            }
            record => match record.page_operation() {
                Some(operation) => self.change_page(logged, *operation)?,
                None => self.change_databases(record)?,
            },
        }
        Ok(())
    }

    /// Records that concern databases as a whole, or the run; those that change nothing are passed over.
    fn change_databases(&mut self, record: &LogRecord<'_>) -> JetResult<()> {
        let position = self.now.position;
        match record {
            LogRecord::Init(_) => self.begin_run(),
            LogRecord::Init2(init) => {
                self.note_time(init.time);
                self.begin_run();
            }
            LogRecord::Term(_) | LogRecord::RecoveryQuit(_) => self.end_run()?,
            LogRecord::Term2(term) | LogRecord::RecoveryQuit2(term) => {
                self.note_time(term.time);
                self.end_run()?;
            }
            LogRecord::RecoveryQuitKeepAttachments(quit) => {
                self.note_time(quit.time);
                self.begin_run();
            }
            LogRecord::RecoveryUndo2(undo) => self.note_time(undo.time),
            LogRecord::ShutDownMark(_) => self.shutdown_mark = Some(position),
            LogRecord::CreateDatabase(create) => self.databases.create(create, self.now)?,
            LogRecord::CreateDatabaseFinish(finish) => {
                if let Some(database) = self.databases.get_mut(finish.database) {
                    database.finish_creation(self.now);
                }
            }
            LogRecord::AttachDatabase(attach) => {
                self.databases.attach(logged_attach(attach, position), self.now)?;
            }
            LogRecord::ReAttach(reattach) => self.databases.reattach(reattach, self.now)?,
            LogRecord::DetachDatabase(detach) => {
                self.databases.detach(detach.database, position, self.now.time)?;
            }
            record => self.change_file(record)?,
        }
        Ok(())
    }

    /// Records that change the file of a database.
    fn change_file(&mut self, record: &LogRecord<'_>) -> JetResult<()> {
        let position = self.now.position;
        let dbid = match record {
            LogRecord::ExtendDatabase(record) => record.database,
            LogRecord::ShrinkDatabase(record) | LogRecord::ShrinkDatabase2(record) => record.database,
            LogRecord::ShrinkDatabase3(record) => record.database,
            LogRecord::TrimDatabase(record) => record.database,
            LogRecord::SetDatabaseVersion(record) => record.database,
            LogRecord::Backup2(record) if record.phase == BackupPhase::UpdateHeader => record.database,
            _ => return Ok(()),
        };
        let Some(database) = self
            .databases
            .get_mut(dbid)
            .filter(|database| database.concerns(position))
        else {
            return Ok(());
        };
        database.position = position;
        match record {
            LogRecord::ExtendDatabase(record) => database.extend(record.page_last, position),
            LogRecord::ShrinkDatabase(record) | LogRecord::ShrinkDatabase2(record) => {
                database.shrink(record.page_last, position);
            }
            LogRecord::ShrinkDatabase3(record) => {
                database.shrink_at(record.page_last, record.shrunk_pages, record.dbtime, position)?;
            }
            LogRecord::TrimDatabase(record) => {
                database
                    .withheld
                    .remove_range(record.page_first, record.zeroed_pages);
            }
            LogRecord::SetDatabaseVersion(record) => {
                set_version(&mut database.header, record).map_err(|error| error.in_file(&database.path))?;
            }
            LogRecord::Backup2(record) => {
                let header = &mut database.header;
                header.stamp_backup(record.scope, record.kind.into(), record.info);
            }
            _ => {}
        }
        Ok(())
    }

    fn note_ending(&mut self, record: &LogRecord<'_>) {
        let position = self.now.position;
        self.ending = match record {
            LogRecord::Nop(_) | LogRecord::Nop2(_) => return,
            LogRecord::ShutDownMark(_) => LogEnding::ShutDownMark,
            LogRecord::Term(_)
            | LogRecord::Term2(_)
            | LogRecord::RecoveryQuit(_)
            | LogRecord::RecoveryQuit2(_)
            | LogRecord::RecoveryQuitKeepAttachments(_) => LogEnding::Closed(position),
            _ => LogEnding::Open,
        };
    }

    fn note_time(&mut self, time: LogTime) {
        if time.is_set() {
            self.now.time = time;
        }
    }

    fn commit(&mut self, session: u16, to: u8) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.commit(to);
        }
    }

    /// The engine was started: what was open before is gone (section 6.7).
    fn begin_run(&mut self) {
        self.sessions.clear();
        self.macros.clear();
        self.shutdown_mark = None;
    }

    /// The engine ended: what is still attached is consistent with the last `ShutDownMark`.
    fn end_run(&mut self) -> JetResult<()> {
        let consistent = self.shutdown_mark.unwrap_or(self.now.position);
        self.databases.detach_all(consistent, self.now.time)?;
        self.begin_run();
        Ok(())
    }

    /// The database of a record, if the record is to be applied to it (section 6.3).
    fn database_for(&mut self, dbid: u8, session: u16) -> Option<&mut ReplayedDatabase> {
        let position = self.now.position;
        if !self.sessions.has(session) {
            return None;
        }
        let database = self.databases.get_mut(dbid)?;
        database.position = position;
        Some(database).filter(|database| database.concerns(position))
    }

    /// A record that changes a page: kept for its macro, or applied.
    fn change_page(&mut self, logged: &Logged<'_>, operation: PageOperation) -> JetResult<()> {
        let (session, dbtime) = (operation.session, operation.dbtime);
        if self.macros.keep(session, dbtime, logged.bytes) {
            return Ok(());
        }
        self.apply(&logged.record, operation)
    }

    fn apply(&mut self, record: &LogRecord<'_>, operation: PageOperation) -> JetResult<()> {
        self.raise_counters(record, operation);
        let Some(database) = self.database_for(operation.database, operation.session) else {
            return Ok(());
        };
        match record {
            LogRecord::CreateMultipleExtentFdp(create) => apply_create_multiple_extent(database, create),
            LogRecord::CreateSingleExtentFdp(create) => apply_create_single_extent(database, create),
            LogRecord::ConvertFdp(convert) => apply_convert_fdp(database, convert),
            LogRecord::EmptyTree(empty) => apply_empty_tree(database, empty),
            LogRecord::PageMove(moved) => apply_page_move(database, moved),
            LogRecord::ScrubPage(scrub) => apply_scrub(database, scrub),
            LogRecord::Split(_) | LogRecord::Merge(_) => {
                let what = "a split or merge outside of a macro";
                Err(JetError::rule(JetErr::LogCorrupted, what))
            }
            LogRecord::Undo(undo) => self.apply_undo(undo),
            record => self.apply_node(record, operation),
        }
    }

    /// Every record of an attached database counts, applied or not.
    fn raise_counters(&mut self, record: &LogRecord<'_>, operation: PageOperation) {
        let position = self.now.position;
        let Some(database) = self.databases.get_mut(operation.database) else {
            return;
        };
        if !database.concerns(position) {
            return;
        }
        if operation.dbtime != DBTIME_NIL {
            database.dbtime = database.dbtime.max(operation.dbtime);
        }
        if let Some(objid) = objid_of(record) {
            database.objid_last = database.objid_last.max(objid);
        }
    }

    /// An operation on one node, and what is needed to undo it.
    fn apply_node(&mut self, record: &LogRecord<'_>, operation: PageOperation) -> JetResult<()> {
        let Some(database) = self.databases.get_mut(operation.database) else {
            return Ok(());
        };
        let decision = database.decide(change_of(&operation))?;
        let versioned = versioned_operation(record).is_some();
        let mut before = None;
        if decision == Decision::Apply {
            let page = database.page(operation.page)?;
            if versioned && needs_node_before(record) {
                before = Some(node_before(page, operation.line).map_err(|error| misfit(error, &operation))?);
            }
            apply_node(page, record).map_err(|error| misfit(error, &operation))?;
            self.counts.applied += 1;
        } else {
            self.counts.newer += 1;
        }
        if versioned {
            self.remember(record, operation.session, before);
        }
        Ok(())
    }

    fn remember(&mut self, record: &LogRecord<'_>, session: u16, before: Option<NodeBefore>) {
        if let Some(session) = self.sessions.get_mut(session) {
            versions_of(record, before)
                .into_iter()
                .for_each(|version| session.add(version));
        }
    }

    fn new_page(&mut self, new: &NewPage) -> JetResult<()> {
        let position = self.now.position;
        if let Some(database) = self.databases.get_mut(new.database)
            && database.concerns(position)
        {
            database.dbtime = database.dbtime.max(new.dbtime);
            database.objid_last = database.objid_last.max(new.objid);
        }
        match self.database_for(new.database, new.session) {
            Some(database) => apply_new_page(database, new),
            None => Ok(()),
        }
    }

    /// `UndoInfo`: the version that waits for it learns what was before.
    fn undo_info(&mut self, info: &UndoInfo<'_>) {
        let operation = info.node.page;
        let Some(session) = self
            .sessions
            .get_mut(operation.session)
            .filter(|session| session.level > 0)
        else {
            return;
        };
        let Some(version) = session.version_mut(operation.database, info.node.rceid) else {
            return;
        };
        version.has_undo_info = true;
        if version.bookmark.is_some() {
            return;
        }
        version.bookmark = Some(Bookmark {
            key: info.key.to_vec(),
            data: info.bookmark_data.to_vec(),
        });
        if let Change::Replace { before, size_most } = &mut version.change {
            *before = info.before_image.to_vec();
            *size_most = usize::try_from(info.size_most).unwrap_or(0);
        }
    }

    /// `Undo`: the physical undoing that a rollback did.
    fn apply_undo(&mut self, undo: &Undo<'_>) -> JetResult<()> {
        let operation = undo.node.page;
        let session = self.sessions.get_mut(operation.session);
        let version = session.and_then(|session| session.remove(operation.database, undo.node.rceid));
        let Some(database) = self.databases.get_mut(operation.database) else {
            return Ok(());
        };
        if database.decide(change_of(&operation))? != Decision::Apply {
            self.counts.newer += 1;
            return Ok(());
        }
        let known = version.as_ref().filter(|version| version.bookmark.is_some());
        let known = known.map(|version| version.change.undoing());
        let undoing = match (undo.operation, known) {
            (UndoneOperation::Insert, _) => Undoing::Insert,
            (UndoneOperation::FlagDelete, _) => Undoing::FlagDelete,
            (UndoneOperation::Replace, Some(known @ Undoing::Replace { .. }))
            | (UndoneOperation::Delta, Some(known @ Undoing::Delta { .. }))
            | (UndoneOperation::Delta64, Some(known @ Undoing::Delta64 { .. })) => known,
            _ => {
                let what = format!(
                    "undoes operation {:#x}, of which the log that was read does not say what was before",
                    undo.node.rceid
                );
                return Err(JetError::rule(JetErr::LogCorrupted, what).on_page(operation.page));
            }
        };
        let page = database.page(operation.page)?;
        check_key(page, operation.line.into(), undo.key)
            .and_then(|()| undo_node(page, operation.line.into(), undoing))
            .map_err(|error| misfit(error, &operation))?;
        page.dirty(operation.dbtime);
        self.counts.applied += 1;
        Ok(())
    }

    /// The macro is complete: its records are applied together.
    fn commit_macro(&mut self, committed: &Macro, boundary: MacroBoundary) -> JetResult<()> {
        let records = committed.records()?;
        for record in &records {
            if let Some(operation) = record.page_operation() {
                self.raise_counters(record, *operation);
            }
        }
        match records.first() {
            Some(LogRecord::RootPageMove(moved)) => {
                self.move_root(&records, moved.database, boundary.session)
            }
            Some(LogRecord::Split(first)) => self.split(&records, first.page.database, boundary.session),
            Some(LogRecord::Merge(first)) => self.merge(&records, first.page.database, boundary.session),
            _ => self.apply_each(&records),
        }
    }

    fn split(&mut self, records: &[LogRecord<'_>], dbid: u8, session: u16) -> JetResult<()> {
        let (mut levels, mut others) = (Vec::new(), Vec::new());
        for record in records {
            match record {
                LogRecord::Split(split) => levels.push(*split),
                other => others.push(other),
            }
        }
        let leaf = match others.as_slice() {
            [] => None,
            [leaf] => Some(*leaf),
            _ => {
                let what = "a split with more than one operation on its leaf";
                return Err(JetError::rule(JetErr::LogCorrupted, what));
            }
        };
        let Some(database) = self.database_for(dbid, session) else {
            return Ok(());
        };
        let before = apply_split(database, &levels, leaf)?;
        self.counts.applied += 1;
        if let Some(leaf) = leaf {
            self.remember(leaf, session, before);
        }
        Ok(())
    }

    fn merge(&mut self, records: &[LogRecord<'_>], dbid: u8, session: u16) -> JetResult<()> {
        let levels: Vec<_> = records
            .iter()
            .map_while(|record| match record {
                LogRecord::Merge(merge) => Some(*merge),
                _ => None,
            })
            .collect();
        let Some(database) = self.database_for(dbid, session) else {
            return Ok(());
        };
        apply_merge(database, &levels)?;
        self.counts.applied += 1;
        self.apply_each(records.get(levels.len()..).unwrap_or_default())
    }

    fn move_root(&mut self, records: &[LogRecord<'_>], dbid: u8, session: u16) -> JetResult<()> {
        let Some(database) = self.database_for(dbid, session) else {
            return Ok(());
        };
        let mut versions = Vec::new();
        for record in records {
            let Some(operation) = versioned_operation(record).map(|operation| operation.page) else {
                continue;
            };
            let needed = database.decide(change_of(&operation))? == Decision::Apply;
            let before = if needed {
                Some(node_before(database.page(operation.page)?, operation.line)?)
            } else {
                None
            };
            versions.push((record, before));
        }
        apply_root_page_move(database, records)?;
        self.counts.applied += 1;
        for (record, before) in versions {
            self.remember(record, session, before);
        }
        Ok(())
    }

    fn apply_each(&mut self, records: &[LogRecord<'_>]) -> JetResult<()> {
        for record in records {
            if let Some(operation) = record.page_operation() {
                self.apply(record, *operation)?;
            }
        }
        Ok(())
    }
}

/// The tree that a record names, of the records that raise `objidLast`.
fn objid_of(record: &LogRecord<'_>) -> Option<u32> {
    match record {
        LogRecord::CreateMultipleExtentFdp(create) => Some(create.objid),
        LogRecord::CreateSingleExtentFdp(create) => Some(create.objid),
        LogRecord::ConvertFdp(convert) => Some(convert.objid),
        LogRecord::Split(split) => Some(split.objid),
        LogRecord::Merge(merge) => Some(merge.objid),
        record => node_operation(record).map(|operation| operation.objid),
    }
}

fn change_of(operation: &PageOperation) -> PageChange {
    PageChange {
        page: operation.page,
        dbtime: operation.dbtime,
        dbtime_before: operation.dbtime_before,
    }
}

/// A record that does not fit the page that it is for.
fn misfit(error: impl Into<JetError>, operation: &PageOperation) -> JetError {
    error.into().on_page(operation.page)
}

fn logged_attach(record: &AttachDatabase<'_>, position: LogPosition) -> LoggedAttach {
    LoggedAttach {
        path: record.path.text(),
        dbid: record.database,
        attach: position,
        consistent: record.consistent,
        signature: record.signature,
        log_signature: record.log_signature,
        dbtime: 0,
        from_list: false,
    }
}
