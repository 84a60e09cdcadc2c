//! Which records are wanted.

use jetfs::format::log_record::LogRecordType;
use jetfs::store::log_reader::Logged;

/// The filters of `jetfs log`. A record must pass all that are given.
#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// Only records of these types, by name or number
    #[arg(long = "type", value_name = "TYPES", value_delimiter = ',', value_parser = types)]
    types: Vec<Types>,

    /// Only records about this database
    #[arg(long, value_name = "DBID", value_parser = number::<u8>)]
    database: Option<u8>,

    /// Only records that change or name this page
    #[arg(long, value_name = "PGNO", value_parser = number::<u32>)]
    page: Option<u32>,

    /// Only records of this session
    #[arg(long, value_name = "PROCID", value_parser = number::<u16>)]
    session: Option<u16>,
}

impl Filter {
    /// Whether the record passes.
    pub(super) fn matches(&self, logged: &Logged<'_>) -> bool {
        let record = &logged.record;
        let wanted_type = self.types.is_empty()
            || self
                .types
                .iter()
                .any(|types| types.0.contains(&record.record_type()));
        if !wanted_type {
            return false;
        }
        if self.database.is_some() || self.session.is_some() {
            let subject = record.subject();
            let differs = (self.database.is_some() && subject.database != self.database)
                || (self.session.is_some() && subject.session != self.session);
            if differs {
                return false;
            }
        }
        self.page.is_none_or(|page| record.touches(page))
    }
}

/// The types with one name: old and new forms share one.
#[derive(Debug, Clone)]
struct Types(Vec<LogRecordType>);

fn types(text: &str) -> Result<Types, String> {
    if let Ok(number) = number::<u8>(text) {
        return Ok(Types(vec![LogRecordType(number)]));
    }
    let is_called = |name: &str| {
        let first_word = name.split(' ').next().unwrap_or_default();
        name.eq_ignore_ascii_case(text) || first_word.eq_ignore_ascii_case(text)
    };
    let named = LogRecordType::ALL
        .iter()
        .filter(|record_type| record_type.name().is_some_and(is_called));
    let named: Vec<_> = named.copied().collect();
    if named.is_empty() {
        let mut names: Vec<_> = LogRecordType::ALL
            .iter()
            .filter_map(|known| known.name())
            .collect();
        names.dedup();
        return Err(format!("no such type; there are {}", names.join(", ")));
    }
    Ok(Types(named))
}

/// A number, decimal or hex with 0x.
fn number<N: TryFrom<u64>>(text: &str) -> Result<N, String> {
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    let number = number.map_err(|error| error.to_string())?;
    N::try_from(number).map_err(|_| "the number is too large".to_owned())
}

/// `LOW-HIGH`, or one generation.
pub(super) fn generations(text: &str) -> Result<(u32, u32), String> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let (low, high) = (number(low)?, number(high)?);
    if low > high {
        return Err("the first generation is the higher one".to_owned());
    }
    Ok((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_numbers_are_decimal_or_hex() {
        assert_eq!(generations("0x10-0x1f"), Ok((16, 31)));
        assert_eq!(generations("7"), Ok((7, 7)));
        assert!(generations("9-8").is_err());
        assert!(number::<u8>("256").is_err());
    }

    #[test]
    fn a_name_means_old_and_new_forms_and_one_word_means_both_kinds_of_create() {
        let numbers = |text| types(text).map(|types| types.0.iter().map(|found| found.0).collect::<Vec<_>>());
        assert_eq!(numbers("init"), Ok(vec![1, 49]));
        assert_eq!(numbers("Create"), Ok(vec![24, 25]));
        assert_eq!(numbers("create s"), Ok(vec![25]));
        assert_eq!(numbers("62"), Ok(vec![62]));
        assert!(numbers("no such").unwrap_err().contains("Insert"));
    }
}
