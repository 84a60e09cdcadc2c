//! A database that the native engine makes as a genuine one was made: the same tables, the same rows in the same order.

use crate::support::{MemorySet, SET, open_in_memory};
use jetfs::engine::{
    ColumnDefinition, CommitMode, Database, IndexDefinition, Instance, Parameters, Session, Table,
    TableDefinition, Term,
};
use jetfs::format::log_record::LogRecord;
use jetfs::format::{ColumnClass, ColumnFlags, ColumnId, ColumnType, IndexFlags, SegmentFlags, Value};
use jetfs::io::{FileSystem, MemoryFileSystem, OpenMode, RealClock};
use jetfs::store;
use jetfs::store::log_reader::{LogPlace, LogReader};
use jetfs::store::{ColumnSchema, IndexSchema, Schema, TableSchema};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

const PATH: &str = "/instance/test.edb";

/// Asks for something more.
type Also<T> = fn(T) -> T;

/// What the public API cannot make: indexes over parts of values, and those that nest multi-valued columns.
pub(crate) fn is_made(index: &IndexSchema) -> bool {
    index.entry.tuple_limits.is_none() && !index.entry.flags.contains(IndexFlags::NESTED_TABLE)
}

/// Makes a database by `work`, ends the instance, and opens what is left.
pub(crate) fn make(page_size: u32, work: impl FnOnce(&Session, &Database)) -> store::Database {
    let fs = MemoryFileSystem::new(Arc::new(RealClock));
    fs.create_dir_all(Path::new("/instance")).unwrap();
    let fs: Arc<dyn FileSystem> = Arc::new(fs);
    let parameters = Parameters::new("/instance")
        .database_page_size(page_size)
        .log_file_size(1024)
        .circular_log(true)
        .background_thread(false);
    let instance = Instance::init_on(parameters, Arc::clone(&fs), Arc::new(RealClock)).unwrap();
    {
        let session = instance.session().unwrap();
        let database = instance.create_database(PATH).unwrap();
        work(&session, &database);
    }
    instance.term(Term::Complete).unwrap();
    let file = fs.open(Path::new(PATH), OpenMode::ReadOnly).unwrap();
    store::Database::open(file, Path::new(PATH)).unwrap()
}

/// What one asks for to get a table like that one.
pub(crate) fn definition(table: &TableSchema) -> TableDefinition {
    let mut definition = TableDefinition::new(&table.name)
        .pages(table.table.pages)
        .density(table.table.density);
    for column in &table.columns {
        definition = definition.column(column_definition(column));
    }
    let mut indexes: Vec<&IndexSchema> = table.indexes.iter().filter(|index| is_made(index)).collect();
    indexes.sort_by_key(|index| index.entry.objid);
    for index in indexes {
        definition = definition.index(index_definition(table, index));
    }
    definition
}

fn column_definition(column: &ColumnSchema) -> ColumnDefinition {
    let entry = &column.entry;
    let flags = entry.flags;
    // What is left of a deleted column does not say what it was.
    let kind = entry.kind.filter(|kind| *kind != ColumnType::Nil);
    let kind = kind.unwrap_or(ColumnType::LongBinary);
    let mut definition = ColumnDefinition::new(&column.name, kind).max_len(entry.size);
    definition = match entry.id.class() {
        ColumnClass::Fixed => definition.fixed(),
        ColumnClass::Variable => definition,
        ColumnClass::Tagged if flags.contains(ColumnFlags::MULTI_VALUED) => definition.multi_valued(),
        ColumnClass::Tagged => definition.tagged(),
    };
    if entry.code_page == 1200 {
        definition = definition.unicode();
    }
    if let Some(default) = &entry.default {
        definition = definition.default_value(default.clone());
    }
    let set: [(ColumnFlags, Also<ColumnDefinition>); 6] = [
        (ColumnFlags::NOT_NULL, ColumnDefinition::not_null),
        (ColumnFlags::AUTO_INCREMENT, ColumnDefinition::auto_increment),
        (ColumnFlags::VERSION, ColumnDefinition::version),
        (ColumnFlags::ESCROW_UPDATE, ColumnDefinition::escrow_update),
        (ColumnFlags::DELETE_ON_ZERO, ColumnDefinition::delete_on_zero),
        (ColumnFlags::COMPRESSED, ColumnDefinition::compressed),
    ];
    set.into_iter()
        .filter(|(flag, _)| flags.contains(*flag))
        .fold(definition, |definition, (_, set)| set(definition))
}

fn index_definition(table: &TableSchema, index: &IndexSchema) -> IndexDefinition {
    let entry = &index.entry;
    let name_of = |id: ColumnId| {
        let column = table.columns.iter().find(|column| column.entry.id == id);
        column.unwrap().name.as_str()
    };
    let has = |flag| entry.flags.contains(flag);
    let mut definition = if has(IndexFlags::PRIMARY) {
        IndexDefinition::primary(&index.name)
    } else {
        IndexDefinition::new(&index.name)
    };
    for segment in &entry.segments {
        let column = name_of(segment.column);
        definition = if segment.flags.contains(SegmentFlags::DESCENDING) {
            definition.descending(column)
        } else {
            definition.ascending(column)
        };
    }
    for condition in &entry.conditions {
        let column = name_of(condition.column);
        definition = if condition.flags.contains(SegmentFlags::MUST_BE_NULL) {
            definition.only_if_null(column)
        } else {
            definition.only_if_not_null(column)
        };
    }
    let nulls = [
        IndexFlags::ALLOW_SOME_NULLS,
        IndexFlags::ALLOW_FIRST_NULL,
        IndexFlags::ALLOW_ALL_NULLS,
    ]
    .map(has);
    definition = match nulls {
        [true, true, true] => definition,
        [true, true, false] => definition.ignore_null(),
        [true, false, false] => definition.ignore_first_null(),
        _ if has(IndexFlags::NO_NULL_SEGMENT) => definition.disallow_null(),
        _ => definition.ignore_any_null(),
    };
    let set: [(IndexFlags, Also<IndexDefinition>); 5] = [
        (IndexFlags::UNIQUE, IndexDefinition::unique),
        (IndexFlags::SORT_NULLS_HIGH, IndexDefinition::sort_nulls_high),
        (IndexFlags::CROSS_PRODUCT, IndexDefinition::cross_product),
        (
            IndexFlags::DISALLOW_TRUNCATION,
            IndexDefinition::disallow_truncation,
        ),
        (IndexFlags::DOT_NET_GUID, IndexDefinition::dot_net_guid),
    ];
    definition = set
        .into_iter()
        .filter(|(flag, _)| has(*flag))
        .fold(definition, |definition, (_, set)| set(definition));
    if let Some(most) = entry.var_seg_mac {
        definition = definition.variable_segment_most(most);
    }
    definition.key_most(entry.key_most).density(entry.density)
}

/// Inserts the rows of a table in the order in which they were first inserted, one transaction for each, with the
/// numbers that they had.
pub(crate) fn insert_rows(
    session: &Session,
    database: &Database,
    genuine: &store::Database,
    table: &str,
    order: &[Vec<u8>],
) -> usize {
    let schema = Schema::load(genuine).unwrap();
    let read = store::Table::open(genuine, &schema, table).unwrap();
    let place_of: HashMap<&[u8], usize> = order.iter().enumerate().map(|(at, key)| (&key[..], at)).collect();
    let mut rows: Vec<store::Row> = read.rows().unwrap().map(Result::unwrap).collect();
    rows.sort_by_key(|row| place_of.get(&row.key[..]).copied());
    let written = database.open_table(session, table).unwrap();
    for row in &rows {
        let transaction = session.begin().unwrap();
        insert_row(&written, read.columns(), row);
        transaction.commit_with(CommitMode::Lazy).unwrap();
    }
    rows.len()
}

fn insert_row(table: &Table<'_>, columns: &[store::Column<'_>], row: &store::Row) {
    let is_number =
        |column: &&store::Column<'_>| column.schema.entry.flags.contains(ColumnFlags::AUTO_INCREMENT);
    let number = columns.iter().position(|column| is_number(&column));
    let number = number.map(|at| row.values[at].as_ref().unwrap().to_string());
    // Numbers of inserts that were rolled back are not given again.
    let mut update = table.insert().unwrap();
    while update.auto_increment().map(|number| number.to_string()) != number {
        update = table.insert().unwrap();
    }
    for (column, value) in columns.iter().zip(&row.values) {
        let entry = &column.schema.entry;
        if is_number(&column) || column.schema.name.starts_with("JetStub_") {
            continue;
        }
        let id = table.column(&column.schema.name).unwrap();
        match value.as_ref().unwrap() {
            Value::Multi(values) => values.iter().for_each(|value| {
                update.set_at(id, 0, value).unwrap();
            }),
            Value::Null if entry.default.is_none() => {}
            value => {
                update.set(id, value).unwrap();
            }
        }
    }
    update.save().unwrap();
}

/// Keys that a log inserts, by the objid of the tree, in their order, each once.
pub(crate) fn inserted_keys(logs: &MemorySet) -> BTreeMap<u32, Vec<Vec<u8>>> {
    let fs = logs.file_system();
    let places = logs.log_names().into_iter().map(|name| LogPlace {
        path: Path::new(SET).join(&name),
        generation: logs.generation(&name),
    });
    let mut reader = LogReader::new(&fs, places);
    let mut keys: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
    let mut seen = HashSet::new();
    while let Some(logged) = reader.next_record().unwrap() {
        if let LogRecord::Insert(insert) = &logged.record
            && seen.insert((insert.node.objid, insert.key.to_vec()))
        {
            keys.entry(insert.node.objid)
                .or_default()
                .push(insert.key.to_vec());
        }
    }
    keys
}

/// A genuine database as it was when its log had come to the end of a generation: its logs replayed onto nothing.
pub(crate) fn at_generation(set: &MemorySet, last: u32) -> store::Database {
    let mut logs = set.logs_alone();
    for name in set.log_names() {
        if set.generation(&name) > last {
            logs.remove(&name);
        }
    }
    // The newest log has no number in its name.
    let newest = logs.last_log();
    let bytes = logs.file(&newest).to_vec();
    logs.remove(&newest);
    logs.insert("edb.log", bytes);
    let replayed = crate::support::replay(&logs).unwrap_or_else(|error| panic!("{error}"));
    let (name, bytes) = replayed.into_iter().next().unwrap();
    open_in_memory(&name, &bytes)
}
