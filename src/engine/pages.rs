//! The pages of a database that are in memory: which of them are newer than the file, and when they may be written
//! (log-and-recovery.md sections 5.2 and 5.3).
//!
//! ```text
//! clean ── changed ──> dirty ── take_dirty ──> being written ── written ──> clean
//!                        ^── changed ────────────────┘
//! ```
//!
//! A page is shared with whoever looks at it or writes it ([`Arc`]); a change makes a copy of one that is shared.

use super::transactions::TransactionState;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{LogPosition, PageBuffer};
use hashbrown::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How many bytes of pages an instance keeps in memory (`JET_paramCacheSizeMax`), and how many it has.
#[derive(Debug)]
pub(crate) struct CacheBudget {
    limit: AtomicUsize,
    used: AtomicUsize,
}

impl CacheBudget {
    /// At most `limit` bytes, as far as pages can be written or dropped.
    pub(crate) fn new(limit: usize) -> Self {
        CacheBudget {
            limit: AtomicUsize::new(limit),
            used: AtomicUsize::new(0),
        }
    }

    /// Whether there are more bytes than there should be.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.used.load(Ordering::Relaxed) > self.limit.load(Ordering::Relaxed)
    }

    /// Whether there are so many more that who wants to change pages should make room first.
    pub(crate) fn is_far_exceeded(&self) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        self.used.load(Ordering::Relaxed) > limit.saturating_add(limit / 4)
    }
}

/// The pages of one database that are in memory.
#[derive(Debug)]
pub(crate) struct Pages {
    frames: HashMap<u32, Frame>,
    budget: Arc<CacheBudget>,
    /// Grows with every use of a page.
    tick: AtomicU64,
    /// How often pages were dropped: one that was read from the file meanwhile may be too old.
    drops: u64,
}

#[derive(Debug)]
struct Frame {
    page: Arc<PageBuffer>,
    /// When it was last used, and when before that: pages that were used only once go first (LRU-2).
    used: [AtomicU64; 2],
    dirty: Option<Dirty>,
    /// `oldest` of what is being written.
    in_flight: Option<LogPosition>,
    /// Transactions that may need the room that the page keeps for rollbacks, which the file says nothing of.
    kept_for: Vec<Arc<TransactionState>>,
}

/// What must be known of a page that is newer than the file.
#[derive(Debug, Clone)]
struct Dirty {
    /// End of the last record that changed it: the log must be durable to there before the page is written.
    modified: LogPosition,
    /// `OB0`: begin of the oldest transaction that changed it since it was last written.
    oldest: LogPosition,
    /// Transactions that changed it and were open when they did.
    transactions: Vec<Arc<TransactionState>>,
}

/// A page to be written.
#[derive(Debug)]
pub(crate) struct DirtyPage {
    /// As it is now.
    pub(crate) page: Arc<PageBuffer>,
    /// The log must be durable to here first.
    pub(crate) modified: LogPosition,
}

impl Pages {
    /// No pages yet.
    pub(crate) fn new(budget: Arc<CacheBudget>) -> Self {
        Pages {
            frames: HashMap::new(),
            budget,
            tick: AtomicU64::new(1),
            drops: 0,
        }
    }

    /// The page, if it is in memory.
    pub(crate) fn get(&self, pgno: u32) -> Option<&Arc<PageBuffer>> {
        let frame = self.frames.get(&pgno)?;
        // Threads that count at the same moment count once: that is exact enough, and cheap.
        let now = self.tick.load(Ordering::Relaxed) + 1;
        self.tick.store(now, Ordering::Relaxed);
        let last = frame.used[0].load(Ordering::Relaxed);
        // Uses by one operation count as one.
        if now.saturating_sub(last) > CORRELATED {
            frame.used[1].store(last, Ordering::Relaxed);
            frame.used[0].store(now, Ordering::Relaxed);
        }
        Some(&frame.page)
    }

    /// The page, if it is in memory, without that this counts as a use.
    pub(crate) fn peek(&self, pgno: u32) -> Option<&Arc<PageBuffer>> {
        self.frames.get(&pgno).map(|frame| &frame.page)
    }

    /// The number of times that pages were dropped, see [`put_read`](Self::put_read).
    pub(crate) fn drops(&self) -> u64 {
        self.drops
    }

    /// Puts a page that was read when [`drops`](Self::drops) was `drops`. `false`: it may be too old, read it again.
    pub(crate) fn put_read(&mut self, page: PageBuffer, drops: u64) -> bool {
        if self.frames.contains_key(&page.pgno()) {
            return true;
        }
        if drops != self.drops {
            return false;
        }
        self.put(page);
        true
    }

    /// Puts a page, in the place of the one that was taken or as a new one.
    pub(crate) fn put(&mut self, page: PageBuffer) {
        let (pgno, len) = (page.pgno(), page.bytes().len());
        if let Some(frame) = self.frames.get_mut(&pgno) {
            frame.page = Arc::new(page);
            return;
        }
        self.budget.used.fetch_add(len, Ordering::Relaxed);
        let now = self.tick.fetch_add(1, Ordering::Relaxed);
        let frame = Frame {
            page: Arc::new(page),
            used: [AtomicU64::new(now), AtomicU64::new(0)],
            dirty: None,
            in_flight: None,
            kept_for: Vec::new(),
        };
        self.frames.insert(pgno, frame);
    }

    /// The page, to be changed; a copy if somebody else looks at it.
    ///
    /// # Errors
    /// It is not in memory.
    pub(crate) fn change(&mut self, pgno: u32) -> JetResult<&mut PageBuffer> {
        match self.frames.get_mut(&pgno) {
            Some(frame) => Ok(Arc::make_mut(&mut frame.page)),
            None => Err(JetError::rule(JetErr::InternalError, "is not in memory").on_page(pgno)),
        }
    }

    /// Notes that a record that ends at `modified` changed a page, for a transaction.
    pub(crate) fn mark_changed(
        &mut self,
        pgno: u32,
        modified: LogPosition,
        transaction: &Arc<TransactionState>,
    ) {
        let Some(frame) = self.frames.get_mut(&pgno) else {
            return;
        };
        let oldest = transaction.begin0();
        match &mut frame.dirty {
            Some(dirty) => {
                dirty.modified = dirty.modified.max(modified);
                dirty.oldest = dirty.oldest.min(oldest);
                add_open(&mut dirty.transactions, transaction);
            }
            None => {
                frame.dirty = Some(Dirty {
                    modified,
                    oldest,
                    transactions: vec![Arc::clone(transaction)],
                });
            }
        }
    }

    /// Gives all of these pages the open transactions of each of them: nodes have moved between them.
    pub(crate) fn share_transactions(&mut self, pgnos: &[u32]) {
        let mut all = Vec::new();
        for frame in pgnos.iter().filter_map(|pgno| self.frames.get(pgno)) {
            let changed_by = frame.dirty.iter().flat_map(|dirty| &dirty.transactions);
            let open = changed_by.chain(&frame.kept_for).filter(|one| one.is_open());
            open.for_each(|transaction| add_open(&mut all, transaction));
        }
        for pgno in pgnos {
            if let Some(dirty) = self.frames.get_mut(pgno).and_then(|frame| frame.dirty.as_mut()) {
                all.iter()
                    .for_each(|transaction| add_open(&mut dirty.transactions, transaction));
            }
        }
    }

    /// The open transactions with changes on dirty pages: their before images are to be logged before those pages can
    /// be written.
    pub(crate) fn open_transactions(&self) -> Vec<Arc<TransactionState>> {
        let mut all = Vec::new();
        let dirty = self.frames.values().filter_map(|frame| frame.dirty.as_ref());
        for transaction in dirty
            .flat_map(|dirty| &dirty.transactions)
            .filter(|one| one.is_open())
        {
            add_open(&mut all, transaction);
        }
        // Not in the order in which the pages happen to lie: what is logged of them is the same in every run.
        all.sort_unstable_by_key(|transaction| transaction.trx());
        all
    }

    /// Takes up to `most` dirty pages of this database, `dbid`, that may be written once the log is durable, ascending: those whose oldest change
    /// is before `before`, the oldest first, and on which no transaction is open whose before images are not in the log.
    /// They count as dirty until [`written`](Self::written).
    pub(crate) fn take_dirty(&mut self, dbid: u8, before: LogPosition, most: usize) -> Vec<DirtyPage> {
        let mut pgnos = self.writable(dbid, before);
        if pgnos.len() > most {
            pgnos.select_nth_unstable(most);
            pgnos.truncate(most);
        }
        let taken = pgnos.into_iter().filter_map(|(_, pgno)| self.take(pgno));
        let mut taken: Vec<DirtyPage> = taken.collect();
        taken.sort_unstable_by_key(|dirty| dirty.page.pgno());
        taken
    }

    /// The pages that may be written, each behind the position of its oldest change.
    fn writable(&self, dbid: u8, before: LogPosition) -> Vec<(LogPosition, u32)> {
        let frames = self.frames.iter().filter(|(_, frame)| frame.in_flight.is_none());
        let dirty = frames.filter_map(|(pgno, frame)| Some((frame.dirty.as_ref()?, *pgno)));
        let writable = dirty.filter(|(dirty, _)| dirty.may_be_written(dbid, before));
        writable.map(|(dirty, pgno)| (dirty.oldest, pgno)).collect()
    }

    fn take(&mut self, pgno: u32) -> Option<DirtyPage> {
        let frame = self.frames.get_mut(&pgno)?;
        let dirty = frame.dirty.take()?;
        frame.in_flight = Some(dirty.oldest);
        Some(DirtyPage {
            page: frame.page_for_file(dirty.transactions),
            modified: dirty.modified,
        })
    }

    /// Pages that were taken are durable in the file.
    pub(crate) fn written(&mut self, pages: &[DirtyPage]) {
        for page in pages {
            if let Some(frame) = self.frames.get_mut(&page.page.pgno()) {
                frame.in_flight = None;
            }
        }
    }

    /// `OB0` of the oldest change that is not in the file.
    pub(crate) fn oldest_change(&self) -> Option<LogPosition> {
        let frames = self.frames.values();
        let oldest = frames.filter_map(|frame| {
            let dirty = frame.dirty.as_ref().map(|dirty| dirty.oldest);
            dirty.into_iter().chain(frame.in_flight).min()
        });
        oldest.min()
    }

    /// How many pages are newer than the file.
    pub(crate) fn dirty_count(&self) -> usize {
        let is_dirty = |frame: &&Frame| frame.dirty.is_some() || frame.in_flight.is_some();
        self.frames.values().filter(is_dirty).count()
    }

    /// Drops clean pages that were not used for long, if the instance has too many; `false` if there are none left and
    /// there are still too many.
    pub(crate) fn make_room(&mut self) -> bool {
        self.make_room_around(0)
    }

    /// As [`make_room`](Self::make_room), but the `kept` clean pages that were used last stay: an operation needs them
    /// together.
    pub(crate) fn make_room_around(&mut self, kept: usize) -> bool {
        while self.budget.is_exceeded() {
            if !self.drop_some(kept) {
                return false;
            }
        }
        true
    }

    /// Drops an eighth of the clean pages, those whose last use but one is longest ago, but none of the `kept` that were
    /// used last.
    fn drop_some(&mut self, kept: usize) -> bool {
        let is_kept = |frame: &Frame| {
            frame.page.uncommitted_free() > 0 && frame.kept_for.iter().any(|one| one.is_open())
        };
        let clean = |frame: &Frame| frame.dirty.is_none() && frame.in_flight.is_none() && !is_kept(frame);
        let mut candidates: Vec<(u64, u64, u32)> = self
            .frames
            .iter()
            .filter(|(_, frame)| clean(frame))
            .map(|(pgno, frame)| {
                let [last, before] = &frame.used;
                (
                    before.load(Ordering::Relaxed),
                    last.load(Ordering::Relaxed),
                    *pgno,
                )
            })
            .collect();
        if candidates.len() <= kept {
            return false;
        }
        if kept > 0 {
            candidates.select_nth_unstable_by_key(kept, |(_, last, pgno)| (std::cmp::Reverse(*last), *pgno));
            candidates.drain(..kept);
        }
        let count = candidates.len().div_ceil(8);
        candidates.select_nth_unstable(count - 1);
        for (_, _, pgno) in candidates.into_iter().take(count) {
            self.remove(pgno);
        }
        true
    }

    fn remove(&mut self, pgno: u32) {
        if let Some(frame) = self.frames.remove(&pgno) {
            let len = frame.page.bytes().len();
            self.budget.used.fetch_sub(len, Ordering::Relaxed);
            self.drops += 1;
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let len: usize = self.frames.values().map(|frame| frame.page.bytes().len()).sum();
        self.budget.used.fetch_sub(len, Ordering::Relaxed);
    }
}

/// Uses with at most so many others between them are of one operation.
const CORRELATED: u64 = 16;

impl Frame {
    /// The page as the file gets it: with no room kept for rollbacks, since nobody would ever give that back in the file
    /// (log-and-recovery.md section 8.5). In memory it is kept as long as a transaction is open that changed the page.
    fn page_for_file(&mut self, changed_by: Vec<Arc<TransactionState>>) -> Arc<PageBuffer> {
        for transaction in changed_by.iter().filter(|one| one.is_open()) {
            add_open(&mut self.kept_for, transaction);
        }
        self.kept_for.retain(|one| one.is_open());
        if self.page.uncommitted_free() == 0 {
            return Arc::clone(&self.page);
        }
        if self.kept_for.is_empty() {
            Arc::make_mut(&mut self.page).set_uncommitted_free(0);
            return Arc::clone(&self.page);
        }
        let mut page = PageBuffer::clone(&self.page);
        page.set_uncommitted_free(0);
        Arc::new(page)
    }
}

impl Dirty {
    fn may_be_written(&self, dbid: u8, before: LogPosition) -> bool {
        let is_settled = |one: &Arc<TransactionState>| !one.is_open() || one.has_undo_info(dbid);
        self.oldest < before && self.transactions.iter().all(is_settled)
    }
}

/// Adds a transaction, and forgets those that have ended.
fn add_open(all: &mut Vec<Arc<TransactionState>>, transaction: &Arc<TransactionState>) {
    if all.iter().any(|one| Arc::ptr_eq(one, transaction)) {
        return;
    }
    all.retain(|one| one.is_open());
    all.push(Arc::clone(transaction));
}
