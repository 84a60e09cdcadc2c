//! What a database holds compressed.

use jetfs::format::{ColumnFlags, LongValueKey, LongValueRoot, Record, Storage};
use jetfs::store::{Database, TableSchema, Tree};
use std::collections::HashMap;

/// Bytes of the chunks of long values in databases of 4 KiB pages.
const CHUNK: u32 = 4014;

/// First values of columns, as they stand in records.
pub(crate) fn in_records(database: &Database, table: &TableSchema) -> Vec<Vec<u8>> {
    let columns = table.columns.iter().map(|column| &column.entry);
    let columns: Vec<_> = columns
        .filter(|column| column.flags.contains(ColumnFlags::COMPRESSED))
        .collect();
    let mut values = Vec::new();
    let tree = Tree::new(database, table.table.pgno_fdp, table.objid);
    for node in tree.scan().unwrap() {
        let node = node.unwrap();
        let record = Record::read(database.page_size(), node.data()).unwrap();
        for column in &columns {
            let Some(tagged) = record.tagged(column.id, false).unwrap() else {
                continue;
            };
            if tagged.len().unwrap() > 0 {
                let value = tagged.instance(0).unwrap();
                values.extend((value.storage == Storage::Compressed).then(|| value.data.to_vec()));
            }
        }
    }
    values
}

/// Chunks of long values, and how long they are plain.
pub(crate) fn in_chunks(database: &Database, table: &TableSchema) -> Vec<(Vec<u8>, usize)> {
    let Some(tree) = table.long_value else {
        return Vec::new();
    };
    let (mut sizes, mut chunks) = (HashMap::new(), Vec::new());
    for node in Tree::new(database, tree.pgno_fdp, tree.objid).scan().unwrap() {
        let node = node.unwrap();
        match LongValueKey::read(node.key()).unwrap() {
            LongValueKey::Root(lid) => {
                sizes.insert(lid, LongValueRoot::read(node.data()).unwrap().size);
            }
            LongValueKey::Chunk(lid, offset) => {
                let len = CHUNK.min(sizes[&lid] - offset) as usize;
                if node.data().len() < len {
                    chunks.push((node.data().to_vec(), len));
                }
            }
        }
    }
    chunks
}
