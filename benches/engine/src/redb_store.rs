//! redb, every commit durable.

use crate::store::{Store, Writer};
use anyhow::Result;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::path::Path;

const KV: TableDefinition<&[u8], &[u8]> = TableDefinition::new("kv");

struct Redb(Database);

pub fn open(directory: &Path) -> Result<Box<dyn Store>> {
    let database = Database::builder()
        .set_cache_size(512 << 20)
        .create(directory.join("redb.db"))?;
    let begun = database.begin_write()?;
    begun.open_table(KV)?;
    begun.commit()?;
    Ok(Box::new(Redb(database)))
}

impl Store for Redb {
    fn writer(&self) -> Result<Box<dyn Writer + '_>> {
        Ok(Box::new(RedbWriter(&self.0)))
    }

    fn get_all(&self, keys: &mut dyn Iterator<Item = [u8; 16]>) -> Result<u64> {
        let table = self.0.begin_read()?.open_table(KV)?;
        let mut found = 0;
        for key in keys {
            found += u64::from(
                table
                    .get(&key[..])?
                    .is_some_and(|value| !value.value().is_empty()),
            );
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
}

struct RedbWriter<'d>(&'d Database);

impl Writer for RedbWriter<'_> {
    fn put_all(&mut self, rows: &mut dyn Iterator<Item = ([u8; 16], [u8; 150])>) -> Result<()> {
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
