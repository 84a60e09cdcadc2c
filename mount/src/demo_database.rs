//! The database that `jetfs demo` writes: small tables of every kind of storage, or one large table for benchmarks.
//! The same seed gives the same rows, so that they can be compared after the copy.

use jetfs::format::{ColumnType, PageSize};
use jetfs::store::bulk_load::{Cell, ColumnSchema, IndexSchema, Row, TableSchema};

/// A table and how to make each of its rows.
pub(crate) struct DemoTable {
    /// Columns and indexes.
    pub(crate) schema: TableSchema,
    /// How many rows it has.
    pub(crate) count: u32,
    row: RowMaker,
}

type RowMaker = Box<dyn Fn(u32) -> Row>;

impl DemoTable {
    /// Its rows in key order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> {
        (0..self.count).map(|number| (self.row)(number))
    }
}

/// Customers, orders with two secondary indexes, and documents with long values.
pub(crate) fn small_tables() -> Vec<DemoTable> {
    vec![customers(), orders(), documents()]
}

/// One table of numbered rows that fills about `size` bytes, with little more than its leaves.
pub(crate) fn large_table(size: u64, page_size: PageSize) -> DemoTable {
    // Rows of about 1 KiB: as many to a page as it has KiB. 45 bytes are tag, key, fixed columns and tagged header.
    let rows_per_page = page_size.bytes() / 1024;
    let room = page_size.bytes() - page_size.header_len() - 4;
    let payload = room / rows_per_page - 45;
    let leaves = (size / page_size.bytes_u64()).saturating_sub(254) * 995 / 1000;
    let count = leaves.saturating_mul(rows_per_page as u64);
    DemoTable {
        schema: TableSchema {
            name: "Measurements".into(),
            columns: vec![
                ColumnSchema::new("Id", ColumnType::LongLong).not_null(),
                ColumnSchema::new("Device", ColumnType::Long),
                ColumnSchema::new("Samples", ColumnType::LongBinary),
            ],
            primary: IndexSchema::primary("ById", &["Id"]),
            secondary: vec![],
        },
        count: u32::try_from(count).unwrap_or(u32::MAX),
        row: Box::new(move |number| {
            let mut noise = Noise::new(9, number);
            vec![
                Cell::from(i64::from(number).to_le_bytes()),
                Cell::from((number % 1000).to_le_bytes()),
                Cell::One(noise.bytes(payload)),
            ]
        }),
    }
}

fn customers() -> DemoTable {
    DemoTable {
        schema: TableSchema {
            name: "Customers".into(),
            columns: vec![
                ColumnSchema::new("Number", ColumnType::Long).not_null(),
                ColumnSchema::new("Guid", ColumnType::Guid).not_null(),
                ColumnSchema::new("Name", ColumnType::Text),
                ColumnSchema::new("Active", ColumnType::Bit),
                ColumnSchema::new("Remark", ColumnType::LongText).unicode(),
            ],
            primary: IndexSchema::primary("ByNumber", &["Number"]),
            secondary: vec![
                IndexSchema::unique("ByGuid", &["Guid"]),
                IndexSchema::secondary("ByName", &["Name"]),
            ],
        },
        count: 1000,
        row: Box::new(|number| {
            let mut noise = Noise::new(1, number);
            let remark = format!("Grüße an № {number}");
            vec![
                Cell::from(number.to_le_bytes()),
                Cell::One(noise.bytes(16)),
                Cell::from(format!("Customer {:03}", noise.below(400))),
                Cell::from(if noise.below(2) == 0 { [0] } else { [0xff] }),
                optional(number % 3 != 0, || {
                    remark.encode_utf16().flat_map(u16::to_le_bytes).collect()
                }),
            ]
        }),
    }
}

fn orders() -> DemoTable {
    DemoTable {
        schema: TableSchema {
            name: "Orders".into(),
            columns: vec![
                ColumnSchema::new("Id", ColumnType::LongLong).not_null(),
                ColumnSchema::new("Customer", ColumnType::Long),
                ColumnSchema::new("Placed", ColumnType::DateTime),
                ColumnSchema::new("Amount", ColumnType::Currency),
                ColumnSchema::new("Code", ColumnType::Binary),
                ColumnSchema::new("Tags", ColumnType::Short).multi_valued(),
            ],
            primary: IndexSchema::primary("ById", &["Id"]),
            secondary: vec![
                IndexSchema::secondary("ByCustomer", &["Customer", "Placed"]),
                IndexSchema::secondary("ByCode", &["Code"]),
            ],
        },
        count: 20_000,
        row: Box::new(|number| {
            let mut noise = Noise::new(2, number);
            let customer = noise.below(1000);
            let placed = 45_000.0 + f64::from(noise.below(700_000)) / 1000.0;
            let amount = i64::from(noise.below(10_000_000));
            let code_len = 1 + noise.below(20) as usize;
            let code = noise.bytes(code_len);
            let tags = (0..noise.below(4)).map(|_| noise.bytes(2)).collect::<Vec<_>>();
            vec![
                Cell::from(i64::from(number).to_le_bytes()),
                Cell::from(customer.to_le_bytes()),
                Cell::from(placed.to_le_bytes()),
                Cell::from(amount.to_le_bytes()),
                optional(number % 10 != 0, || code),
                Cell::Many(tags),
            ]
        }),
    }
}

fn documents() -> DemoTable {
    DemoTable {
        schema: TableSchema {
            name: "Documents".into(),
            columns: vec![
                ColumnSchema::new("Id", ColumnType::Long).not_null(),
                ColumnSchema::new("Title", ColumnType::Text).unicode(),
                ColumnSchema::new("Body", ColumnType::LongBinary),
            ],
            primary: IndexSchema::primary("ById", &["Id"]),
            secondary: vec![],
        },
        count: 200,
        row: Box::new(|number| {
            let mut noise = Noise::new(3, number);
            let title = format!("Dokument {number}");
            let len = 1 + noise.below(30_000) as usize;
            vec![
                Cell::from(number.to_le_bytes()),
                Cell::One(title.encode_utf16().flat_map(u16::to_le_bytes).collect()),
                Cell::One(noise.bytes(len)),
            ]
        }),
    }
}

fn optional(present: bool, value: impl FnOnce() -> Vec<u8>) -> Cell {
    if present { Cell::One(value()) } else { Cell::Null }
}

/// Sebastiano Vigna's splitmix64, begun anew for each row: any row can be made without those before it.
struct Noise(u64);

impl Noise {
    fn new(table: u64, row: u32) -> Self {
        Noise(table << 32 | u64::from(row))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.next() % u64::from(end)).unwrap_or(0)
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
