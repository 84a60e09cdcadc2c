//! Records: all columns inside of them and readable (database-file.md sections 7.1 to 7.5), and which long values they
//! refer to.

use crate::format::{
    ColumnId, ColumnType, FormatError, Instance, Lid, Record, Storage, Structure, TagInfo, decompress,
};
use crate::store::RecordColumn;

/// A compressed value in a record is never longer than its size field can say.
const INTRINSIC_MAX: usize = u16::MAX as usize;

/// Checks that every column of the table can be read from the record.
pub(super) fn check_columns(record: &Record<'_>, columns: &[RecordColumn]) -> Result<(), FormatError> {
    check_tagged_order(record)?;
    check_tagged_marks(record, columns)?;
    for column in columns {
        let of_column = |error: FormatError| in_column(column, &error);
        for instance in column.instances(record).map_err(of_column)? {
            check_value(&instance, column.kind).map_err(of_column)?;
        }
    }
    Ok(())
}

fn in_column(column: &RecordColumn, error: &FormatError) -> FormatError {
    let what = format!("column {}: {error}", column.name);
    FormatError::other(Structure::Record, 0, what)
}

/// Tagged columns are found by bisection: those of the template first, then by id.
fn check_tagged_order(record: &Record<'_>) -> Result<(), FormatError> {
    let mut before: Option<(bool, ColumnId)> = None;
    for column in record.tagged_columns()? {
        let (id, derived, _) = column?;
        let place = (!derived, id);
        if before.is_some_and(|before| before >= place) {
            let what = format!("tagged column {id} does not follow the one before it");
            return Err(FormatError::other(Structure::Record, 0, what));
        }
        before = Some(place);
    }
    Ok(())
}

/// A value is marked as long exactly where its column is LongText or LongBinary (section 7.4); the genuine engine calls
/// another record corrupted.
fn check_tagged_marks(record: &Record<'_>, columns: &[RecordColumn]) -> Result<(), FormatError> {
    for stored in record.tagged_columns()? {
        let (id, derived, value) = stored?;
        let known = columns
            .iter()
            .find(|column| column.id == id && column.derived == derived);
        let Some(kind) = known.and_then(|column| column.kind) else {
            continue;
        };
        if value.len()? > 0 && value.info.contains(TagInfo::LONG_VALUE) != kind.is_long() {
            let what = format!("the mark of a long value does not fit column {id}");
            return Err(FormatError::other(Structure::Record, 0, what));
        }
    }
    Ok(())
}

fn check_value(instance: &Instance<'_>, kind: Option<ColumnType>) -> Result<(), FormatError> {
    match instance.storage {
        Storage::Plain => match kind.and_then(ColumnType::fixed_len) {
            Some(len) if len != instance.data.len() => {
                let what = format!("the value has {} bytes, not {len}", instance.data.len());
                Err(FormatError::other(Structure::Record, 0, what))
            }
            _ => Ok(()),
        },
        Storage::Compressed => decompress(instance.data, INTRINSIC_MAX).map(drop),
        Storage::Separated => Lid::from_record(instance.data).map(drop),
        Storage::Encrypted => Ok(()),
    }
}

/// Calls `refer` for every reference to a long value, those of deleted columns included, which the record still holds.
pub(super) fn references(record: &Record<'_>, mut refer: impl FnMut(Lid)) -> Result<(), FormatError> {
    for column in record.tagged_columns()? {
        let (_, _, value) = column?;
        for index in 0..value.len()? {
            let instance = value.instance(index)?;
            if instance.storage == Storage::Separated {
                refer(Lid::from_record(instance.data)?);
            }
        }
    }
    Ok(())
}
