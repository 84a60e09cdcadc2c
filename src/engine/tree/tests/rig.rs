//! A database in memory with a log, and trees in it.

use crate::engine::bookmark::TreeId;
use crate::engine::change::Change;
use crate::engine::open_transaction::OpenTransaction;
use crate::engine::pages::{CacheBudget, Pages};
use crate::engine::shared::Shared;
use crate::engine::space::{NewTree, ROOT, create_root, create_tree};
use crate::engine::state::{AttachedDatabase, DatabaseState};
use crate::engine::tree::{remove_deleted, roll_back};
use crate::engine::versions::Versions;
use crate::error::JetResult;
use crate::format::log_record::{LogRecord, Rollback};
use crate::format::{
    AttachList, DbmsParam, LogHeader, LogPosition, LogTime, PageBuffer, PageFlags, PageSize, Signature,
};
use crate::io::{FileSystem, MemoryFileSystem, OpenMode, SettableClock};
use crate::store::log_reader::{LogPlace, LogReader};
use crate::store::log_stream::{LogObserver, LogStream, LogStreamOptions};
use crate::store::log_writer::{LogDigits, LogNaming};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Slots of a log that one generation is enough for.
const SLOTS: u16 = 60_000;

pub(super) struct Rig {
    pub(super) fs: MemoryFileSystem,
    pub(super) shared: Shared,
    pub(super) database: AttachedDatabase,
}

#[derive(Debug)]
struct Nobody;

impl LogObserver for Nobody {
    fn generation_begun(&self, _: u32, _: LogTime) -> JetResult<()> {
        Ok(())
    }

    fn state(&self) -> (LogPosition, AttachList) {
        (LogPosition::default(), AttachList::default())
    }
}

fn naming() -> LogNaming {
    LogNaming::new(Path::new("/l"), "edb", "log", LogDigits::FiveOrEight)
}

fn log_on(fs: &MemoryFileSystem) -> LogStream {
    let options = LogStreamOptions {
        fs: Arc::new(fs.clone()),
        clock: Arc::new(SettableClock::default()),
        naming: naming(),
        file_len: u64::from(SLOTS) * 4096,
        buffer_len: 1 << 20,
        observer: Arc::new(Nobody),
        reserve: false,
    };
    let param = DbmsParam::new("C:\\sys\\", "C:\\log\\", SLOTS.into()).unwrap();
    let mut header = LogHeader::new(1, SLOTS, Signature::default(), param).unwrap();
    header.create_time = LogTime::utc(2026, 11, 25, 1, 2, 3, 4);
    LogStream::create(options, header).unwrap()
}

impl Rig {
    /// A new database; `logged`: what happens to it is in a log.
    pub(super) fn new(page_size: PageSize, logged: bool) -> Rig {
        let fs = MemoryFileSystem::default();
        fs.create_dir_all(Path::new("/l")).unwrap();
        let path = Path::new("/a.edb");
        fs.write_file(path, &[]).unwrap();
        let file = fs.open(path, OpenMode::ReadWrite).unwrap();
        let shared = Shared::new(
            Arc::new(fs.clone()),
            Arc::new(SettableClock::default()),
            if logged { log_on(&fs) } else { LogStream::off() },
            CacheBudget::new(usize::MAX),
        );
        let state = DatabaseState {
            pages: Pages::new(Arc::clone(&shared.budget)),
            versions: Versions::default(),
            deleted: Default::default(),
            added_to: Default::default(),
            catalog: Default::default(),
            last_leaves: Default::default(),
            dbtime: 0,
            last_objid: 0,
            last_page: 0,
        };
        let database = AttachedDatabase::new(1, path.into(), page_size, file, state);
        let rig = Rig { fs, shared, database };
        rig.run(|change| create_root(change, 64)).unwrap();
        rig
    }

    /// A table, or an index of one.
    pub(super) fn tree(&self, is_unique: bool) -> TreeId {
        let table = NewTree {
            kind: PageFlags::empty(),
            is_unique: true,
            pages: 3,
            multiple_extent: true,
        };
        let create = |parent, new| self.run(|change| create_tree(change, parent, new)).unwrap();
        let tree = create(ROOT, table);
        if is_unique {
            return tree;
        }
        let index = NewTree {
            kind: PageFlags::INDEX,
            is_unique,
            pages: 1,
            multiple_extent: false,
        };
        create(tree, index)
    }

    pub(super) fn begin(&self, session: u16) -> OpenTransaction {
        OpenTransaction::new(self.shared.transactions.begin(session))
    }

    /// Changes the database for a transaction.
    pub(super) fn change<T>(
        &self,
        transaction: &mut OpenTransaction,
        work: impl FnOnce(&mut Change<'_>) -> JetResult<T>,
    ) -> JetResult<T> {
        let mut state = self.database.write(&self.shared)?;
        let mut change = Change {
            shared: &self.shared,
            database: &self.database,
            state: &mut state,
            transaction,
        };
        work(&mut change)
    }

    /// Changes the database in a transaction of its own.
    pub(super) fn run<T>(&self, work: impl FnOnce(&mut Change<'_>) -> JetResult<T>) -> JetResult<T> {
        let mut transaction = self.begin(7);
        let result = self.change(&mut transaction, work);
        self.commit(&transaction);
        result
    }

    pub(super) fn commit(&self, transaction: &OpenTransaction) {
        self.database.write_anyway().versions.commit(transaction.state());
        self.shared.transactions.commit(transaction.state());
    }

    /// Takes back a level and those in it.
    pub(super) fn roll_back(&self, transaction: &mut OpenTransaction, level: u8) {
        roll_back(&self.shared, &self.database, transaction, level).unwrap();
        let levels = transaction.logged_levels().saturating_sub(level - 1);
        let session = transaction.state().session();
        for _ in 0..levels {
            let record = LogRecord::Rollback(Rollback { session, levels: 1 });
            self.shared.log.append(&[record]).unwrap();
        }
        if level == 1 {
            self.database
                .write_anyway()
                .versions
                .roll_back(transaction.state());
            self.shared.transactions.roll_back(transaction.state());
        } else {
            transaction.set_level(level - 1);
        }
    }

    /// Removes what is deleted for everybody.
    pub(super) fn clean_up(&self) {
        let oldest = self.shared.transactions.oldest_snapshot();
        loop {
            let mut state = self.database.write_anyway();
            let Some(dropped) = state.versions.drop_seen(oldest) else {
                break;
            };
            state.deleted.extend(dropped.deleted);
        }
        let mut transaction = self.begin(9);
        loop {
            let Some(of) = self.database.write_anyway().deleted.pop_front() else {
                break;
            };
            let remove = |change: &mut Change<'_>| remove_deleted(change, of.tree, of.bookmark.name());
            self.change(&mut transaction, remove).unwrap();
        }
        self.commit(&transaction);
    }

    /// The pages that are in memory: all that were ever used.
    pub(super) fn pages(&self) -> BTreeMap<u32, PageBuffer> {
        let state = self.database.look();
        let pages = (1..=state.last_page).filter_map(|pgno| state.pages.get(pgno));
        pages.map(|page| (page.pgno(), PageBuffer::clone(page))).collect()
    }

    /// Every record of the log.
    pub(super) fn records(&self) -> Vec<Vec<u8>> {
        self.shared.log.flush_to(self.shared.log.end()).unwrap();
        let place = LogPlace {
            path: naming().current(),
            generation: 1,
        };
        let mut reader = LogReader::new(&self.fs, [place]);
        let mut records = Vec::new();
        while let Some(logged) = reader.next_record().unwrap() {
            records.push(logged.bytes.to_vec());
        }
        records
    }
}
