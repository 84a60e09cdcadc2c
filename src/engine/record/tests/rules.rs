//! What setting a column does, and what it refuses.

use super::super::*;
use super::{Columns, hex};
use crate::error::JetErr;
use crate::format::{ColumnFlags, ColumnId, ColumnType, Lid, PageSize, Record, TagInfo};
use std::borrow::Cow;

const NONE: ColumnFlags = ColumnFlags::empty();

fn set(update: &mut RecordUpdate, id: u16, value: &[u8]) {
    assert_eq!(
        update
            .set(ColumnId(id), Some(value), SetColumn::default())
            .unwrap(),
        Outcome::Done
    );
}

fn add(update: &mut RecordUpdate, id: u16, value: &[u8]) {
    put(update, id, 0, Some(value));
}

fn put(update: &mut RecordUpdate, id: u16, sequence: usize, value: Option<&[u8]>) {
    let how = SetColumn {
        sequence,
        ..SetColumn::default()
    };
    assert_eq!(update.set(ColumnId(id), value, how).unwrap(), Outcome::Done);
}

fn refusal(update: &mut RecordUpdate, id: u16, value: Option<&[u8]>, how: SetColumn) -> JetErr {
    let before = update.clone().parts;
    let code = update.set(ColumnId(id), value, how).unwrap_err().code();
    assert_eq!(update.parts, before, "a refused change changed the record");
    code
}

fn value(update: &RecordUpdate, id: u16, sequence: usize) -> Option<Vec<u8>> {
    match update.column(ColumnId(id), sequence).unwrap() {
        ColumnValue::Value(bytes) => Some(bytes.into_owned()),
        ColumnValue::Default(bytes) => Some(bytes.to_vec()),
        ColumnValue::Null | ColumnValue::LongValue(_) => None,
    }
}

fn stored(update: &RecordUpdate) -> Vec<(u16, usize, usize)> {
    update
        .separations()
        .map(|long| (long.id.0, long.sequence, long.value.len()))
        .collect()
}

fn at(sequence: usize, operation: Operation) -> SetColumn {
    SetColumn {
        sequence,
        operation,
        ..SetColumn::default()
    }
}

/// Section 11.2: table T.
#[test]
fn the_record_of_the_specification() {
    let columns = Columns::new()
        .with(1, ColumnType::LongLong, 8, NONE)
        .with(2, ColumnType::Long, 4, NONE)
        .with(256, ColumnType::LongBinary, 0, NONE);
    let mut update = RecordUpdate::insert(columns.layout(PageSize::Kib4)).unwrap();
    set(&mut update, 256, b"hello");
    set(&mut update, 2, &42_i32.to_le_bytes());
    set(&mut update, 1, &5_i64.to_le_bytes());
    assert_eq!(
        hex(&update.finish().unwrap()),
        "027f110005000000000000002a000000fc000104400168656c6c6f"
    );
}

/// Section 6.5: fixed columns that have no value hold `*`.
#[test]
fn a_fixed_column_that_is_skipped_is_null_and_filled_with_stars() {
    let columns = Columns::new()
        .with(1, ColumnType::Short, 2, NONE)
        .with(2, ColumnType::UnsignedByte, 1, NONE)
        .with(3, ColumnType::Bit, 1, NONE);
    let mut update = RecordUpdate::insert(columns.layout(PageSize::Kib4)).unwrap();
    set(&mut update, 2, &[7]);
    assert_eq!(hex(&update.finish().unwrap()), "027f08002a2a07fd");
    set(&mut update, 3, &[1]);
    put(&mut update, 2, 1, None);
    // The value of a column that becomes NULL stays where it is.
    assert_eq!(hex(&update.finish().unwrap()), "037f09002a2a07fffb");
}

#[test]
fn defaults_are_there_from_the_start_but_those_of_tagged_columns() {
    let columns = Columns::new()
        .with(1, ColumnType::Short, 2, NONE)
        .with(2, ColumnType::UnsignedByte, 1, NONE)
        .default(&[9])
        .with(3, ColumnType::UnsignedByte, 1, NONE)
        .with(128, ColumnType::Binary, 255, NONE)
        .with(129, ColumnType::Binary, 255, NONE)
        .default(b"d")
        .with(256, ColumnType::LongText, 0, NONE)
        .default(b"tagged");
    let layout = columns.layout(PageSize::Kib4);
    let mut update = RecordUpdate::insert(layout.clone()).unwrap();
    let record = update.finish().unwrap();
    assert_eq!(hex(&record), "028108002a2a09fd0080010064");
    assert_eq!(
        update.column(ColumnId(256), 1).unwrap(),
        ColumnValue::Default(b"tagged")
    );
    // NULL hides a default, and reverting shows it again.
    put(&mut update, 256, 1, None);
    assert_eq!(hex(&update.finish().unwrap()), hex(&record) + "00010420");
    assert_eq!(update.column(ColumnId(256), 1).unwrap(), ColumnValue::Null);
    let revert = SetColumn {
        revert_to_default: true,
        ..SetColumn::default()
    };
    assert_eq!(update.set(ColumnId(256), None, revert).unwrap(), Outcome::Done);
    assert_eq!(update.finish().unwrap(), record);

    // A record that is older than the columns gets their defaults when it grows over them.
    let mut older = RecordUpdate::replace(layout, &[0, 0x7f, 4, 0]).unwrap();
    assert_eq!(value(&older, 2, 1), Some(vec![9]));
    set(&mut older, 3, &[1]);
    assert_eq!(hex(&older.finish().unwrap()), "037f09002a2a0901f9");
}

#[test]
fn several_values_take_the_short_form_only_until_there_were_three() {
    let columns = Columns::new().with(256, ColumnType::UnsignedByte, 1, ColumnFlags::MULTI_VALUED);
    let mut update = RecordUpdate::insert(columns.clone().layout(PageSize::Kib4)).unwrap();
    add(&mut update, 256, &[1]);
    assert_eq!(hex(&update.finish().unwrap()[4..]), "0001040001");
    add(&mut update, 256, &[2]);
    assert_eq!(hex(&update.finish().unwrap()[4..]), "0001044018010102");
    // More than there are means one more.
    put(&mut update, 256, 9, Some(&[3]));
    assert_eq!(
        hex(&update.finish().unwrap()[4..]),
        "0001044008060007000800010203"
    );
    put(&mut update, 256, 2, None);
    assert_eq!(
        hex(&update.finish().unwrap()[4..]),
        "00010440080400050001 03".replace(' ', "")
    );
    put(&mut update, 256, 1, None);
    assert_eq!(hex(&update.finish().unwrap()[4..]), "0001040003");
    put(&mut update, 256, 1, None);
    assert_eq!(update.finish().unwrap().len(), 4);

    let mut large = RecordUpdate::insert(columns.layout(PageSize::Kib16)).unwrap();
    add(&mut large, 256, &[1]);
    add(&mut large, 256, &[2]);
    assert_eq!(
        hex(&large.finish().unwrap()[4..]),
        "00010400080400050001 02".replace(' ', "")
    );
}

#[test]
fn lengths_and_nulls_that_a_column_does_not_allow_are_refused() {
    let columns = Columns::new()
        .with(1, ColumnType::Long, 4, ColumnFlags::NOT_NULL)
        .with(2, ColumnType::Binary, 5, NONE)
        .with(3, ColumnType::Text, 5, NONE)
        .with(128, ColumnType::Text, 10, ColumnFlags::NOT_NULL)
        .with(256, ColumnType::LongBinary, 20, ColumnFlags::NOT_NULL)
        .with(257, ColumnType::Long, 4, NONE);
    let mut update = RecordUpdate::insert(columns.layout(PageSize::Kib4)).unwrap();
    let plain = SetColumn::default();
    assert_eq!(
        refusal(&mut update, 1, Some(&[1, 2]), plain),
        JetErr::InvalidBufferSize
    );
    assert_eq!(
        refusal(&mut update, 2, Some(&[1; 6]), plain),
        JetErr::InvalidBufferSize
    );
    assert_eq!(
        refusal(&mut update, 257, Some(&[]), plain),
        JetErr::InvalidBufferSize
    );
    assert_eq!(
        refusal(&mut update, 128, Some(&[1; 11]), plain),
        JetErr::ColumnTooBig
    );
    assert_eq!(
        refusal(&mut update, 256, Some(&[1; 21]), plain),
        JetErr::ColumnTooBig
    );
    for id in [1, 128, 256] {
        assert_eq!(refusal(&mut update, id, None, plain), JetErr::NullInvalid);
    }
    assert_eq!(refusal(&mut update, 4, Some(&[]), plain), JetErr::ColumnNotFound);
    let second = at(2, Operation::Replace);
    assert_eq!(
        refusal(&mut update, 2, Some(&[]), second),
        JetErr::BadItagSequence
    );
    assert_eq!(
        refusal(&mut update, 2, Some(&[1]), at(1, Operation::Append)),
        JetErr::InvalidGrbit
    );
    assert_eq!(update.finish().unwrap_err().code(), JetErr::NullInvalid);
    // Short values of fixed columns are filled up.
    set(&mut update, 1, &[1, 0, 0, 0]);
    set(&mut update, 2, &[1, 2]);
    set(&mut update, 3, b"ab");
    set(&mut update, 128, b"");
    set(&mut update, 256, b"");
    assert_eq!(value(&update, 2, 1).unwrap(), [1, 2, 0, 0, 0]);
    assert_eq!(value(&update, 3, 1).unwrap(), b"ab   ");
    assert_eq!(value(&update, 128, 1).unwrap(), b"");
    assert_eq!(value(&update, 256, 1).unwrap(), b"");
    assert!(update.finish().is_ok());
}

#[test]
fn columns_of_the_engine_are_set_by_the_engine() {
    let columns = Columns::new()
        .with(1, ColumnType::Long, 4, ColumnFlags::AUTO_INCREMENT)
        .with(2, ColumnType::Long, 4, ColumnFlags::VERSION)
        .with(3, ColumnType::Long, 4, ColumnFlags::ESCROW_UPDATE)
        .default(&[0; 4]);
    let layout = columns.layout(PageSize::Kib4);
    let mut update = RecordUpdate::insert(layout.clone()).unwrap();
    let plain = SetColumn::default();
    assert_eq!(
        refusal(&mut update, 1, Some(&[1, 0, 0, 0]), plain),
        JetErr::InvalidColumnType
    );
    assert_eq!(update.finish().unwrap_err().code(), JetErr::AutoIncrementNotSet);
    update.set_auto_increment(8).unwrap();
    assert_eq!(
        update.set_auto_increment(1 << 31).unwrap_err().code(),
        JetErr::OutOfAutoincrementValues
    );
    set(&mut update, 3, &[5, 0, 0, 0]);
    let record = update.finish().unwrap();
    assert_eq!(hex(&record), "037f1100080000000000000005000000f8");
    let escrow = EscrowColumn::of(&layout, ColumnId(3)).unwrap();
    assert_eq!((escrow.offset, escrow.width), (12, EscrowWidth::Four));
    assert_eq!(escrow.value(PageSize::Kib4, &record).unwrap(), 5);
    assert_eq!(escrow.add(i32::MAX.into(), 1), i64::from(i32::MIN));
    assert_eq!(
        EscrowColumn::of(&layout, ColumnId(2)).unwrap_err().code(),
        JetErr::InvalidOperation
    );

    let mut replaced = RecordUpdate::replace(layout, &record).unwrap();
    assert_eq!(
        refusal(&mut replaced, 2, Some(&[1, 0, 0, 0]), plain),
        JetErr::InvalidColumnType
    );
    assert_eq!(
        refusal(&mut replaced, 3, Some(&[1, 0, 0, 0]), plain),
        JetErr::ColumnNotUpdatable
    );
    assert_eq!(
        hex(&replaced.finish().unwrap()),
        "037f1100080000000100000005000000f8"
    );
}

#[test]
fn a_long_value_above_the_limit_leaves_the_record() {
    let columns = Columns::new().with(256, ColumnType::LongBinary, 0, NONE);
    let layout = columns.layout(PageSize::Kib4);
    let mut update = RecordUpdate::insert(layout.clone()).unwrap();
    set(&mut update, 256, &[1; 1023]);
    assert_eq!(stored(&update), []);
    add(&mut update, 256, &[2; 1024]);
    assert_eq!(stored(&update), [(256, 2, 1024)]);
    assert!(update.finish().is_err());
    update.set_long_value(ColumnId(256), 2, Lid::Lid32(7)).unwrap();
    let record = update.finish().unwrap();
    assert_eq!(long_values_of(PageSize::Kib4, &record).unwrap(), [Lid::Lid32(7)]);
    assert_eq!(update.released(), []);

    // What is done to a value in the long value tree is the caller's, but replacing it.
    let mut replaced = RecordUpdate::replace(layout, &record).unwrap();
    let id = ColumnId(256);
    assert_eq!(
        replaced.column(id, 2).unwrap(),
        ColumnValue::LongValue(Lid::Lid32(7))
    );
    assert_eq!(
        replaced.set(id, Some(b"x"), at(2, Operation::Append)).unwrap(),
        Outcome::InLongValueTree(Lid::Lid32(7))
    );
    assert_eq!(replaced.released(), []);
    put(&mut replaced, 256, 2, Some(b"short"));
    assert_eq!(replaced.released(), [Lid::Lid32(7)]);
    assert_eq!(value(&replaced, 256, 2).unwrap(), b"short");

    // A place may be asked for; nothing shorter than a LID leaves.
    let separate = SetColumn {
        place: Place::Separate,
        ..SetColumn::default()
    };
    let mut update = replaced;
    let _ = update.set(id, Some(&[1; 4]), separate).unwrap();
    assert_eq!(stored(&update), []);
    let _ = update.set(id, Some(&[1; 5]), separate).unwrap();
    assert_eq!(stored(&update), [(256, 1, 5)]);
    let intrinsic = SetColumn {
        place: Place::Intrinsic,
        ..SetColumn::default()
    };
    let _ = update.set(id, Some(&[1; 2000]), intrinsic).unwrap();
    assert_eq!(stored(&update), []);
}

#[test]
fn the_longest_values_leave_first_when_the_record_gets_too_big() {
    let columns = Columns::new()
        .with(256, ColumnType::LongBinary, 0, NONE)
        .with(257, ColumnType::LongBinary, 0, NONE)
        .with(258, ColumnType::LongBinary, 0, NONE)
        .with(259, ColumnType::LongBinary, 0, NONE)
        .with(260, ColumnType::LongBinary, 0, NONE)
        .with(261, ColumnType::LongBinary, 0, NONE);
    let mut update = RecordUpdate::insert(columns.layout(PageSize::Kib4)).unwrap();
    for (id, len) in [(256, 400), (257, 600), (258, 1000), (259, 1000), (260, 700)] {
        set(&mut update, id, &vec![1; len]);
    }
    assert_eq!(stored(&update), []);
    // Above a half and a quarter of the page there is nothing; above an eighth, 512 bytes, there is.
    set(&mut update, 261, &[2; 1000]);
    assert_eq!(
        stored(&update),
        [(257, 1, 600), (258, 1, 1000), (259, 1, 1000), (260, 1, 700)]
    );
    assert_eq!(value(&update, 257, 1).unwrap(), [1; 600]);
}

#[test]
fn a_record_that_stays_too_big_is_as_it_was_before() {
    let mut columns = Columns::new();
    for id in 128..160 {
        columns = columns.with(id, ColumnType::Binary, 255, NONE);
    }
    let columns = columns.with(256, ColumnType::Binary, 255, NONE);
    let mut update = RecordUpdate::insert(columns.layout(PageSize::Kib4)).unwrap();
    for id in 128..142 {
        set(&mut update, id, &[1; 255]);
    }
    let plain = SetColumn::default();
    assert_eq!(
        refusal(&mut update, 150, Some(&[1; 255]), plain),
        JetErr::RecordTooBig
    );
    assert_eq!(
        refusal(&mut update, 256, Some(&[1; 255]), plain),
        JetErr::RecordTooBig
    );
    assert!(update.finish().unwrap().len() <= 3789);
    // Up to the last byte.
    let free = 3789 - update.len() - 4;
    set(&mut update, 256, &vec![1; free]);
    assert_eq!(update.finish().unwrap().len(), 3789);
    assert_eq!(
        refusal(&mut update, 256, Some(&vec![1; free + 1]), plain),
        JetErr::RecordTooBig
    );
}

#[test]
fn parts_of_long_values_are_appended_overwritten_and_resized() {
    let columns = Columns::new().with(256, ColumnType::LongBinary, 0, NONE);
    let mut update = RecordUpdate::insert(columns.layout(PageSize::Kib4)).unwrap();
    let id = ColumnId(256);
    let mut operate = |operation, bytes: &[u8]| {
        update.set(id, Some(bytes), at(1, operation)).map(|outcome| {
            assert_eq!(outcome, Outcome::Done);
            match update.column(id, 1).unwrap() {
                ColumnValue::Value(bytes) => bytes.into_owned(),
                other => panic!("{other:?}"),
            }
        })
    };
    assert_eq!(operate(Operation::Append, b"hello").unwrap(), b"hello");
    assert_eq!(operate(Operation::Append, b" world").unwrap(), b"hello world");
    assert_eq!(operate(Operation::Overwrite(1), b"EL").unwrap(), b"hELlo world");
    assert_eq!(
        operate(Operation::Overwrite(6), b"there, all").unwrap(),
        b"hELlo there, all"
    );
    assert_eq!(operate(Operation::Size(3), b"").unwrap(), b"hEL");
    assert_eq!(operate(Operation::Size(5), b"").unwrap(), b"hEL\0\0");
    assert_eq!(
        operate(Operation::Overwrite(6), b"x").unwrap_err().code(),
        JetErr::ColumnNoChunk
    );
    assert_eq!(operate(Operation::Size(5000), b"").unwrap().len(), 5000);
    assert_eq!(operate(Operation::Append, b"x").unwrap().len(), 5001);
    assert_eq!(stored(&update), [(256, 1, 5001)]);
}

#[test]
fn a_long_value_that_replaces_a_null_that_hides_a_default_is_marked_as_long() {
    let columns = Columns::new()
        .with(256, ColumnType::LongBinary, 0, NONE)
        .default(b"x");
    for size in PageSize::ALL.into_iter().filter(|size| *size != PageSize::Kib2) {
        let layout = columns.clone().layout(size);
        let mut update = RecordUpdate::insert(layout.clone()).unwrap();
        put(&mut update, 256, 1, None);
        let hidden = update.finish().unwrap();
        let mut update = RecordUpdate::replace(layout, &hidden).unwrap();
        set(&mut update, 256, b"short");
        update.set_long_value(ColumnId(256), 1, Lid::Lid32(7)).unwrap();
        let record = update.finish().unwrap();
        let record = Record::read(size, &record).unwrap();
        let (_, _, column) = record.tagged_columns().unwrap().next().unwrap().unwrap();
        assert!(
            column.info.contains(TagInfo::LONG_VALUE),
            "{size:?}: {:?}",
            column.info
        );
    }
}

#[test]
fn equal_values_are_refused_where_they_must_be_unique() {
    let columns = Columns::new()
        .with(256, ColumnType::Text, 255, ColumnFlags::MULTI_VALUED)
        .with(257, ColumnType::LongText, 0, ColumnFlags::MULTI_VALUED);
    let mut update = RecordUpdate::insert(columns.layout(PageSize::Kib4)).unwrap();
    for id in [256, 257] {
        let adding = |unique| SetColumn {
            sequence: 0,
            unique,
            ..SetColumn::default()
        };
        add(&mut update, id, b"one");
        assert_eq!(
            refusal(&mut update, id, Some(b"one"), adding(Unique::Bytes)),
            JetErr::MultiValuedDuplicate
        );
        assert_eq!(
            refusal(&mut update, id, Some(b"ONE"), adding(Unique::Keys)),
            JetErr::MultiValuedDuplicate
        );
        let _ = update
            .set(ColumnId(id), Some(b"ONE"), adding(Unique::Bytes))
            .unwrap();
        // A value may take its own place.
        let own = SetColumn {
            unique: Unique::Bytes,
            ..SetColumn::default()
        };
        let _ = update.set(ColumnId(id), Some(b"one"), own).unwrap();
    }
    add(&mut update, 257, &[b'a'; 300]);
    let adding = SetColumn {
        sequence: 0,
        unique: Unique::Keys,
        ..SetColumn::default()
    };
    assert_eq!(
        refusal(&mut update, 257, Some(&[b'a'; 400]), adding),
        JetErr::MultiValuedDuplicateAfterTruncation
    );
    assert_eq!(
        update.column(ColumnId(257), 1).unwrap(),
        ColumnValue::Value(Cow::Borrowed(b"one"))
    );
}

#[test]
fn no_record_makes_an_update_panic() {
    use proptest::prelude::*;
    let columns = Columns::new()
        .with(1, ColumnType::Long, 4, NONE)
        .with(2, ColumnType::Long, 4, ColumnFlags::VERSION)
        .with(128, ColumnType::Text, 20, NONE)
        .with(256, ColumnType::LongText, 0, NONE)
        .default(b"x");
    let small = columns.clone().layout(PageSize::Kib4);
    let large = columns.layout(PageSize::Kib32);
    proptest!(|(bytes in proptest::collection::vec(0..=255_u8, 0..60), is_small: bool, fixed in 0..4_u8)| {
        let mut bytes = bytes;
        if let [first, second, ..] = bytes.as_mut_slice() {
            *first = fixed;
            *second = 0x7f + *second % 3;
        }
        let layout = if is_small { small.clone() } else { large.clone() };
        if let Ok(mut update) = RecordUpdate::replace(layout, &bytes) {
            for id in [1, 2, 128, 256] {
                let _ = update.column(ColumnId(id), 1);
                let _ = update.set(ColumnId(id), Some(&[1, 2, 3, 4]), at(1, Operation::Replace));
                let _ = update.set(ColumnId(id), Some(&[1; 5000]), at(0, Operation::Replace));
                let _ = update.set(ColumnId(id), None, at(1, Operation::Replace));
            }
            let _ = update.finish();
        }
    });
}
