//! redb, every commit durable.

use crate::store::{Kind, Row, Settings, Store, Writer};
use anyhow::Result;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::path::Path;

pub const REDB: Kind = Kind {
    name: "redb",
    file: "redb.db",
    open,
};

const KV: TableDefinition<&[u8], &[u8]> = TableDefinition::new("kv");

struct Redb(Database);

/// There is no log, so nothing to be said of one.
fn open(directory: &Path, settings: Settings) -> Result<Box<dyn Store>> {
    let path = directory.join(REDB.file);
    let is_new = !path.exists();
    let database = Database::builder().set_cache_size(settings.cache).create(path)?;
    if is_new {
        let begun = database.begin_write()?;
        begun.open_table(KV)?;
        begun.commit()?;
    }
    Ok(Box::new(Redb(database)))
}

impl Store for Redb {
    fn write(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Result<()>) -> Result<()> {
        work(&mut RedbWriter(&self.0))
    }

    fn get_all(&self, keys: &mut dyn Iterator<Item = [u8; 16]>) -> Result<u64> {
        let table = self.0.begin_read()?.open_table(KV)?;
        let mut found = 0;
        for key in keys {
            let value = table.get(&key[..])?;
            found += u64::from(value.is_some_and(|value| !value.value().is_empty()));
        }
        Ok(found)
    }

    fn scan(&self) -> Result<u64> {
        let table = self.0.begin_read()?.open_table(KV)?;
        let mut bytes = 0;
        for row in table.iter()? {
            bytes += row?.1.value().len() as u64;
        }
        Ok(bytes)
    }

    /// redb has no backup: every row of one snapshot goes into a new database.
    fn back_up(&self, to: &Path) -> Result<()> {
        let rows = self.0.begin_read()?.open_table(KV)?;
        let target = Database::create(to.join(REDB.file))?;
        let begun = target.begin_write()?;
        {
            let mut table = begun.open_table(KV)?;
            for row in rows.iter()? {
                let (key, value) = row?;
                table.insert(key.value(), value.value())?;
            }
        }
        begun.commit()?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

struct RedbWriter<'d>(&'d Database);

impl Writer for RedbWriter<'_> {
    fn put_all(&mut self, rows: &mut dyn Iterator<Item = Row>) -> Result<()> {
        let begun = self.0.begin_write()?;
        {
            let mut table = begun.open_table(KV)?;
            for (key, value) in rows {
                table.insert(&key[..], &value[..])?;
            }
        }
        begun.commit()?;
        Ok(())
    }
}
