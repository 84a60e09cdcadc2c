//! Which entries a record has in an index (database-file.md section 9): conditions, NULLs, several values, parts of
//! values, and the keys themselves, where they can be computed. `verify --deep` and the engine share it.

use super::record_column::{ReadLongValue, RecordColumn, plain};
use super::schema::IndexSchema;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{
    ColumnClass, ColumnFlags, ColumnId, ColumnType, IndexFlags, KeyRules, KeySegment, KeyWriter, Record,
    SegmentEntry, SegmentFlags, TupleLimits,
};
use std::borrow::Cow;

/// More entries than any record has in an index.
const ENTRIES_MOST: usize = 1 << 16;
/// The longest key of any index (section 9).
const KEY_MOST: u16 = 2000;

/// Why the entries of an index cannot be told from the records.
#[derive(Debug)]
pub(crate) struct Incomparable {
    /// In words.
    pub(crate) why: String,
    /// Whether the catalog is wrong, rather than that jetfs cannot know.
    pub(crate) is_damage: bool,
}

impl Incomparable {
    pub(crate) fn unknown(why: impl Into<String>) -> Self {
        Incomparable {
            why: why.into(),
            is_damage: false,
        }
    }
}

/// What can be compared of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// Whole keys with their bookmarks.
    Keys,
    /// Only which records have an entry: a segment is Unicode text, whose keys only Windows can make.
    Bookmarks,
    /// Only that the record of each entry exists: as before, and a record may have several entries.
    Existence,
}

/// A segment of the index.
#[derive(Debug)]
struct Segment {
    column: RecordColumn,
    key: KeySegment,
    /// Whether each of its values has an entry.
    is_multi: bool,
}

/// How the entries of a record follow from its columns.
#[derive(Debug)]
pub(crate) struct IndexKeys {
    flags: IndexFlags,
    rules: KeyRules,
    segments: Vec<Segment>,
    /// Columns that must be NULL, or must not.
    conditions: Vec<(RecordColumn, bool)>,
    tuples: Option<TupleLimits>,
    pub(crate) comparison: Comparison,
    /// Whether what the index refuses is an error.
    refuses: bool,
}

/// The values of each segment; none for NULL.
type Values<'r> = Vec<Vec<Cow<'r, [u8]>>>;

/// Which segments are NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nulls {
    None,
    Some,
    First,
    All,
}

impl IndexKeys {
    /// The rules of an index of a table with these columns.
    ///
    /// # Errors
    /// Why its entries cannot be told from the records.
    pub(crate) fn new(index: &IndexSchema, columns: &[RecordColumn]) -> Result<Self, Incomparable> {
        let entry = &index.entry;
        if entry.flags.contains(IndexFlags::DEFER_POPULATE) {
            return Err(Incomparable::unknown("it is filled later"));
        }
        if entry.segments.is_empty() {
            return Err(Incomparable {
                why: "the catalog does not name its columns".to_owned(),
                is_damage: !entry.flags.contains(IndexFlags::DERIVED),
            });
        }
        let find = |segment: &SegmentEntry| find_column(segment, entry.flags, columns);
        let mut segments = Vec::new();
        for segment in &entry.segments {
            segments.push(segment_of(find(segment)?, segment)?);
        }
        mark_multi(&mut segments, entry.flags);
        let comparison = match segments.iter().any(|segment| segment.key.is_unicode()) {
            false => Comparison::Keys,
            true if entry.tuple_limits.is_some() || segments.iter().any(|segment| segment.is_multi) => {
                Comparison::Existence
            }
            true => Comparison::Bookmarks,
        };
        let conditions = entry.conditions.iter().map(|condition| {
            Ok::<_, Incomparable>((
                find(condition)?.clone(),
                condition.flags.contains(SegmentFlags::MUST_BE_NULL),
            ))
        });
        Ok(IndexKeys {
            flags: entry.flags,
            rules: KeyRules {
                key_most: entry.key_most.min(KEY_MOST),
                variable_segment_most: entry.var_seg_mac.unwrap_or(entry.key_most),
                nulls_high: entry.flags.contains(IndexFlags::SORT_NULLS_HIGH),
                dot_net_guid: entry.flags.contains(IndexFlags::DOT_NET_GUID),
                refuse_truncation: false,
            },
            conditions: conditions.collect::<Result<_, _>>()?,
            segments,
            tuples: entry.tuple_limits,
            comparison,
            refuses: false,
        })
    }

    /// The keys of a record's entries, each once. Where whole keys are not compared, an empty key stands for an entry.
    ///
    /// # Errors
    /// A value cannot be read.
    pub(crate) fn keys<'r>(
        &'r self,
        record: &Record<'r>,
        long_values: Option<ReadLongValue<'_>>,
    ) -> JetResult<Vec<Vec<u8>>> {
        for (column, must_be_null) in &self.conditions {
            if column.instances(record)?.is_empty() != *must_be_null {
                return Ok(Vec::new());
            }
        }
        let values = self.values(record, long_values)?;
        let mut keys = Vec::new();
        for places in self.combinations(&values)? {
            if !self.add_keys(&values, &places, &mut keys)? {
                break;
            }
        }
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    /// The same as the engine needs it: whole keys or none, and what the index refuses is an error of
    /// [`keys`](Self::keys) and [`primary_key`](Self::primary_key): a NULL segment (`JET_errNullKeyDisallowed`), or a
    /// key that would be cut (`JET_errKeyTruncated`).
    ///
    /// # Errors
    /// A segment is Unicode text (`JET_errUnicodeNormalizationNotSupported`).
    pub(crate) fn for_writing(self) -> JetResult<Self> {
        if self.comparison != Comparison::Keys {
            return Err(unicode());
        }
        Ok(IndexKeys {
            refuses: true,
            ..self
        })
    }

    /// The key of a record in a primary index, whatever its NULLs.
    ///
    /// # Errors
    /// A value cannot be read, or what [`for_writing`](Self::for_writing) says.
    pub(crate) fn primary_key<'r>(
        &'r self,
        record: &Record<'r>,
        long_values: Option<ReadLongValue<'_>>,
    ) -> JetResult<Vec<u8>> {
        let most = self.bytes_needed();
        let first = self.segments.iter().map(|segment| {
            let instance = segment.column.first_instance(record)?;
            let plain = instance.map(|instance| plain(&instance, long_values, most));
            plain.transpose()
        });
        self.key(first).map(|(key, _)| key)
    }

    /// The values that keys are made of; of a segment that is not multi-valued only the first.
    fn values<'r>(
        &'r self,
        record: &Record<'r>,
        long_values: Option<ReadLongValue<'_>>,
    ) -> JetResult<Values<'r>> {
        let most = self.bytes_needed();
        let of_segment = |segment: &'r Segment| -> JetResult<_> {
            let instances = segment.column.instances(record)?;
            let wanted = if segment.is_multi { instances.len() } else { 1 };
            let plain = instances
                .iter()
                .take(wanted)
                .map(|instance| plain(instance, long_values, most));
            plain.collect()
        };
        self.segments.iter().map(of_segment).collect()
    }

    /// Bytes at the start of a value on which a key may depend.
    fn bytes_needed(&self) -> usize {
        let tuples = self.tuples.map_or(0, |limits| {
            let characters = u64::from(limits.start) + u64::from(limits.most) * u64::from(limits.step);
            2 * (characters + u64::from(limits.longest))
        });
        usize::from(self.rules.key_most) + 16 + usize::try_from(tuples).unwrap_or(usize::MAX / 2)
    }

    /// Which value of each segment: those of one multi-valued segment one after the other, of several side by side, or
    /// in every combination.
    fn combinations(&self, values: &Values<'_>) -> JetResult<Vec<Vec<usize>>> {
        let counts = self.segments.iter().zip(values);
        let counts: Vec<usize> = counts
            .map(|(segment, values)| if segment.is_multi { values.len().max(1) } else { 1 })
            .collect();
        if self.flags.contains(IndexFlags::NESTED_TABLE) {
            let most = counts.iter().copied().max().unwrap_or(1);
            let place = |step| {
                let segments = self.segments.iter();
                segments
                    .map(|segment| if segment.is_multi { step } else { 0 })
                    .collect()
            };
            return Ok((0..most).map(place).collect());
        }
        let mut all = vec![Vec::new()];
        for count in counts {
            if all.len().saturating_mul(count) > ENTRIES_MOST {
                return Err(too_many());
            }
            all = all
                .iter()
                .flat_map(|places: &Vec<usize>| (0..count).map(move |place| [&places[..], &[place]].concat()))
                .collect();
        }
        Ok(all)
    }

    /// Adds the keys of one combination. False if no further combination has any.
    fn add_keys(&self, values: &Values<'_>, places: &[usize], keys: &mut Vec<Vec<u8>>) -> JetResult<bool> {
        let chosen: Vec<Option<&[u8]>> = values
            .iter()
            .zip(places)
            .map(|(values, &place)| values.get(place).map(|value| &**value))
            .collect();
        let Some(limits) = self.tuples else {
            return self.add_key(&chosen, keys);
        };
        let Some(Some(whole)) = chosen.first().copied() else {
            return Ok(true);
        };
        for tuple in tuples(whole, limits) {
            let mut chosen = chosen.clone();
            if let Some(first) = chosen.first_mut() {
                *first = Some(tuple);
            }
            if !self.add_key(&chosen, keys)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn add_key(&self, chosen: &[Option<&[u8]>], keys: &mut Vec<Vec<u8>>) -> JetResult<bool> {
        let (key, nulls) = self.key(chosen.iter().map(|value| Ok(*value)))?;
        let is_allowed = match nulls {
            Nulls::None => true,
            Nulls::Some => self.flags.contains(IndexFlags::ALLOW_SOME_NULLS),
            Nulls::First => self.flags.contains(IndexFlags::ALLOW_FIRST_NULL),
            Nulls::All => self.flags.contains(IndexFlags::ALLOW_ALL_NULLS),
        };
        if is_allowed {
            keys.push(key);
        }
        if keys.len() > ENTRIES_MOST {
            return Err(too_many());
        }
        Ok(is_allowed && nulls != Nulls::All)
    }

    fn key<V: AsRef<[u8]>>(
        &self,
        chosen: impl Iterator<Item = JetResult<Option<V>>>,
    ) -> JetResult<(Vec<u8>, Nulls)> {
        let mut writer = KeyWriter::new(self.rules);
        let (mut nulls, mut is_first_null) = (0, false);
        for (at, (segment, value)) in self.segments.iter().zip(chosen).enumerate() {
            let value = value?;
            if self.comparison == Comparison::Keys {
                writer.push(segment.key, value.as_ref().map(AsRef::as_ref))?;
            }
            nulls += usize::from(value.is_none());
            is_first_null |= at == 0 && value.is_none();
        }
        let nulls = match nulls {
            0 => Nulls::None,
            nulls if nulls == self.segments.len() => Nulls::All,
            _ if is_first_null => Nulls::First,
            _ => Nulls::Some,
        };
        let is_refused = |flag| self.refuses && self.flags.contains(flag);
        if nulls != Nulls::None && is_refused(IndexFlags::NO_NULL_SEGMENT) {
            let what = "the index does not allow NULL in its columns";
            return Err(JetError::rule(JetErr::NullKeyDisallowed, what));
        }
        if writer.is_cut() && is_refused(IndexFlags::DISALLOW_TRUNCATION) {
            let what = "the index does not allow keys that must be cut";
            return Err(JetError::rule(JetErr::KeyTruncated, what));
        }
        Ok((writer.finish(), nulls))
    }

    /// The rules of its keys.
    pub(super) fn rules(&self) -> KeyRules {
        self.rules
    }

    /// Column and key rules of a segment.
    pub(super) fn segment(&self, index: usize) -> Option<(&RecordColumn, KeySegment)> {
        let segment = self.segments.get(index)?;
        Some((&segment.column, segment.key))
    }

    /// Which parts of the first segment's values have entries, in an index over parts.
    pub(super) fn tuple_limits(&self) -> Option<TupleLimits> {
        self.tuples
    }

    /// Whether its keys can need values from the long value tree.
    pub(crate) fn reads_long_values(&self) -> bool {
        self.segments
            .iter()
            .any(|segment| segment.column.kind.is_some_and(ColumnType::is_long))
    }

    /// Whether a change of this column can change the entries.
    pub(crate) fn depends_on(&self, id: ColumnId) -> bool {
        let segments = self.segments.iter().map(|segment| &segment.column);
        let conditions = self.conditions.iter().map(|(column, _)| column);
        segments.chain(conditions).any(|column| column.id == id)
    }
}

/// Unicode text in a key.
pub(super) fn unicode() -> JetError {
    let what = "the order of Unicode text is Windows' own: an index over it cannot be kept here";
    JetError::rule(JetErr::UnicodeNormalizationNotSupported, what)
}

fn too_many() -> JetError {
    JetError::rule(
        JetErr::DatabaseCorrupted,
        "a record has more entries than any index allows",
    )
}

/// A segment says whether its column is the template's; in an index that was inherited as a whole all are.
fn find_column<'c>(
    segment: &SegmentEntry,
    flags: IndexFlags,
    columns: &'c [RecordColumn],
) -> Result<&'c RecordColumn, Incomparable> {
    let derived = segment.flags.contains(SegmentFlags::TEMPLATE) || flags.contains(IndexFlags::DERIVED);
    let mut columns = columns.iter();
    let column = columns.find(|column| column.derived == derived && column.id == segment.column);
    column.ok_or_else(|| Incomparable {
        why: format!("its column {} does not exist", segment.column),
        is_damage: !flags.contains(IndexFlags::DERIVED),
    })
}

fn segment_of(column: &RecordColumn, segment: &SegmentEntry) -> Result<Segment, Incomparable> {
    let name = &column.name;
    if column.flags.contains(ColumnFlags::USER_DEFINED_DEFAULT) {
        return Err(Incomparable::unknown(format!(
            "only a program knows the default of column {name}"
        )));
    }
    let kind: ColumnType = column
        .kind
        .ok_or_else(|| Incomparable::unknown(format!("column {name} has an unknown type")))?;
    Ok(Segment {
        column: column.clone(),
        key: KeySegment {
            kind,
            is_fixed: column.id.class() == ColumnClass::Fixed,
            code_page: column.code_page,
            descending: segment.flags.contains(SegmentFlags::DESCENDING),
        },
        is_multi: false,
    })
}

/// Of several multi-valued columns only the first counts, unless the index says otherwise.
fn mark_multi(segments: &mut [Segment], flags: IndexFlags) {
    if !flags.contains(IndexFlags::MULTI_VALUED) {
        return;
    }
    let multi = segments.iter_mut().filter(|segment| {
        let column = &segment.column;
        column.flags.contains(ColumnFlags::MULTI_VALUED) && column.id.class() == ColumnClass::Tagged
    });
    let all = flags.intersects(IndexFlags::CROSS_PRODUCT | IndexFlags::NESTED_TABLE);
    let count = if all { usize::MAX } else { 1 };
    multi.take(count).for_each(|segment| segment.is_multi = true);
}

/// The parts of a value that have an entry each.
fn tuples(value: &[u8], limits: TupleLimits) -> impl Iterator<Item = &[u8]> {
    let size = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    let (longest, shortest) = (size(limits.longest), size(limits.shortest).max(1));
    let starts = (size(limits.start)..).step_by(size(limits.step).max(1));
    starts
        .take(size(limits.most))
        .map_while(move |start| value.get(start..))
        .map(move |rest| rest.get(..longest).unwrap_or(rest))
        .take_while(move |tuple| tuple.len() >= shortest)
}

#[cfg(test)]
mod tests;
