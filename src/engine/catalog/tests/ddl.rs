use super::rig::Rig;
use crate::engine::catalog;
use crate::engine::change::Change;
use crate::engine::definition::{ColumnDefinition, IndexDefinition, TableDefinition};
use crate::engine::tree;
use crate::error::{JetErr, JetResult};
use crate::format::{ColumnId, ColumnType, FixedField, PageSize, RecordWriter};
use std::fmt::Debug;

pub(super) fn orders() -> TableDefinition {
    TableDefinition::new("orders")
        .column(ColumnDefinition::new("id", ColumnType::Long).auto_increment())
        .column(ColumnDefinition::new("customer", ColumnType::Text).max_len(80))
        .column(ColumnDefinition::new("count", ColumnType::Long))
        .column(ColumnDefinition::new("note", ColumnType::LongText).unicode())
        .index(IndexDefinition::primary("by_id").ascending("id"))
        .index(
            IndexDefinition::new("by_customer")
                .ascending("customer")
                .descending("id"),
        )
}

/// Inserts records into `orders` with these ids, as a cursor would.
pub(super) fn fill(change: &mut Change<'_>, ids: std::ops::Range<i32>) -> JetResult<()> {
    let (database, reader) = (change.database, change.transaction.state().clone());
    let table = database.look_in(change.state, |state| {
        catalog::table(state, database.page_size, "orders", &reader)
    })?;
    for id in ids {
        let (id, count) = (id.to_le_bytes(), (id % 7).to_le_bytes());
        let field = |value| FixedField { len: 4, value };
        let record = RecordWriter {
            fixed: vec![field(Some(&id)), field(Some(&count))],
            variable: vec![Some(b"somebody")],
            tagged: vec![],
        };
        let record = record.to_bytes(database.page_size)?;
        let view = crate::format::Record::read(database.page_size, &record)?;
        let key = table.primary.as_ref().unwrap().keys()?.primary_key(&view, None)?;
        tree::insert(change, table.tree, &key, &record)?;
        for index in &table.secondary {
            for entry in index.keys()?.keys(&view, None)? {
                tree::insert(change, index.tree, &entry, &key)?;
            }
        }
    }
    Ok(())
}

#[track_caller]
fn refused<T: Debug>(result: JetResult<T>, code: JetErr) {
    assert_eq!(result.unwrap_err().code(), code);
}

#[test]
fn a_table_is_made_filled_indexed_and_checked_at_every_page_size() {
    for size in [PageSize::Kib4, PageSize::Kib8, PageSize::Kib16, PageSize::Kib32] {
        let rig = Rig::new(size);
        let objid = rig
            .run(|change| Ok(catalog::create_table(change, &orders())?.schema.objid))
            .unwrap();
        rig.run(|change| fill(change, 0..500)).unwrap();
        rig.run(|change| {
            let index = IndexDefinition::new("by_count").ascending("count");
            super::rig::create_index(change, objid, &index)
        })
        .unwrap();
        rig.run(|change| fill(change, 500..600)).unwrap();
        rig.check();
        rig.clean_up();
        rig.check();
        let report = rig.deep_report();
        assert_eq!(report.counts.leaked, 0);
        assert!(report.counts.index_entries >= 1200, "{:?}", report.counts);
    }
}

#[test]
fn what_is_rolled_back_was_never_there_and_its_pages_come_back() {
    let rig = Rig::new(PageSize::Kib4);
    let free = |rig: &Rig| rig.deep_report().counts.available_pages;
    let before = free(&rig);
    let mut transaction = rig.begin(7);
    rig.work(&mut transaction, |change| {
        catalog::create_table(change, &orders())?;
        fill(change, 0..300)
    })
    .unwrap();
    assert!(rig.table(&transaction, "ORDERS").is_ok());
    refused(rig.table_now("orders"), JetErr::ObjectNotFound);
    rig.roll_back(&mut transaction, 1);
    refused(rig.table_now("orders"), JetErr::ObjectNotFound);
    rig.clean_up();
    rig.check();
    let report = rig.deep_report();
    assert_eq!(report.counts.leaked, 0);
    // Splits of the catalog may stay.
    assert!(free(&rig) + 8 >= before, "{before} before, {} after", free(&rig));
}

#[test]
fn a_savepoint_takes_back_part_of_the_schema() {
    let rig = Rig::new(PageSize::Kib4);
    let mut transaction = rig.begin(7);
    let table = rig
        .work(&mut transaction, |change| {
            catalog::create_table(change, &orders())
        })
        .unwrap();
    let objid = table.schema.objid;
    transaction.set_level(2);
    rig.work(&mut transaction, |change| {
        catalog::add_column(change, objid, &ColumnDefinition::new("more", ColumnType::Guid))?;
        catalog::delete_index(change, objid, "by_customer")?;
        catalog::long_value_tree(change, &table)
    })
    .unwrap();
    let inside = rig.table(&transaction, "orders").unwrap();
    assert_eq!((inside.schema.columns.len(), inside.secondary.len()), (5, 0));
    assert!(inside.long_values.is_some());
    rig.roll_back(&mut transaction, 2);
    rig.commit(&transaction);
    rig.clean_up();
    let after = rig.table_now("orders").unwrap();
    assert_eq!((after.schema.columns.len(), after.secondary.len()), (4, 1));
    assert!(after.long_values.is_none());
    rig.check();
    assert_eq!(rig.deep_report().counts.leaked, 0);
}

#[test]
fn each_transaction_sees_the_schema_of_its_beginning() {
    let rig = Rig::new(PageSize::Kib4);
    let objid = rig
        .run(|change| Ok(catalog::create_table(change, &orders())?.schema.objid))
        .unwrap();
    rig.run(|change| fill(change, 0..50)).unwrap();
    let early = rig.begin(8);
    let mut writer = rig.begin(9);
    rig.work(&mut writer, |change| {
        catalog::delete_column(change, objid, "count")?;
        catalog::add_column(
            change,
            objid,
            &ColumnDefinition::new("price", ColumnType::Currency),
        )
    })
    .unwrap();
    let names = |transaction: &_| {
        let table = rig.table(transaction, "orders").unwrap();
        let columns = table.schema.columns.iter();
        columns.map(|column| column.name.clone()).collect::<Vec<_>>()
    };
    let (old, new) = (
        ["id", "count", "customer", "note"],
        ["id", "price", "customer", "note"],
    );
    assert_eq!(names(&early), old);
    assert_eq!(names(&writer), new);
    assert_eq!(names(&rig.begin(10)), old);
    rig.commit(&writer);
    assert_eq!(names(&early), old);
    assert_eq!(names(&rig.begin(10)), new);
    assert_eq!(names(&early), old);
    // The place and the id of the deleted column are not used again.
    let table = rig.table_now("orders").unwrap();
    let price = table
        .layout
        .columns()
        .iter()
        .find(|column| column.name == "price");
    let price = price.unwrap();
    assert_eq!((price.id, price.offset), (ColumnId(3), 12));
}

#[test]
fn a_deleted_table_is_read_by_those_who_see_it_and_then_its_pages_are_given_back() {
    let rig = Rig::new(PageSize::Kib4);
    let before = rig.deep_report().counts.available_pages;
    rig.run(|change| catalog::create_table(change, &orders()).map(drop))
        .unwrap();
    rig.run(|change| {
        fill(change, 0..400)?;
        let (database, reader) = (change.database, change.transaction.state().clone());
        let table = database.look_in(change.state, |state| {
            catalog::table(state, database.page_size, "orders", &reader)
        })?;
        catalog::long_value_tree(change, &table).map(drop)
    })
    .unwrap();
    rig.clean_up();
    let reader = rig.begin(8);
    rig.run(|change| catalog::delete_table(change, "orders")).unwrap();
    assert!(rig.table(&reader, "orders").is_ok());
    assert!(!catalog::give_back_unneeded(&rig.shared, &rig.database).unwrap());
    refused(rig.table_now("orders"), JetErr::ObjectNotFound);
    // The name is free.
    rig.run(|change| catalog::create_table(change, &orders()).map(drop))
        .unwrap();
    rig.run(|change| catalog::delete_table(change, "orders")).unwrap();
    rig.commit(&reader);
    rig.clean_up();
    rig.check();
    let report = rig.deep_report();
    assert_eq!(report.counts.leaked, 0);
    assert!(report.counts.available_pages + 8 >= before);
}

#[test]
fn long_values_get_one_tree_whatever_becomes_of_who_asked_first() {
    let rig = Rig::new(PageSize::Kib4);
    let objid = rig
        .run(|change| Ok(catalog::create_table(change, &orders())?.schema.objid))
        .unwrap();
    let (mut one, mut two) = (rig.begin(8), rig.begin(9));
    let (in_one, in_two) = (
        rig.table(&one, "orders").unwrap(),
        rig.table(&two, "orders").unwrap(),
    );
    let tree = rig
        .work(&mut one, |change| catalog::long_value_tree(change, &in_one))
        .unwrap();
    let same = rig
        .work(&mut two, |change| catalog::long_value_tree(change, &in_two))
        .unwrap();
    assert_eq!(tree, same);
    // Also for one that began before.
    assert_eq!(rig.table(&two, "orders").unwrap().long_values, Some(tree));
    rig.roll_back(&mut one, 1);
    assert_eq!(rig.table_now("orders").unwrap().long_values, Some(tree));
    rig.commit(&two);
    let index = IndexDefinition::new("by_count").ascending("count");
    rig.run(|change| super::rig::create_index(change, objid, &index))
        .unwrap();
    rig.check();
}

#[test]
fn two_transactions_do_not_change_one_schema() {
    let rig = Rig::new(PageSize::Kib4);
    let objid = rig
        .run(|change| Ok(catalog::create_table(change, &orders())?.schema.objid))
        .unwrap();
    let (mut one, mut two) = (rig.begin(8), rig.begin(9));
    let column = |name| ColumnDefinition::new(name, ColumnType::Long);
    rig.work(&mut one, |change| {
        catalog::add_column(change, objid, &column("a"))
    })
    .unwrap();
    let again = |two: &mut _| rig.work(two, |change| catalog::add_column(change, objid, &column("b")));
    refused(again(&mut two), JetErr::WriteConflict);
    rig.commit(&one);
    refused(again(&mut two), JetErr::WriteConflict);
    rig.roll_back(&mut two, 1);
    again(&mut rig.begin(9)).unwrap();
    let create = |transaction: &mut _| {
        rig.work(transaction, |change| {
            catalog::create_table(change, &TableDefinition::new("new")).map(drop)
        })
    };
    let (mut one, mut two) = (rig.begin(10), rig.begin(11));
    create(&mut one).unwrap();
    refused(create(&mut two), JetErr::WriteConflict);
    rig.roll_back(&mut two, 1);
    rig.commit(&one);
    refused(create(&mut rig.begin(12)), JetErr::TableDuplicate);
}

#[test]
fn records_are_not_written_while_an_index_is_made_and_the_reverse() {
    let rig = Rig::new(PageSize::Kib4);
    let objid = rig
        .run(|change| Ok(catalog::create_table(change, &orders())?.schema.objid))
        .unwrap();
    let index = |name| IndexDefinition::new(name).ascending("count");
    let mut writer = rig.begin(8);
    rig.work(&mut writer, |change| fill(change, 0..3)).unwrap();
    let result = rig.run(|change| super::rig::create_index(change, objid, &index("a")));
    refused(result, JetErr::WriteConflict);
    rig.commit(&writer);
    let late = rig.begin(9);
    let mut maker = rig.begin(10);
    rig.work(&mut maker, |change| {
        super::rig::create_index(change, objid, &index("a"))
    })
    .unwrap();
    let may = |transaction: &crate::engine::open_transaction::OpenTransaction| {
        let state = rig.database.look();
        state.catalog.check_records(objid, transaction.state())
    };
    refused(may(&late), JetErr::WriteConflict);
    rig.commit(&maker);
    refused(may(&late), JetErr::WriteConflict);
    may(&rig.begin(11)).unwrap();
    rig.check();
}

#[test]
fn a_table_that_others_have_open_is_not_deleted() {
    let rig = Rig::new(PageSize::Kib4);
    let objid = rig
        .run(|change| Ok(catalog::create_table(change, &orders())?.schema.objid))
        .unwrap();
    rig.database.look().catalog.open_cursor(objid, 7);
    rig.database.look().catalog.open_cursor(objid, 8);
    let delete = || rig.run(|change| catalog::delete_table(change, "orders"));
    refused(delete(), JetErr::TableInUse);
    let index = IndexDefinition::new("a").ascending("count");
    refused(
        rig.run(|change| super::rig::create_index(change, objid, &index)),
        JetErr::TableInUse,
    );
    rig.database.look().catalog.close_cursor(objid, 8);
    delete().unwrap();
    refused(
        rig.run(|change| catalog::delete_table(change, "MSysObjids")),
        JetErr::CannotDeleteSystemTable,
    );
}

#[test]
fn what_cannot_be_made_is_refused_by_name() {
    let rig = Rig::new(PageSize::Kib4);
    let create = |table: TableDefinition| {
        let made = rig.run(|change| catalog::create_table(change, &table).map(drop));
        made.unwrap_err().code()
    };
    let long = |name: &str| ColumnDefinition::new(name, ColumnType::Long);
    let text = ColumnDefinition::new("text", ColumnType::Text).unicode();
    let with = |index| {
        TableDefinition::new("t")
            .column(long("a"))
            .column(text.clone())
            .index(index)
    };
    let column = |column| create(TableDefinition::new("t").column(column));
    assert_eq!(create(TableDefinition::new("a.b")), JetErr::InvalidName);
    assert_eq!(create(TableDefinition::new(&"x".repeat(65))), JetErr::InvalidName);
    let twice = TableDefinition::new("t").column(long("a")).column(long("A"));
    assert_eq!(create(twice), JetErr::ColumnDuplicate);
    let index = IndexDefinition::new("i");
    assert_eq!(create(with(index.clone())), JetErr::TooManyKeys);
    assert_eq!(create(with(index.clone().ascending("b"))), JetErr::ColumnNotFound);
    assert_eq!(
        create(with(index.clone().ascending("text"))),
        JetErr::UnicodeNormalizationNotSupported
    );
    let index = index.ascending("a");
    assert_eq!(
        create(with(index.clone()).index(index.clone())),
        JetErr::IndexDuplicate
    );
    assert_eq!(
        create(with(index.clone().key_most(1001))),
        JetErr::IndexInvalidDef
    );
    let primary = |name| IndexDefinition::primary(name).ascending("a");
    assert_eq!(
        create(with(primary("p")).index(primary("q"))),
        JetErr::IndexHasPrimary
    );
    assert_eq!(column(long("a").tagged().not_null()), JetErr::TaggedNotNULL);
    assert_eq!(column(long("a").escrow_update()), JetErr::InvalidGrbit);
    assert_eq!(column(long("a").default_value([1])), JetErr::InvalidBufferSize);
    assert_eq!(
        column(ColumnDefinition::new("a", ColumnType::Slv)),
        JetErr::InvalidColumnType
    );
    let two = TableDefinition::new("t")
        .column(long("a").auto_increment())
        .column(long("b").auto_increment());
    assert_eq!(create(two), JetErr::ColumnRedundant);
    let many = (0..128).fold(TableDefinition::new("t"), |table, at| {
        table.column(ColumnDefinition::new(&format!("c{at}"), ColumnType::Bit))
    });
    assert_eq!(create(many), JetErr::TooManyColumns);
    rig.clean_up();
    rig.check();
    assert_eq!(rig.deep_report().counts.leaked, 0);
}

#[test]
fn an_index_that_a_record_does_not_fit_is_not_made() {
    let rig = Rig::new(PageSize::Kib4);
    let objid = rig
        .run(|change| Ok(catalog::create_table(change, &orders())?.schema.objid))
        .unwrap();
    rig.run(|change| fill(change, 0..20)).unwrap();
    let index =
        |definition: IndexDefinition| rig.run(|change| super::rig::create_index(change, objid, &definition));
    refused(
        index(IndexDefinition::new("u").ascending("count").unique()),
        JetErr::KeyDuplicate,
    );
    refused(
        index(IndexDefinition::new("n").ascending("note")),
        JetErr::UnicodeNormalizationNotSupported,
    );
    index(
        IndexDefinition::new("two")
            .ascending("count")
            .ascending("id")
            .unique(),
    )
    .unwrap();
    refused(
        rig.run(|change| catalog::delete_column(change, objid, "count")),
        JetErr::ColumnInUse,
    );
    refused(
        rig.run(|change| catalog::delete_index(change, objid, "by_id")),
        JetErr::IndexMustStay,
    );
    rig.run(|change| catalog::delete_index(change, objid, "two"))
        .unwrap();
    rig.clean_up();
    rig.check();
}

#[test]
fn numbers_go_on_behind_the_highest_that_stands_on_a_page() {
    let rig = Rig::new(PageSize::Kib4);
    rig.run(|change| catalog::create_table(change, &orders()).map(drop))
        .unwrap();
    let table = rig.table_now("orders").unwrap();
    let next = || {
        rig.run(|change| catalog::next_auto_increment(change, &table))
            .unwrap()
    };
    assert_eq!((next(), next()), (1, 2));
    let mut lost = rig.begin(8);
    rig.work(&mut lost, |change| fill(change, 40..43)).unwrap();
    rig.roll_back(&mut lost, 1);
    // As after a start: only the pages are known.
    rig.database.write(&rig.shared).unwrap().catalog = catalog::CatalogState::default();
    assert_eq!(next(), 43);
    let heap = TableDefinition::new("heap").column(ColumnDefinition::new("a", ColumnType::Long));
    let heap = rig.run(|change| catalog::create_table(change, &heap)).unwrap();
    let key = || {
        rig.run(|change| catalog::next_sequential_key(change, &heap))
            .unwrap()
    };
    assert_eq!((key(), key()), ([0, 0, 0, 1], [0, 0, 0, 2]));
    let (size, last) = (rig.database.page_size, rig.database.look().last_objid);
    let known = rig.database.read(|state| catalog::last_objid(state, size));
    assert_eq!(known.unwrap(), last);
}
