//! The tables of `jetfs demo`, and what is in each of their rows: a row's values follow from its key and its revision,
//! so that a model need only remember these two.

use jetfs::engine::{ColumnDefinition, IndexDefinition, TableDefinition};
use jetfs::format::{
    CODE_PAGE_UNICODE, CODE_PAGE_WESTERN, ColumnType, DateTime, Guid, PageSize, Text, Value,
};

/// Customers: shared by all writers.
pub(super) const CUSTOMERS: &str = "Customers";
/// Orders, with two secondary indexes.
pub(super) const ORDERS: &str = "Orders";
/// Documents with long values.
pub(super) const DOCUMENTS: &str = "Documents";
/// One large table, for benchmarks.
pub(super) const MEASUREMENTS: &str = "Measurements";

/// How many customers there are.
pub(super) const CUSTOMER_COUNT: i64 = 400;
/// The column of customers that counts their orders, to which several writers add at once.
pub(super) const ORDER_COUNT: &str = "Orders";

/// The tables of the live workload.
pub(super) fn definitions() -> [TableDefinition; 3] {
    [customers(), orders(), documents()]
}

fn customers() -> TableDefinition {
    TableDefinition::new(CUSTOMERS)
        .column(ColumnDefinition::new("Number", ColumnType::LongLong).not_null())
        .column(ColumnDefinition::new("Guid", ColumnType::Guid).not_null())
        .column(ColumnDefinition::new("Active", ColumnType::Bit))
        .column(
            ColumnDefinition::new(ORDER_COUNT, ColumnType::Long)
                .escrow_update()
                .default_value([0; 4]),
        )
        .column(ColumnDefinition::new("Name", ColumnType::Text))
        .column(ColumnDefinition::new("Remark", ColumnType::LongText).unicode())
        .index(IndexDefinition::primary("ByNumber").ascending("Number"))
        .index(IndexDefinition::new("ByGuid").ascending("Guid").unique())
        .index(IndexDefinition::new("ByName").ascending("Name"))
}

fn orders() -> TableDefinition {
    TableDefinition::new(ORDERS)
        .column(ColumnDefinition::new("Id", ColumnType::LongLong).not_null())
        .column(ColumnDefinition::new("Customer", ColumnType::LongLong))
        .column(ColumnDefinition::new("Placed", ColumnType::DateTime))
        .column(ColumnDefinition::new("Amount", ColumnType::Currency))
        .column(ColumnDefinition::new("Code", ColumnType::Binary))
        .column(ColumnDefinition::new("Tags", ColumnType::Short).multi_valued())
        .index(IndexDefinition::primary("ById").ascending("Id"))
        .index(
            IndexDefinition::new("ByCustomer")
                .ascending("Customer")
                .descending("Placed"),
        )
        .index(IndexDefinition::new("ByCode").ascending("Code").ignore_null())
}

fn documents() -> TableDefinition {
    TableDefinition::new(DOCUMENTS)
        .column(ColumnDefinition::new("Id", ColumnType::LongLong).not_null())
        .column(ColumnDefinition::new("Title", ColumnType::Text).unicode())
        .column(ColumnDefinition::new("Body", ColumnType::LongBinary))
        .index(IndexDefinition::primary("ById").ascending("Id"))
}

/// The large table.
pub(super) fn measurements() -> TableDefinition {
    TableDefinition::new(MEASUREMENTS)
        .column(ColumnDefinition::new("Id", ColumnType::LongLong).not_null())
        .column(ColumnDefinition::new("Device", ColumnType::Long))
        .column(ColumnDefinition::new("Samples", ColumnType::LongBinary))
        .index(IndexDefinition::primary("ById").ascending("Id"))
}

/// The values of a customer in the order of its columns. The number of orders is not among them.
pub(super) fn customer(number: i64, revision: u64) -> Vec<Value> {
    let mut noise = Noise::new(1, number, revision);
    let remark = format!("Grüße an № {number}, zum {}. Mal", revision + 1);
    vec![
        Value::LongLong(number),
        Value::Guid(Guid(noise.array())),
        Value::Bit(noise.below(2) == 0),
        western(&format!("Customer {:03}", noise.below(400))),
        optional(number % 3 != 0, || unicode(&remark)),
    ]
}

/// The customer of an order, whatever its revision.
pub(super) fn customer_of(order: i64) -> i64 {
    Noise::new(4, order, 0).between(0, CUSTOMER_COUNT)
}

/// The values of an order in the order of its columns.
pub(super) fn order(id: i64, revision: u64) -> Vec<Value> {
    let mut noise = Noise::new(2, id, revision);
    let placed = 45_000.0 + f64::from(noise.below(700_000)) / 1000.0;
    let code_len = 1 + noise.below(20) as usize;
    let tags = (0..noise.below(4)).map(|_| Value::Short(i16::from_le_bytes(noise.array())));
    let tags = several(tags.collect());
    vec![
        Value::LongLong(id),
        Value::LongLong(customer_of(id)),
        Value::DateTime(DateTime::from_bits(placed.to_bits())),
        Value::Currency(noise.between(0, 10_000_000)),
        optional(id % 10 != 0, || Value::Binary(noise.bytes(code_len))),
        tags,
    ]
}

/// The values of a document in the order of its columns.
pub(super) fn document(id: i64, revision: u64) -> Vec<Value> {
    let mut noise = Noise::new(3, id, revision);
    let len = 1 + noise.below(30_000) as usize;
    vec![
        Value::LongLong(id),
        unicode(&format!("Dokument {id}, {}. Fassung", revision + 1)),
        Value::Binary(noise.bytes(len)),
    ]
}

/// A row of the large table: as many of about 1 KiB to a page as it has KiB.
pub(super) fn measurement(id: i64, page_size: PageSize) -> Vec<Value> {
    let mut noise = Noise::new(9, id, 0);
    vec![
        Value::LongLong(id),
        Value::Long(i32::try_from(id % 1000).unwrap_or(0)),
        Value::Binary(noise.bytes(samples_len(page_size))),
    ]
}

/// How many rows of the large table fill about `size` bytes, with little more than its leaves.
pub(super) fn measurement_count(size: u64, page_size: PageSize) -> i64 {
    let leaves = (size / page_size.bytes_u64()).saturating_sub(256);
    let rows = leaves.saturating_mul(rows_per_page(page_size) as u64);
    i64::try_from(rows).unwrap_or(i64::MAX)
}

fn rows_per_page(page_size: PageSize) -> usize {
    page_size.bytes() / 1024
}

/// 45 bytes are tag, key, fixed columns and tagged header.
fn samples_len(page_size: PageSize) -> usize {
    let room = page_size.bytes() - page_size.header_len() - 4;
    room / rows_per_page(page_size) - 45
}

fn optional(present: bool, value: impl FnOnce() -> Value) -> Value {
    if present { value() } else { Value::Null }
}

/// As a reader tells several values.
fn several(mut values: Vec<Value>) -> Value {
    match values.len() {
        0 => Value::Null,
        1 => values.remove(0),
        _ => Value::Multi(values),
    }
}

fn western(text: &str) -> Value {
    Text::encode(text, CODE_PAGE_WESTERN).map_or(Value::Null, Value::Text)
}

fn unicode(text: &str) -> Value {
    Text::encode(text, CODE_PAGE_UNICODE).map_or(Value::Null, Value::Text)
}

/// Sebastiano Vigna's splitmix64, begun anew for each row: any row can be made without those before it.
#[derive(Debug)]
pub(super) struct Noise(u64);

impl Noise {
    /// For a row of table `table`.
    pub(super) fn new(table: u64, key: i64, revision: u64) -> Self {
        let mut noise = Noise(table << 56 ^ key.cast_unsigned() ^ revision.rotate_right(20));
        noise.0 ^= noise.next();
        noise
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.next() % u64::from(end)).unwrap_or(0)
    }

    /// A number from `start` up to and not with `end`, which is greater.
    pub(super) fn between(&mut self, start: i64, end: i64) -> i64 {
        let len = end.abs_diff(start).max(1);
        start.saturating_add_unsigned(self.next() % len)
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next().to_le_bytes()[0])
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend(self.next().to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }
}
