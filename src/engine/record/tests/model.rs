//! Random tables and random changes: a record that was changed step by step holds what a plain list of values holds.

use super::super::*;
use super::Columns;
use crate::format::{ColumnClass, ColumnFlags, ColumnId, ColumnType, Lid, PageSize};
use crate::store::RecordColumn;
use proptest::prelude::*;
use std::collections::BTreeMap;

const SIZES: [PageSize; 4] = [PageSize::Kib4, PageSize::Kib8, PageSize::Kib16, PageSize::Kib32];

fn column() -> impl Strategy<Value = (ColumnClass, ColumnType, bool)> {
    let numbers = prop_oneof![
        Just(ColumnType::Bit),
        Just(ColumnType::Short),
        Just(ColumnType::Long),
        Just(ColumnType::LongLong),
        Just(ColumnType::Guid),
    ];
    let short = prop_oneof![Just(ColumnType::Binary), Just(ColumnType::Text)];
    let long = prop_oneof![Just(ColumnType::LongBinary), Just(ColumnType::LongText)];
    prop_oneof![
        (Just(ColumnClass::Fixed), numbers.clone()),
        (Just(ColumnClass::Variable), short.clone()),
        (Just(ColumnClass::Tagged), prop_oneof![numbers, short]),
        (Just(ColumnClass::Tagged), long),
    ]
    .prop_flat_map(|(class, kind)| (Just(class), Just(kind), any::<bool>()))
}

fn table() -> impl Strategy<Value = Columns> {
    proptest::collection::vec(column(), 1..14).prop_map(|wanted| {
        let mut next = [1, 128, 256];
        let mut columns = Columns::new();
        for (class, kind, has_default) in wanted {
            let id = &mut next[class as usize];
            let size = if kind.is_long() { 0 } else { 255 };
            columns = columns.with(*id, kind, size, ColumnFlags::empty());
            *id += 1;
            if has_default {
                let byte = if kind == ColumnType::Bit { 0xff } else { 3 };
                columns = columns.default(&vec![byte; kind.fixed_len().unwrap_or(6)]);
            }
        }
        columns
    })
}

/// A change: which column, which value, the new value's length (`None` for NULL) and its bytes' seed.
type Change = (prop::sample::Index, usize, Option<usize>, u8);

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let len = prop_oneof![
        Just(None),
        (0..40_usize).prop_map(Some),
        (0..2000_usize).prop_map(Some)
    ];
    proptest::collection::vec(
        (any::<prop::sample::Index>(), 0..4_usize, len, any::<u8>()),
        0..40,
    )
}

fn new_value(column: &RecordColumn, len: Option<usize>, seed: u8) -> Option<Vec<u8>> {
    let kind = column.kind.unwrap();
    let most = if kind.is_long() { usize::MAX } else { 255 };
    let len = kind.fixed_len().unwrap_or(len?.min(most));
    let byte = if kind == ColumnType::Bit { 0xff } else { seed };
    (len > 0 || column.id.class() != ColumnClass::Fixed).then(|| vec![byte; len])
}

/// The values that a column should have; `None`: never set, so that the default counts.
type Model = BTreeMap<ColumnId, Option<Vec<Vec<u8>>>>;

fn change_model(model: &mut Model, column: &RecordColumn, sequence: usize, value: Option<Vec<u8>>) {
    let entry = model.entry(column.id).or_default();
    if column.id.class() != ColumnClass::Tagged {
        *entry = Some(value.into_iter().collect());
        return;
    }
    let values = entry.get_or_insert_default();
    match (sequence.checked_sub(1).filter(|&at| at < values.len()), value) {
        (Some(at), Some(value)) => values[at] = value,
        (None, Some(value)) => values.push(value),
        (Some(at), None) => drop(values.remove(at)),
        (None, None) => {}
    }
}

/// Stores all long values in a list whose places are their LIDs.
fn store(update: &mut RecordUpdate, tree: &mut Vec<Vec<u8>>) {
    loop {
        let Some((id, sequence, bytes)) = update
            .separations()
            .next()
            .map(|long| (long.id, long.sequence, long.value.to_vec()))
        else {
            return;
        };
        tree.push(bytes);
        let lid = Lid::Lid32(u32::try_from(tree.len()).unwrap());
        update.set_long_value(id, sequence, lid).unwrap();
    }
}

fn values(update: &RecordUpdate, column: &RecordColumn, tree: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let count = update.count(column.id).unwrap();
    let value = |sequence| match update.column(column.id, sequence).unwrap() {
        ColumnValue::Value(bytes) => bytes.into_owned(),
        ColumnValue::LongValue(Lid::Lid32(lid)) => tree[usize::try_from(lid).unwrap() - 1].clone(),
        other => panic!("{other:?}"),
    };
    (1..=count).map(value).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_record_holds_what_was_set(columns in table(), changes in changes(), size in 0..4_usize) {
        let size = SIZES[size];
        let layout = columns.clone().layout(size);
        let (mut tree, mut model) = (Vec::new(), Model::new());
        let mut update = RecordUpdate::insert(layout.clone()).unwrap();
        for (step, (which, sequence, len, seed)) in changes.into_iter().enumerate() {
            let column = which.get(&columns.0);
            let tagged = column.id.class() == ColumnClass::Tagged;
            let sequence = if tagged { sequence } else { 1 };
            let value = new_value(column, len, seed);
            let how = SetColumn { sequence, ..SetColumn::default() };
            if update.set(column.id, value.as_deref(), how).is_ok() {
                change_model(&mut model, column, sequence, value);
            }
            if step % 5 == 4 {
                // As if the record had been written and was replaced.
                store(&mut update, &mut tree);
                let record = update.finish().unwrap();
                prop_assert_eq!(record.len(), update.len());
                update = RecordUpdate::replace(layout.clone(), &record).unwrap();
            }
        }
        store(&mut update, &mut tree);
        let record = update.finish().unwrap();
        let read = RecordUpdate::replace(layout, &record).unwrap();
        prop_assert_eq!(&read.finish().unwrap(), &record);
        for column in &columns.0 {
            let found = values(&read, column, &tree);
            prop_assert_eq!(&found, &values(&update, column, &tree));
            match model.get(&column.id) {
                Some(Some(expected)) => prop_assert_eq!(&found, expected, "column {}", column.id),
                _ => {
                    let default: Vec<Vec<u8>> = column.default.clone().into_iter().collect();
                    let expected = if column.id.class() == ColumnClass::Tagged { vec![] } else { default };
                    prop_assert_eq!(&found, &expected, "column {}", column.id);
                }
            }
        }
    }

    #[test]
    fn the_order_in_which_columns_are_set_does_not_matter(
        columns in table(),
        seeds in proptest::collection::vec(any::<u8>(), 14),
        order in Just((0..14_usize).collect::<Vec<_>>()).prop_shuffle(),
        size in 0..4_usize,
    ) {
        let size = SIZES[size];
        let layout = columns.clone().layout(size);
        let set = |order: &[usize], twice: bool| {
            let mut update = RecordUpdate::insert(layout.clone()).unwrap();
            for &at in order.iter().filter(|&&at| at < columns.0.len()) {
                let column = &columns.0[at];
                let seed = seeds[at];
                // A detour over another value leaves no trace.
                let rounds = if twice { vec![Some(30), Some(seed.into())] } else { vec![Some(seed.into())] };
                for len in rounds {
                    let value = new_value(column, len, seed);
                    assert_eq!(update.set(column.id, value.as_deref(), SetColumn::default()).unwrap(), Outcome::Done);
                }
            }
            update.finish().unwrap()
        };
        let straight: Vec<usize> = (0..14).collect();
        prop_assert_eq!(set(&straight, false), set(&order, true));
    }
}
