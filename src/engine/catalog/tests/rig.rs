//! A database in memory, whose catalog a test changes.

use crate::engine::catalog::{
    self, BuildSite, IndexBuild, IndexNode, KeysOfRecord, LiveTable, create_database,
};
use crate::engine::change::Change;
use crate::engine::definition::IndexDefinition;
use crate::engine::open_transaction::OpenTransaction;
use crate::engine::pages::{CacheBudget, Pages};
use crate::engine::shared::Shared;
use crate::engine::state::{AttachedDatabase, DatabaseState};
use crate::engine::tree;
use crate::error::JetResult;
use crate::format::{DatabaseHeader, DbState, LogTime, PageSize, Signature};
use crate::io::{FileSystem, MemoryFileSystem, OpenMode, SettableClock};
use crate::store::log_stream::LogStream;
use crate::store::{Database, Schema, TableSchema};
use crate::verify::deep::{self, DeepReport, Limits};
use std::path::Path;
use std::sync::Arc;

/// A database, and the sessions of a test.
pub(super) struct Rig {
    pub(super) shared: Shared,
    pub(super) database: AttachedDatabase,
    fs: MemoryFileSystem,
}

impl Rig {
    /// A new database.
    pub(super) fn new(page_size: PageSize) -> Rig {
        let fs = MemoryFileSystem::default();
        let path = Path::new("/a.edb");
        fs.write_file(path, &[]).unwrap();
        let file = fs.open(path, OpenMode::ReadWrite).unwrap();
        let shared = Shared::new(
            Arc::new(fs.clone()),
            Arc::new(SettableClock::default()),
            LogStream::off(),
            CacheBudget::new(usize::MAX),
        );
        let state = DatabaseState::new(Pages::new(Arc::clone(&shared.budget)));
        let database = AttachedDatabase::new(1, path.into(), page_size, file, state);
        create_database(&shared, &database, catalog::INITIAL_PAGES).unwrap();
        Rig { shared, database, fs }
    }

    /// Begins a transaction.
    pub(super) fn begin(&self, session: u16) -> OpenTransaction {
        OpenTransaction::new(self.shared.transactions.begin(session))
    }

    /// Changes the database in a transaction.
    pub(super) fn work<T>(
        &self,
        transaction: &mut OpenTransaction,
        work: impl FnOnce(&mut Change<'_>) -> JetResult<T>,
    ) -> JetResult<T> {
        let mut state = self.database.write(&self.shared)?;
        work(&mut Change {
            shared: &self.shared,
            database: &self.database,
            state: &mut state,
            transaction,
        })
    }

    pub(super) fn commit(&self, transaction: &OpenTransaction) {
        self.shared.transactions.commit(transaction.state());
        let mut state = self.database.write(&self.shared).unwrap();
        state.versions.commit(transaction.state());
        state.catalog.commit(transaction.state());
    }

    /// Takes back what a transaction did at `level` and deeper; from level 1 on, all of it.
    pub(super) fn roll_back(&self, transaction: &mut OpenTransaction, level: u8) {
        tree::roll_back(&self.shared, &self.database, transaction, level).unwrap();
        let mut state = self.database.write(&self.shared).unwrap();
        state.catalog.roll_back(transaction.state(), level);
        if level == 1 {
            state.versions.roll_back(transaction.state());
            self.shared.transactions.roll_back(transaction.state());
        } else {
            transaction.set_level(level - 1);
        }
    }

    /// Changes the database in a transaction of its own, which an error rolls back.
    pub(super) fn run<T>(&self, work: impl FnOnce(&mut Change<'_>) -> JetResult<T>) -> JetResult<T> {
        let mut transaction = self.begin(7);
        let result = self.work(&mut transaction, work);
        match &result {
            Ok(_) => self.commit(&transaction),
            Err(_) => self.roll_back(&mut transaction, 1),
        }
        result
    }

    /// A table as a transaction sees it.
    pub(super) fn table(&self, transaction: &OpenTransaction, name: &str) -> JetResult<Arc<LiveTable>> {
        let size = self.database.page_size;
        self.database
            .read(|state| catalog::table(state, size, name, transaction.state()))
    }

    /// A table as a new transaction sees it.
    pub(super) fn table_now(&self, name: &str) -> JetResult<Arc<LiveTable>> {
        let transaction = self.begin(7);
        let table = self.table(&transaction, name);
        self.commit(&transaction);
        table
    }

    /// All tables but those of the engine, as a transaction sees them.
    pub(super) fn tables(&self, transaction: &OpenTransaction) -> Vec<TableSchema> {
        let size = self.database.page_size;
        let tables = self
            .database
            .read(|state| catalog::tables(state, size, transaction.state()));
        let mut tables = tables.unwrap();
        tables.retain(|table| !table.name.starts_with("MSys"));
        tables
    }

    /// Gives back all pages that nobody needs, and removes all nodes that nobody sees.
    pub(super) fn clean_up(&self) {
        loop {
            let oldest = self.shared.transactions.oldest_snapshot();
            let mut state = self.database.write(&self.shared).unwrap();
            match state.versions.drop_seen(oldest) {
                Some(dropped) => state.deleted.extend(dropped.deleted),
                None => break,
            }
        }
        let deleted = std::mem::take(&mut self.database.write(&self.shared).unwrap().deleted);
        self.run(|change| {
            let mut deleted = deleted.iter();
            deleted.try_for_each(|of| tree::remove_deleted(change, of.tree, of.bookmark.name()))
        })
        .unwrap();
        while catalog::give_back_unneeded(&self.shared, &self.database).unwrap() {}
    }

    /// The file as a clean shutdown leaves it.
    pub(super) fn close(&self) -> Database {
        let path = Path::new("/closed.edb");
        let (size, state) = (self.database.page_size, self.database.look());
        let mut bytes = vec![0; usize::try_from(size.offset_of(state.last_page + 1)).unwrap()];
        for pgno in 1..=state.last_page {
            if let Some(page) = state.pages.get(pgno) {
                let page = page.as_ref().clone().into_verified();
                let at = usize::try_from(size.offset_of(pgno)).unwrap();
                bytes[at..at + size.bytes()].copy_from_slice(page.bytes());
            }
        }
        let signature = Signature {
            random: 1,
            create: LogTime::default(),
            computer: [0; 16],
        };
        let mut header = DatabaseHeader::new(size, signature).unwrap();
        header.state = DbState::CleanShutdown;
        header.dbtime_dirtied = state.dbtime;
        header.objid_last = state.last_objid;
        let header = header.encode();
        bytes[..header.len()].copy_from_slice(&header);
        bytes[size.bytes()..size.bytes() + header.len()].copy_from_slice(&header);
        self.fs.write_file(path, &bytes).unwrap();
        let file = self.fs.open(path, OpenMode::ReadWrite).unwrap();
        Database::open(file, path).unwrap()
    }

    /// What the deep check says of the file.
    pub(super) fn deep_report(&self) -> DeepReport {
        deep::check(&self.close(), Limits::default(), &|| ()).unwrap()
    }

    /// Checks that everything fits together, and that the catalog says what everybody sees.
    pub(super) fn check(&self) {
        let report = self.deep_report();
        assert_eq!(report.damage, 0, "{:#?}", report.findings);
        let closed = self.close();
        let mut stored = Schema::load(&closed).unwrap().tables;
        stored.retain(|table| !table.name.starts_with("MSys"));
        assert_eq!(stored, self.tables(&self.begin(7)));
    }
}

/// Makes an index under one lock.
pub(super) fn create_index(
    change: &mut Change<'_>,
    objid: u32,
    definition: &IndexDefinition,
) -> JetResult<()> {
    let build = catalog::create_index(change, objid, definition)?;
    build.map_or(Ok(()), |build| build.run(change))
}

impl BuildSite for Change<'_> {
    fn read(&mut self, build: &IndexBuild) -> JetResult<Vec<KeysOfRecord>> {
        let (size, reader) = (self.database.page_size, Arc::clone(self.transaction.state()));
        self.database
            .look_in(self.state, |state| build.read(state, size, &reader))
    }

    fn insert(&mut self, build: &IndexBuild, entries: &[IndexNode]) -> JetResult<()> {
        build.insert(self, entries)
    }
}
