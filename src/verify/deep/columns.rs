//! The values of columns in a record as keys need them: plain bytes, defaults and NULLs resolved
//! (database-file.md sections 7.2 and 7.3).

use crate::error::{JetErr, JetError, JetResult};
use crate::format::{ColumnClass, FormatError, Instance, Lid, Record, Storage, Stored, decompress};
use crate::store::{Column, LongValues};
use std::borrow::Cow;

/// A compressed value in a record is never longer than its size field can say.
const INTRINSIC_MAX: usize = u16::MAX as usize;

/// The values of a column in a record; none for NULL.
pub(super) fn instances<'r>(
    record: &Record<'r>,
    column: &Column<'r>,
) -> Result<Vec<Instance<'r>>, FormatError> {
    let entry = &column.schema.entry;
    let stored = match entry.id.class() {
        ColumnClass::Fixed => {
            let offset = usize::from(entry.record_offset.unwrap_or_default());
            record.fixed(entry.id, offset, column.fixed_len())?
        }
        ColumnClass::Variable => record.variable(entry.id)?,
        ColumnClass::Tagged => match record.tagged(entry.id, column.derived)? {
            Some(value) => return (0..value.len()?).map(|index| value.instance(index)).collect(),
            None => Stored::Absent,
        },
    };
    let plain = |data| Instance {
        storage: Storage::Plain,
        data,
    };
    Ok(match stored {
        Stored::Absent => column.default_bytes().map(plain).into_iter().collect(),
        Stored::Null => Vec::new(),
        Stored::Value(data) => vec![plain(data)],
    })
}

/// The plain bytes of a value, or the first of them: at least `most`, where it has so many.
pub(super) fn plain<'r>(
    instance: &Instance<'r>,
    long_values: Option<&LongValues<'_>>,
    most: usize,
) -> JetResult<Cow<'r, [u8]>> {
    match (instance.storage, long_values) {
        (Storage::Plain, _) => Ok(Cow::Borrowed(instance.data)),
        (Storage::Compressed, _) => Ok(Cow::Owned(decompress(instance.data, INTRINSIC_MAX)?)),
        (Storage::Separated, Some(long_values)) => {
            let lid = Lid::from_record(instance.data)?;
            long_values.read_start(lid, most).map(Cow::Owned)
        }
        (Storage::Separated, None) => Err(JetError::rule(JetErr::LVCorrupted, "there is no long value tree")),
        (Storage::Encrypted, _) => Err(JetError::rule(
            JetErr::DecompressionFailed,
            "the value is encrypted",
        )),
    }
}
