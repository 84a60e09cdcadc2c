use super::rig::Rig;
use crate::format::{CATALOG_OBJID, CATALOG_ROOT, CatalogEntry, PageSize};
use crate::genuine_samples::sample;
use crate::io::{FileSystem, OpenMode, RealFileSystem};
use crate::store::{Database, Schema, Tree};
use std::collections::BTreeMap;

const SIZES: [PageSize; 4] = [PageSize::Kib4, PageSize::Kib8, PageSize::Kib16, PageSize::Kib32];

#[test]
fn a_new_database_passes_the_deep_check_at_every_page_size() {
    for size in SIZES {
        let rig = Rig::new(size);
        let report = rig.deep_report();
        assert_eq!(report.damage, 0, "{size:?}: {:#?}", report.findings);
        assert_eq!(report.counts.leaked, 0, "{size:?}");
    }
}

#[test]
fn system_trees_are_where_every_instance_looks_for_them() {
    for size in SIZES {
        let tables = Schema::load(&Rig::new(size).close()).unwrap().tables;
        let roots: Vec<_> = tables
            .iter()
            .map(|table| (table.name.as_str(), table.objid, table.table.pgno_fdp))
            .collect();
        let wanted = [
            ("MSysObjects", 2, 4),
            ("MSysObjectsShadow", 3, 24),
            ("MSysObjids", 6, 29),
            ("MSysLocales", 7, 30),
        ];
        assert_eq!(roots, wanted, "{size:?}");
    }
}

/// Rows of the system tables by key, with the lengths of their records.
fn system_rows(database: &Database) -> BTreeMap<Vec<u8>, (usize, CatalogEntry)> {
    let scan = Tree::new(database, CATALOG_ROOT, CATALOG_OBJID).scan().unwrap();
    let rows = scan.map(|row| {
        let row = row.unwrap();
        let entry = CatalogEntry::read(database.page_size(), row.data()).unwrap();
        (row.key().to_vec(), (row.data().len(), entry))
    });
    rows.filter(|(_, (_, entry))| [2, 3, 6, 7].contains(&entry.objid_table))
        .collect()
}

/// What differs: column 13 (PgnoFDPLastSetTime) of the catalog, which the public engine adds at any format and Windows
/// at format 20 does not (database-file.md section 6.2).
#[test]
fn the_rows_of_system_tables_are_those_of_genuine_databases() {
    let own = system_rows(&Rig::new(PageSize::Kib4).close());
    for name in [
        "esedb-4k/basic.edb",
        "genuine-4k/clean/test.edb",
        "genuine-scenarios/p4096_e8920_types_clean/test.edb",
    ] {
        let Some(path) = sample(name) else { return };
        let file = RealFileSystem.open(&path, OpenMode::ReadOnly).unwrap();
        let mut genuine = system_rows(&Database::open(file, &path).unwrap());
        genuine.retain(|_, (_, entry)| entry.name != "PgnoFDPLastSetTime");
        for (key, row) in &genuine {
            assert_eq!(own.get(key), Some(row), "{name}");
        }
        assert_eq!(own.len(), genuine.len(), "{name}");
    }
}
