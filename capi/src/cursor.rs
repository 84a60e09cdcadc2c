//! Tables: made, opened, filled, read.

use super::answer::{Answer, Warning, done, told};
use super::owned::Owned;
use super::pointers::{In, Out, Plain};
use super::registry::{new_handle, session};
use super::session::Session;
use super::text::Text;
use jetfs::JetErr;
use jetfs::engine::{
    ColumnDefinition, Database, IndexDefinition, KeyLimit, Seek, Table, TableDefinition, Update,
};
use jetfs::format::{ColumnId, ColumnType, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The cursors of a session.
#[derive(Debug, Default)]
pub(crate) struct Cursors(BTreeMap<usize, Cursor>);

/// A table that a session has open.
#[derive(Debug)]
struct Cursor {
    table: Table<'static>,
    database: Database,
    name: String,
    /// What JetMakeKey has made so far.
    key: Vec<Value>,
    limit: KeyLimit,
    update: Option<Prepared>,
}

/// An update between JetPrepareUpdate and JetUpdate.
#[derive(Debug)]
struct Prepared {
    is_insert: bool,
    sets: Vec<Set>,
}

/// What JetSetColumn was called with.
#[derive(Debug, Clone)]
struct Set {
    column: ColumnId,
    sequence: usize,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Value(Value),
    Append(Vec<u8>),
    Overwrite(u32, Vec<u8>),
    Size(u32),
}

/// `JET_SETINFO` and the start of `JET_RETINFO`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct ValueInfo {
    size: u32,
    offset: u32,
    sequence: u32,
}

/// `JET_COLUMNDEF`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct ColumnDef {
    size: u32,
    column: u32,
    kind: u32,
    country: u16,
    language: u16,
    code_page: u16,
    collate: u16,
    most: u32,
    grbit: u32,
}

impl Plain for ValueInfo {}
impl Plain for ColumnDef {}

impl Cursors {
    fn get(&mut self, handle: usize) -> Result<&mut Cursor, JetErr> {
        self.0.get_mut(&handle).ok_or(JetErr::InvalidTableId)
    }

    /// A rollback leaves no update prepared.
    pub(crate) fn cancel_updates(&mut self) {
        self.0.values_mut().for_each(|cursor| cursor.update = None);
    }
}

/// Does something with a table of a session.
fn with<T>(
    sesid: usize,
    tableid: usize,
    act: impl FnOnce(&mut Cursor) -> Result<T, JetErr>,
) -> Result<T, JetErr> {
    let session = session(sesid)?;
    session.running()?;
    let mut owned = session.owned();
    act(owned.cursors.get(tableid)?)
}

fn keep(owned: &mut Owned, database: Database, table: OpenedTable) -> Result<usize, JetErr> {
    let handle = new_handle();
    let name = table.name.clone();
    let opened = owned.open(
        |session| (table.open)(session, &database),
        |cursors, opened| {
            let cursor = Cursor {
                table: opened,
                database: database.clone(),
                name,
                key: Vec::new(),
                limit: KeyLimit::None,
                update: None,
            };
            cursors.0.insert(handle, cursor);
        },
    );
    opened.map(|()| handle).map_err(told)
}

type Open = dyn FnOnce(&'static jetfs::engine::Session, &Database) -> jetfs::JetResult<Table<'static>>;

/// A table that is about to be opened.
struct OpenedTable {
    name: String,
    open: Box<Open>,
}

fn open_as(
    sesid: usize,
    dbid: u32,
    out: Out<usize>,
    table: impl FnOnce() -> Result<OpenedTable, JetErr>,
) -> Answer {
    let out = out.check()?;
    let session: Arc<Session> = session(sesid)?;
    let database = session.running()?.database(dbid)?;
    let handle = keep(&mut session.owned(), database, table()?)?;
    out.put(handle);
    Ok(Warning::NONE)
}

/// JetCreateTable.
pub(crate) fn create_table<T: Text>(
    sesid: usize,
    dbid: u32,
    name: T,
    (pages, density): (u32, u32),
    out: Out<usize>,
) -> Answer {
    open_as(sesid, dbid, out, || {
        let name = name.name()?;
        let mut definition = TableDefinition::new(&name);
        if pages > 0 {
            definition = definition.pages(pages);
        }
        if density > 0 {
            definition = definition.density(density);
        }
        Ok(OpenedTable {
            name,
            open: Box::new(move |session, database| database.create_table(session, &definition)),
        })
    })
}

/// JetOpenTable.
pub(crate) fn open_table<T: Text>(sesid: usize, dbid: u32, name: T, out: Out<usize>) -> Answer {
    open_as(sesid, dbid, out, || {
        let name = name.name()?;
        let called = name.clone();
        Ok(OpenedTable {
            name,
            open: Box::new(move |session, database| database.open_table(session, &called)),
        })
    })
}

/// JetCloseTable.
pub(crate) fn close_table(sesid: usize, tableid: usize) -> Answer {
    let session = session(sesid)?;
    let closed = session.owned().cursors.0.remove(&tableid);
    closed.map(|_| Warning::NONE).ok_or(JetErr::InvalidTableId)
}

/// JetAddColumn.
pub(crate) fn add_column<T: Text>(
    sesid: usize,
    tableid: usize,
    name: T,
    definition: In<ColumnDef>,
    default: &[u8],
    out: Out<u32>,
) -> Answer {
    let out = out.check_optional()?;
    let (name, given) = (name.name()?, definition.get()?);
    if given.size as usize != size_of::<ColumnDef>() {
        return Err(JetErr::InvalidParameter);
    }
    let definition = column_definition(&name, &given, default)?;
    let session = session(sesid)?;
    session.running()?;
    let mut owned = session.owned();
    let cursor = owned.cursors.get(tableid)?;
    let (database, table) = (cursor.database.clone(), cursor.name.clone());
    let added = database.add_column(owned.session(), &table, &definition);
    out.put(added.map_err(told)?.0.into());
    Ok(Warning::NONE)
}

/// `JET_bitColumn…`, each with what it does.
type ColumnBit = (u32, fn(ColumnDefinition) -> ColumnDefinition);

const COLUMN_BITS: [ColumnBit; 9] = [
    (0x1, ColumnDefinition::fixed),
    (0x2, ColumnDefinition::tagged),
    (0x4, ColumnDefinition::not_null),
    (0x8, ColumnDefinition::version),
    (0x10, ColumnDefinition::auto_increment),
    (0x400, ColumnDefinition::multi_valued),
    (0x800, ColumnDefinition::escrow_update),
    (0x2000, ColumnDefinition::delete_on_zero),
    (0x80000, ColumnDefinition::compressed),
];

/// The code page of Unicode.
const UNICODE: u16 = 1200;

fn column_definition(name: &str, given: &ColumnDef, default: &[u8]) -> Result<ColumnDefinition, JetErr> {
    let kind = ColumnType::from_number(given.kind).filter(|kind| *kind != ColumnType::Nil);
    let kind = kind.ok_or(JetErr::InvalidColumnType)?;
    let known = COLUMN_BITS.iter().fold(0, |known, (bit, _)| known | bit);
    if given.grbit & !known != 0 {
        return Err(JetErr::InvalidGrbit);
    }
    let mut definition = ColumnDefinition::new(name, kind);
    if given.most > 0 && kind.fixed_len().is_none() {
        definition = definition.max_len(given.most);
    }
    if given.code_page == UNICODE && kind.is_text() {
        definition = definition.unicode();
    }
    for (bit, apply) in COLUMN_BITS {
        if given.grbit & bit != 0 {
            definition = apply(definition);
        }
    }
    Ok(match default.is_empty() {
        true => definition,
        false => definition.default_value(default),
    })
}

/// `JET_bitIndex…`, each with what it does; primary is another beginning.
type IndexBit = (u32, fn(IndexDefinition) -> IndexDefinition);

const INDEX_BITS: [IndexBit; 6] = [
    (0x1, IndexDefinition::unique),
    (0x4, IndexDefinition::disallow_null),
    (0x8, IndexDefinition::ignore_null),
    (0x20, IndexDefinition::ignore_any_null),
    (0x40, IndexDefinition::ignore_first_null),
    (0x400, IndexDefinition::sort_nulls_high),
];
const PRIMARY: u32 = 0x2;

/// JetCreateIndex. `key`: `+column` or `-column`, each with a zero, and one more.
pub(crate) fn create_index<T: Text>(
    sesid: usize,
    tableid: usize,
    name: T,
    grbit: u32,
    columns: Vec<String>,
    density: u32,
) -> Answer {
    let name = name.name()?;
    let known = INDEX_BITS.iter().fold(PRIMARY, |known, (bit, _)| known | bit);
    if grbit & !known != 0 {
        return Err(JetErr::InvalidGrbit);
    }
    let mut definition = match grbit & PRIMARY {
        0 => IndexDefinition::new(&name),
        _ => IndexDefinition::primary(&name),
    };
    for (bit, apply) in INDEX_BITS {
        if grbit & bit != 0 {
            definition = apply(definition);
        }
    }
    if density > 0 {
        definition = definition.density(density);
    }
    for column in columns {
        definition = match (column.strip_prefix('+'), column.strip_prefix('-')) {
            (Some(column), _) => definition.ascending(column),
            (_, Some(column)) => definition.descending(column),
            _ => return Err(JetErr::InvalidParameter),
        };
    }
    let session = session(sesid)?;
    session.running()?;
    let mut owned = session.owned();
    let cursor = owned.cursors.get(tableid)?;
    let (database, table) = (cursor.database.clone(), cursor.name.clone());
    done(database.create_index(owned.session(), &table, &definition))
}

/// JetPrepareUpdate.
pub(crate) fn prepare_update(sesid: usize, tableid: usize, how: u32) -> Answer {
    const INSERT: u32 = 0;
    const REPLACE: u32 = 2;
    const CANCEL: u32 = 3;
    const REPLACE_NO_LOCK: u32 = 4;
    with(sesid, tableid, |cursor| {
        match (how, &cursor.update) {
            (CANCEL, None) => return Err(JetErr::UpdateNotPrepared),
            (CANCEL, Some(_)) => {
                cursor.update = None;
                return Ok(Warning::NONE);
            }
            (_, Some(_)) => return Err(JetErr::AlreadyPrepared),
            (INSERT | REPLACE | REPLACE_NO_LOCK, None) => {}
            _ => return Err(JetErr::InvalidParameter),
        }
        let is_insert = how == INSERT;
        if !is_insert {
            cursor.table.row().map_err(told)?;
        }
        cursor.update = Some(Prepared {
            is_insert,
            sets: Vec::new(),
        });
        Ok(Warning::NONE)
    })
}

/// JetSetColumn. Values are checked here, and applied by JetUpdate.
pub(crate) fn set_column(
    sesid: usize,
    tableid: usize,
    column: u32,
    bytes: Option<&[u8]>,
    len: u32,
    grbit: u32,
    info: In<ValueInfo>,
) -> Answer {
    const APPEND: u32 = 0x1;
    const OVERWRITE: u32 = 0x4;
    const SIZE: u32 = 0x8;
    const ZERO_LENGTH: u32 = 0x20;
    let (offset, sequence) = place(info)?;
    with(sesid, tableid, |cursor| {
        let (column, kind, code_page) = cursor.column(column)?;
        let update = cursor.update.as_mut().ok_or(JetErr::UpdateNotPrepared)?;
        let given = bytes.unwrap_or_default().to_vec();
        let what = match grbit {
            SIZE => What::Size(len),
            APPEND => What::Append(given),
            OVERWRITE => What::Overwrite(offset, given),
            0 if given.is_empty() => What::Value(Value::Null),
            0 | ZERO_LENGTH => {
                let value = Value::read(kind, code_page, given);
                What::Value(value.map_err(|_| JetErr::InvalidBufferSize)?)
            }
            _ => return Err(JetErr::InvalidGrbit),
        };
        update.sets.push(Set {
            column,
            sequence,
            what,
        });
        Ok(Warning::NONE)
    })
}

/// Offset and number of a value; the first one from its start if nothing is said.
fn place(info: In<ValueInfo>) -> Result<(u32, usize), JetErr> {
    if info.is_null() {
        return Ok((0, 1));
    }
    let info = info.get()?;
    if (info.size as usize) < size_of::<ValueInfo>() {
        return Err(JetErr::InvalidParameter);
    }
    Ok((info.offset, info.sequence.max(1) as usize))
}

/// JetUpdate.
pub(crate) fn update(sesid: usize, tableid: usize, room: Out<u8>, most: u32, actual: Out<u32>) -> Answer {
    let actual = actual.check_optional()?;
    with(sesid, tableid, |cursor| {
        let prepared = cursor.update.take().ok_or(JetErr::UpdateNotPrepared)?;
        let mut update = match prepared.is_insert {
            true => cursor.table.insert(),
            false => cursor.table.replace(),
        }
        .map_err(told)?;
        for set in &prepared.sets {
            apply(&mut update, set)?;
        }
        let bookmark = update.save().map_err(told)?;
        put_bytes(&bookmark, room, most, actual)
    })
}

fn apply(update: &mut Update<'_, '_>, set: &Set) -> Result<(), JetErr> {
    let (column, sequence) = (set.column, set.sequence);
    let applied = match &set.what {
        What::Value(value) => update.set_at(column, sequence, value),
        What::Append(bytes) => update.append_long(column, sequence, bytes),
        What::Overwrite(offset, bytes) => update.write_long(column, sequence, *offset, bytes),
        What::Size(len) => update.set_long_size(column, sequence, *len),
    };
    applied.map(drop).map_err(told)
}

/// As much of the bytes as there is room for, and how many they are.
fn put_bytes(bytes: &[u8], room: Out<u8>, most: u32, actual: Out<u32>) -> Answer {
    let count = if room.is_null() {
        0
    } else {
        bytes.len().min(most as usize)
    };
    let (written, _) = bytes.split_at(count);
    room.slice(count)?.copy_from_slice(written);
    actual.put(u32::try_from(bytes.len()).map_err(|_| JetErr::InternalError)?);
    Ok(match room.is_null() || count == bytes.len() {
        true => Warning::NONE,
        false => Warning::BUFFER_TRUNCATED,
    })
}

/// JetRetrieveColumn, of the record as it is stored.
pub(crate) fn retrieve_column(
    sesid: usize,
    tableid: usize,
    column: u32,
    (room, most): (Out<u8>, u32),
    actual: Out<u32>,
    info: In<ValueInfo>,
) -> Answer {
    let actual = actual.check_optional()?;
    let (offset, sequence) = place(info)?;
    with(sesid, tableid, |cursor| {
        let (column, ..) = cursor.column(column)?;
        let row = cursor.table.row().map_err(told)?;
        let Some(len) = row.len(column, sequence).map_err(told)? else {
            actual.put(0);
            return Ok(Warning::COLUMN_NULL);
        };
        let left = len.saturating_sub(offset);
        let wanted = if room.is_null() { 0 } else { left.min(most) };
        let bytes = row
            .read_long(column, sequence, offset, wanted as usize)
            .map_err(told)?;
        room.slice(bytes.len())?.copy_from_slice(&bytes);
        actual.put(left);
        Ok(match wanted < left {
            true => Warning::BUFFER_TRUNCATED,
            false => Warning::NONE,
        })
    })
}

/// JetMove.
pub(crate) fn move_cursor(sesid: usize, tableid: usize, count: i32) -> Answer {
    with(sesid, tableid, |cursor| {
        cursor.update = None;
        let table = &mut cursor.table;
        let moved = match count {
            i32::MIN => table.move_first(),
            i32::MAX => table.move_last(),
            count => table.move_by(count.into()),
        };
        match moved.map_err(told)? {
            true => Ok(Warning::NONE),
            false => Err(JetErr::NoCurrentRecord),
        }
    })
}

/// JetMakeKey: the value of the next column of the current index.
pub(crate) fn make_key(sesid: usize, tableid: usize, bytes: &[u8], grbit: u32) -> Answer {
    const NEW: u32 = 0x1;
    const ZERO_LENGTH: u32 = 0x10;
    let limit = match grbit & !(NEW | ZERO_LENGTH) {
        0 => KeyLimit::None,
        0x2 => KeyLimit::String,
        0x4 => KeyLimit::Substring,
        0x100 => KeyLimit::FullColumnStart,
        0x200 => KeyLimit::FullColumnEnd,
        0x400 => KeyLimit::PartialColumnStart,
        0x800 => KeyLimit::PartialColumnEnd,
        _ => return Err(JetErr::InvalidGrbit),
    };
    with(sesid, tableid, |cursor| {
        if grbit & NEW != 0 {
            cursor.key.clear();
        } else if cursor.key.is_empty() {
            return Err(JetErr::KeyNotMade);
        }
        let columns = cursor.table.key_columns().map_err(told)?;
        let column = columns
            .get(cursor.key.len())
            .copied()
            .ok_or(JetErr::InvalidParameter)?;
        let (_, kind, code_page) = cursor.column(column.0.into())?;
        let value = match bytes.is_empty() && grbit & ZERO_LENGTH == 0 {
            true => Value::Null,
            false => {
                let value = Value::read(kind, code_page, bytes.to_vec());
                value.map_err(|_| JetErr::InvalidBufferSize)?
            }
        };
        cursor.key.push(value);
        cursor.limit = limit;
        Ok(Warning::NONE)
    })
}

/// JetSeek.
pub(crate) fn seek(sesid: usize, tableid: usize, grbit: u32) -> Answer {
    let how = match grbit {
        0x1 => Seek::Equal,
        0x2 => Seek::Less,
        0x4 => Seek::LessOrEqual,
        0x8 => Seek::GreaterOrEqual,
        0x10 => Seek::Greater,
        _ => return Err(JetErr::InvalidGrbit),
    };
    with(sesid, tableid, |cursor| {
        if cursor.key.is_empty() {
            return Err(JetErr::KeyNotMade);
        }
        cursor.update = None;
        let key = cursor.table.make_key(&cursor.key, cursor.limit).map_err(told)?;
        if !cursor.table.seek_key(&key, how).map_err(told)? {
            return Err(JetErr::RecordNotFound);
        }
        let is_equal = matches!(how, Seek::Less | Seek::Greater) || cursor.table.key().map_err(told)? == key;
        Ok(match is_equal {
            true => Warning::NONE,
            false => Warning::SEEK_NOT_EQUAL,
        })
    })
}

impl Cursor {
    fn column(&self, number: u32) -> Result<(ColumnId, ColumnType, u16), JetErr> {
        let columns = self.table.columns().map_err(told)?;
        let column = columns
            .into_iter()
            .find(|column| u32::from(column.id.0) == number);
        let column = column.ok_or(JetErr::ColumnNotFound)?;
        let kind = column.kind.unwrap_or(ColumnType::LongBinary);
        Ok((column.id, kind, column.code_page))
    }
}
