//! Random tables: columns of every type and place, indexes of every kind that can be made without Windows.

use crate::values::{random_default, value};
use jetfs::engine::{ColumnDefinition, IndexDefinition, TableDefinition};
use jetfs::format::{ColumnType, Value};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// A column as the test knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: ColumnType,
    pub(crate) place: Place,
    pub(crate) code_page: u16,
    pub(crate) max_len: Option<u32>,
    pub(crate) default: Option<Vec<u8>>,
    pub(crate) compressed: bool,
    pub(crate) role: Role,
}

/// Where values stand in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Fixed,
    Variable,
    Tagged,
    MultiValued,
}

/// What the engine does with a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Plain,
    NotNull,
    AutoIncrement,
    Version,
    Escrow,
}

/// An index as the test knows it.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    pub(crate) definition: IndexDefinition,
}

impl Column {
    fn plain(name: &str, kind: ColumnType) -> Column {
        Column {
            name: name.to_owned(),
            kind,
            place: match kind {
                _ if kind.fixed_len().is_some() => Place::Fixed,
                _ if kind.is_long() => Place::Tagged,
                _ => Place::Variable,
            },
            code_page: if kind.is_text() { 1252 } else { 0 },
            max_len: None,
            default: None,
            compressed: false,
            role: Role::Plain,
        }
    }

    fn role(self, role: Role) -> Column {
        Column { role, ..self }
    }

    /// What the engine is asked for.
    pub(crate) fn definition(&self) -> ColumnDefinition {
        let mut column = ColumnDefinition::new(&self.name, self.kind);
        if self.code_page == 1200 {
            column = column.unicode();
        }
        if let Some(bytes) = self.max_len {
            column = column.max_len(bytes);
        }
        if let Some(default) = &self.default {
            column = column.default_value(default.clone());
        }
        if self.compressed {
            column = column.compressed();
        }
        column = match self.place {
            Place::Fixed => column.fixed(),
            Place::Tagged => column.tagged(),
            Place::MultiValued => column.multi_valued(),
            Place::Variable => column,
        };
        match self.role {
            Role::Plain => column,
            Role::NotNull => column.not_null(),
            Role::AutoIncrement => column.auto_increment(),
            Role::Version => column.version(),
            Role::Escrow => column.escrow_update(),
        }
    }

    /// Whether a program may give values to it.
    pub(crate) fn is_settable(&self) -> bool {
        matches!(self.role, Role::Plain | Role::NotNull)
    }

    /// Stored bytes as a value of it.
    pub(crate) fn value(&self, bytes: &[u8]) -> Value {
        value(self.kind, self.code_page, bytes)
    }
}

/// Three columns by which readers tell rows apart, three that the engine changes, and others.
pub(crate) fn random_columns(rng: &mut StdRng) -> Vec<Column> {
    let escrow = [ColumnType::Long, ColumnType::LongLong].choose(rng).unwrap();
    let mut columns = vec![
        Column::plain("Id", ColumnType::LongLong).role(Role::NotNull),
        Column::plain("Part", ColumnType::Guid),
        Column::plain("Label", ColumnType::Text),
        Column::plain("Version", ColumnType::Long).role(Role::Version),
        Column {
            default: Some(vec![0; escrow.fixed_len().unwrap()]),
            ..Column::plain("Escrow", *escrow).role(Role::Escrow)
        },
    ];
    let numbered = [ColumnType::Long, ColumnType::LongLong, ColumnType::Currency];
    let numbered = *numbered.choose(rng).unwrap();
    columns.push(Column::plain("Number", numbered).role(Role::AutoIncrement));
    for at in 0..rng.random_range(4..22) {
        columns.push(random_column(rng, &format!("C{at}")));
    }
    columns
}

/// A column of any type in any place.
pub(crate) fn random_column(rng: &mut StdRng, name: &str) -> Column {
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
    let mut column = Column::plain(&format!("{name}_{kind}"), kind);
    if kind.is_text() && rng.random_bool(0.5) {
        column.code_page = 1200;
    }
    column.compressed = kind.is_long() && rng.random_bool(0.5);
    match rng.random_range(0..8) {
        0 => column.place = Place::Tagged,
        1 | 2 if kind != ColumnType::Bit => column.place = Place::MultiValued,
        3 if column.place == Place::Variable => {
            column.place = Place::Fixed;
            column.max_len = Some(2 * rng.random_range(1..25));
        }
        _ => {}
    }
    if column.place != Place::MultiValued && rng.random_bool(0.3) {
        column.default = Some(random_default(rng, &column));
    }
    column
}

/// The order of a table; `None` is the order of insertion.
pub(crate) fn random_primary(rng: &mut StdRng) -> Option<Index> {
    let index = |columns: &[&str], definition| Index {
        name: "Primary".to_owned(),
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        definition,
    };
    let primary = IndexDefinition::primary("Primary");
    match rng.random_range(0..4) {
        0 => Some(index(&["Id"], primary.ascending("Id"))),
        1 => Some(index(&["Part", "Id"], primary.ascending("Part").ascending("Id"))),
        2 => Some(index(
            &["Label", "Id"],
            primary.descending("Label").ascending("Id"),
        )),
        _ => None,
    }
}

/// An index over some of the columns.
pub(crate) fn random_index(rng: &mut StdRng, name: &str, columns: &[Column]) -> Index {
    let usable: Vec<&Column> = columns
        .iter()
        .filter(|column| column.code_page != 1200 && !matches!(column.role, Role::Version | Role::Escrow))
        .collect();
    let count = rng.random_range(1..5);
    let mut chosen: Vec<&Column> = usable.choose_multiple(rng, count).copied().collect();
    let mut definition = IndexDefinition::new(name);
    if rng.random_bool(0.2) {
        // With the number of the record nothing stands twice.
        chosen = vec![&columns[0]];
        definition = definition.unique();
    }
    for column in &chosen {
        definition = if rng.random_bool(0.3) {
            definition.descending(&column.name)
        } else {
            definition.ascending(&column.name)
        };
    }
    definition = match rng.random_range(0..9) {
        0 => definition.ignore_null(),
        1 => definition.ignore_first_null(),
        2 => definition.ignore_any_null(),
        3 => definition.sort_nulls_high(),
        4 if chosen.iter().any(|column| column.place == Place::MultiValued) => definition.cross_product(),
        5 => definition.dot_net_guid(),
        6 => definition.only_if_null(&columns.choose(rng).unwrap().name),
        7 => definition.only_if_not_null(&columns.choose(rng).unwrap().name),
        _ => definition,
    };
    if rng.random_bool(0.2) {
        definition = definition.key_most(rng.random_range(100..1000));
    }
    let conditions = columns
        .iter()
        .filter(|column| format!("{definition:?}").contains(&format!("{:?}", column.name)))
        .map(|column| column.name.clone());
    Index {
        name: name.to_owned(),
        columns: conditions.collect(),
        definition,
    }
}

/// A table of these columns and indexes.
pub(crate) fn definition(
    rng: &mut StdRng,
    name: &str,
    columns: &[Column],
    indexes: &[Index],
) -> TableDefinition {
    let mut table = TableDefinition::new(name).pages(*[1, 4, 40].choose(rng).unwrap());
    for column in columns {
        table = table.column(column.definition());
    }
    for index in indexes {
        table = table.index(index.definition.clone());
    }
    table
}
