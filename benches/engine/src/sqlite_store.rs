//! SQLite with a write-ahead log that is synced with every commit.

use crate::store::{Store, Writer};
use anyhow::Result;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

pub struct Sqlite {
    path: PathBuf,
    reader: Mutex<Connection>,
}

pub fn open(directory: &Path) -> Result<Box<dyn Store>> {
    let path = directory.join("sqlite.db");
    let reader = connect(&path)?;
    reader.execute_batch("CREATE TABLE IF NOT EXISTS kv (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID")?;
    Ok(Box::new(Sqlite {
        path,
        reader: Mutex::new(reader),
    }))
}

fn connect(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(60))?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -524288; PRAGMA mmap_size = 0;",
    )?;
    Ok(connection)
}

impl Store for Sqlite {
    fn writer(&self) -> Result<Box<dyn Writer + '_>> {
        Ok(Box::new(SqliteWriter(connect(&self.path)?)))
    }

    fn get_all(&self, keys: &mut dyn Iterator<Item = [u8; 16]>) -> Result<u64> {
        let connection = self.reader.lock().unwrap();
        let transaction = connection.unchecked_transaction()?;
        let mut statement = transaction.prepare_cached("SELECT v FROM kv WHERE k = ?")?;
        let mut found = 0;
        for key in keys {
            let value: Option<Vec<u8>> = statement.query_row([&key[..]], |row| row.get(0)).optional()?;
            found += u64::from(value.is_some());
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
}

struct SqliteWriter(Connection);

impl Writer for SqliteWriter {
    fn put_all(&mut self, rows: &mut dyn Iterator<Item = ([u8; 16], [u8; 150])>) -> Result<()> {
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
