//! SQLite with a write-ahead log that is synced with every commit.

use crate::store::{Kind, Row, Settings, Store, Writer};
use anyhow::{Result, ensure};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

pub const SQLITE: Kind = Kind {
    name: "SQLite",
    file: "sqlite.db",
    open,
};

struct Sqlite {
    path: PathBuf,
    settings: Settings,
    reader: Mutex<Connection>,
}

fn open(directory: &Path, settings: Settings) -> Result<Box<dyn Store>> {
    let path = directory.join(SQLITE.file);
    let is_new = !path.exists();
    let reader = connect(&path, settings)?;
    if is_new {
        reader.execute_batch("CREATE TABLE kv (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID")?;
    }
    Ok(Box::new(Sqlite {
        path,
        settings,
        reader: Mutex::new(reader),
    }))
}

fn connect(path: &Path, settings: Settings) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(60))?;
    let (cache, frames) = (settings.cache / 1024, settings.checkpoint / 4096);
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -{cache}; PRAGMA mmap_size = 0;
         PRAGMA wal_autocheckpoint = {frames};"
    ))?;
    let page_size: u32 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    ensure!(page_size == 4096, "pages of {page_size} bytes");
    Ok(connection)
}

impl Store for Sqlite {
    fn write(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Result<()>) -> Result<()> {
        work(&mut SqliteWriter(connect(&self.path, self.settings)?))
    }

    fn get_all(&self, keys: &mut dyn Iterator<Item = [u8; 16]>) -> Result<u64> {
        let connection = self.reader.lock().unwrap();
        let transaction = connection.unchecked_transaction()?;
        let mut statement = transaction.prepare_cached("SELECT v FROM kv WHERE k = ?")?;
        let mut found = 0;
        for key in keys {
            let value = statement.query_row([&key[..]], |row| Ok(row.get_ref(0)?.as_blob()?.is_empty()));
            found += u64::from(value.optional()? == Some(false));
        }
        Ok(found)
    }

    fn scan(&self) -> Result<u64> {
        let connection = self.reader.lock().unwrap();
        let mut statement = connection.prepare_cached("SELECT k, v FROM kv ORDER BY k")?;
        let mut rows = statement.query([])?;
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            bytes += row.get_ref(1)?.as_blob()?.len() as u64;
        }
        Ok(bytes)
    }

    /// Every page in one step, of one snapshot.
    fn back_up(&self, to: &Path) -> Result<()> {
        let from = connect(&self.path, self.settings)?;
        let path = to.join(SQLITE.file);
        let mut target = Connection::open(&path)?;
        target.execute_batch("PRAGMA synchronous = FULL")?;
        let step = Backup::new(&from, &mut target)?.step(-1)?;
        ensure!(matches!(step, StepResult::Done), "the backup ended with {step:?}");
        File::open(path)?.sync_all()?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        let reader = self.reader.into_inner().unwrap();
        reader.close().map_err(|(_, error)| error.into())
    }
}

struct SqliteWriter(Connection);

impl Writer for SqliteWriter {
    fn put_all(&mut self, rows: &mut dyn Iterator<Item = Row>) -> Result<()> {
        let transaction = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut statement = transaction.prepare_cached("INSERT INTO kv VALUES (?, ?)")?;
            for (key, value) in rows {
                statement.execute(params![&key[..], &value[..]])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}
