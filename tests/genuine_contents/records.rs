//! Every record that the genuine engine wrote, taken apart and put together again, has the same bytes.

use super::{databases, open};
use crate::support::Samples;
use jetfs::format::RecordParts;
use jetfs::store::{Database, Schema, TableSchema, Tree};
use std::path::Path;

#[test]
fn records_are_laid_out_as_the_genuine_engine_laid_them_out() {
    let Some(samples) = Samples::find("records_are_laid_out_as_the_genuine_engine_laid_them_out") else {
        return;
    };
    let (mut records, mut read) = (0, 0);
    for path in databases(&samples) {
        let database = open(&path);
        let Ok(schema) = Schema::load(&database) else {
            continue;
        };
        read += 1;
        for table in &schema.tables {
            records += compare_records(&path, &database, table);
        }
    }
    println!("{records} records of {read} databases");
    assert!(records > 10_000);
}

fn compare_records(path: &Path, database: &Database, table: &TableSchema) -> usize {
    let size = database.page_size();
    let tree = Tree::new(database, table.table.pgno_fdp, table.objid);
    // A dirty database may have trees that cannot be walked.
    let Ok(scan) = tree.scan() else { return 0 };
    let mut records = 0;
    for entry in scan.map_while(Result::ok) {
        let parts = RecordParts::read(size, entry.data()).unwrap();
        let made = parts.to_bytes(size).unwrap();
        let place = format!("{}, table {}, page {}", path.display(), table.name, entry.pgno());
        assert!(
            made == entry.data(),
            "{place}: {:02x?} became {made:02x?}",
            entry.data()
        );
        assert_eq!(made.len(), parts.len(size), "{place}");
        records += 1;
    }
    records
}
