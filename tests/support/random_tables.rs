//! Tables with random columns, indexes and rows, the same for the same seed.

use jetfs::format::ColumnType;
use jetfs::store::bulk_load::{Cell, ColumnSchema, IndexSchema, Row, Storage, TableSchema};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// A table with its rows in key order.
#[derive(Debug)]
pub(crate) struct RandomTable {
    pub(crate) schema: TableSchema,
    pub(crate) rows: Vec<Row>,
}

/// `count` tables of up to `rows` rows.
pub(crate) fn random_tables(seed: u64, count: usize, rows: usize) -> Vec<RandomTable> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..count)
        .map(|number| random_table(&mut rng, number, rows))
        .collect()
}

fn random_table(rng: &mut StdRng, number: usize, rows: usize) -> RandomTable {
    let mut columns = vec![
        ColumnSchema::new("Id", ColumnType::LongLong).not_null(),
        ColumnSchema::new("Part", ColumnType::Guid),
        ColumnSchema::new("Label", ColumnType::Text),
    ];
    for at in 0..rng.random_range(3..25) {
        columns.push(random_column(rng, at));
    }
    let primary = match rng.random_range(0..3) {
        0 => IndexSchema::primary("PrimaryId", &["Id"]),
        1 => IndexSchema::primary("PrimaryTwo", &["Part", "Id"]),
        _ => {
            let mut index = IndexSchema::primary("PrimaryDown", &["Label", "Id"]);
            index.segments[1].1 = true;
            index
        }
    };
    let schema = TableSchema {
        name: format!("Table{number}"),
        secondary: random_indexes(rng, &columns),
        columns,
        primary,
    };
    let count = [0, 1, rows / 10, rows][rng.random_range(0..4)];
    let mut rows: Vec<Row> = (0..count).map(|id| random_row(rng, &schema, id)).collect();
    sort_by_key(&schema, &mut rows);
    RandomTable { schema, rows }
}

fn random_column(rng: &mut StdRng, at: usize) -> ColumnSchema {
    // Nil and SLV cannot be written; third-party readers do not know UnsignedLongLong.
    let kinds: Vec<ColumnType> = ColumnType::ALL
        .into_iter()
        .filter(|kind| {
            !matches!(
                kind,
                ColumnType::Nil | ColumnType::Slv | ColumnType::UnsignedLongLong
            )
        })
        .collect();
    let kind = *kinds.choose(rng).unwrap();
    let mut column = ColumnSchema::new(&format!("C{at}_{kind}"), kind);
    if kind.is_text() && rng.random_bool(0.5) {
        column = column.unicode();
    }
    match rng.random_range(0..6) {
        0 => column.tagged(),
        1 if kind != ColumnType::Bit => column.multi_valued(),
        2 if kind == ColumnType::Binary => column.fixed(rng.random_range(1..60)),
        _ => column,
    }
}

fn random_indexes(rng: &mut StdRng, columns: &[ColumnSchema]) -> Vec<IndexSchema> {
    let usable: Vec<&str> = columns
        .iter()
        .filter(|column| column.flags.is_empty() && column.code_page != 1200)
        .map(|column| column.name.as_str())
        .collect();
    (0..rng.random_range(0..4))
        .filter(|_| !usable.is_empty())
        .map(|at| {
            let count = rng.random_range(1..4);
            let names: Vec<&str> = usable.choose_multiple(rng, count).copied().collect();
            let mut index = IndexSchema::secondary(&format!("Index{at}"), &names);
            for segment in &mut index.segments {
                segment.1 = rng.random_bool(0.3);
            }
            index
        })
        .collect()
}

fn random_row(rng: &mut StdRng, schema: &TableSchema, id: usize) -> Row {
    schema
        .columns
        .iter()
        .enumerate()
        .map(|(at, column)| match at {
            0 => Cell::One((i64::try_from(id).unwrap() * 7 - 300).to_le_bytes().to_vec()),
            _ if rng.random_bool(0.25) => Cell::Null,
            _ if !column.flags.is_empty() => {
                let count = rng.random_range(1..5);
                match (0..count)
                    .map(|_| random_value(rng, column, true))
                    .collect::<Vec<_>>()
                {
                    values if values.len() == 1 => Cell::One(values[0].clone()),
                    values => Cell::Many(values),
                }
            }
            _ => Cell::One(random_value(rng, column, false)),
        })
        .collect()
}

/// Never empty: readers disagree about empty values.
fn random_value(rng: &mut StdRng, column: &ColumnSchema, short: bool) -> Vec<u8> {
    let len = match (column.kind.fixed_len(), column.storage) {
        (Some(len), _) => len,
        (None, Storage::Fixed) => column.max_len as usize,
        (None, _) if short => rng.random_range(1..30),
        (None, _) if column.kind.is_long() => match rng.random_range(0..12) {
            0 => rng.random_range(1000..30_000),
            1 => rng.random_range(200..1500),
            _ => rng.random_range(1..60),
        },
        (None, _) => rng.random_range(1..40),
    };
    // dissect takes an uncompressed third chunk for a compressed one if it begins with certain bytes (section 8),
    // libesedb a first one: neither looks at the length alone.
    let plain = len > 60;
    match column.kind {
        ColumnType::Bit => vec![if rng.random() { 0xff } else { 0 }],
        kind if kind.is_text() && column.code_page == 1200 => {
            let letters: &[u16] = if plain {
                &[0x61, 0x7a]
            } else {
                &[0x61, 0xe4, 0x3b1, 0x416, 0x4e2d]
            };
            (0..len.div_ceil(2))
                .flat_map(|_| letters.choose(rng).unwrap().to_le_bytes())
                .collect()
        }
        kind if kind.is_text() => {
            let first = if plain { b'a' } else { b' ' };
            (0..len).map(|_| rng.random_range(first..b'~')).collect()
        }
        // A date that every reader can show.
        ColumnType::DateTime => rng.random_range(1.0..50_000.0_f64).to_le_bytes().to_vec(),
        _ if plain => (0..len).map(|_| rng.random_range(0x80..=0xff)).collect(),
        _ => (0..len).map(|_| rng.random()).collect(),
    }
}

fn sort_by_key(schema: &TableSchema, rows: &mut [Row]) {
    let key = |row: &Row| jetfs::store::bulk_load::primary_key(schema, row).unwrap();
    rows.sort_by_cached_key(key);
}
