//! The native engine: a table of two columns, the key in the primary index.

use crate::store::{Kind, Row, Settings, Store, Writer};
use anyhow::Result;
use jetfs::backup::{BackupMode, BackupSession, CopyRequest, ManifestKind, copy_to_directory};
use jetfs::engine::{
    ColumnDefinition, Database, IndexDefinition, Instance, Parameters, Seek, Session, Table, TableDefinition,
    Term,
};
use jetfs::format::{ColumnId, ColumnType, Value};
use jetfs::io::RealFileSystem;
use jetfs::source::live::{LiveOptions, LiveSource};
use std::path::Path;
use std::sync::Arc;

pub const JETFS: Kind = Kind {
    name: "jetfs",
    file: "jetfs.edb",
    open,
};

struct Jetfs {
    instance: Instance,
    database: Database,
}

fn open(directory: &Path, settings: Settings) -> Result<Box<dyn Store>> {
    let path = directory.join(JETFS.file);
    let is_new = !path.exists();
    let parameters = Parameters::new(directory)
        .cache_size_max(settings.cache)
        .checkpoint_depth_max(settings.checkpoint)
        .circular_log(true);
    let instance = Instance::init(parameters)?;
    let database = if is_new {
        let database = instance.create_database(&path)?;
        let kv = TableDefinition::new("kv")
            .column(
                ColumnDefinition::new("k", ColumnType::Binary)
                    .max_len(16)
                    .not_null(),
            )
            .column(ColumnDefinition::new("v", ColumnType::Binary).max_len(255))
            .index(IndexDefinition::primary("by_k").ascending("k"));
        database.create_table(&instance.session()?, &kv)?;
        database
    } else {
        instance.attach_database(&path)?
    };
    Ok(Box::new(Jetfs { instance, database }))
}

impl Store for Jetfs {
    fn write(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Result<()>) -> Result<()> {
        let session = self.instance.session()?;
        let table = self.database.open_table(&session, "kv")?;
        work(&mut JetfsWriter {
            session: &session,
            columns: [table.column("k")?, table.column("v")?],
            table,
        })
    }

    fn get_all(&self, keys: &mut dyn Iterator<Item = [u8; 16]>) -> Result<u64> {
        let session = self.instance.session()?;
        let _reading = session.begin()?;
        let mut table = self.database.open_table(&session, "kv")?;
        let column = table.column("v")?;
        let (mut found, mut value) = (0, Vec::new());
        for key in keys {
            if table.seek(&[Value::Binary(key.to_vec())], Seek::Equal)? {
                found += u64::from(table.value_bytes(column, &mut value)? && !value.is_empty());
            }
        }
        Ok(found)
    }

    fn scan(&self) -> Result<u64> {
        let session = self.instance.session()?;
        let _reading = session.begin()?;
        let mut table = self.database.open_table(&session, "kv")?;
        let column = table.column("v")?;
        let (mut bytes, mut value) = (0, Vec::new());
        while table.move_next()? {
            table.value_bytes(column, &mut value)?;
            bytes += value.len() as u64;
        }
        Ok(bytes)
    }

    /// A frozen backup with its logs and the sums of all files.
    fn back_up(&self, to: &Path) -> Result<()> {
        let session = BackupSession::new(Arc::new(LiveSource::new(&self.instance, LiveOptions::default())));
        let request = CopyRequest {
            kind: ManifestKind::Copy,
            mode: BackupMode::Frozen,
        };
        let mut describe = |session: &BackupSession| session.manifest(request.kind, request.mode);
        copy_to_directory(&session, request, &RealFileSystem, to, &mut describe, &mut |_| {
            Ok(())
        })?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.instance.term(Term::Complete)?)
    }
}

struct JetfsWriter<'s> {
    session: &'s Session,
    table: Table<'s>,
    columns: [ColumnId; 2],
}

impl Writer for JetfsWriter<'_> {
    fn put_all(&mut self, rows: &mut dyn Iterator<Item = Row>) -> Result<()> {
        let transaction = self.session.begin()?;
        let [k, v] = self.columns;
        for (key, value) in rows {
            let mut update = self.table.insert()?;
            update.set_bytes(k, &key)?;
            update.set_bytes(v, &value)?;
            update.save()?;
        }
        Ok(transaction.commit()?)
    }
}
