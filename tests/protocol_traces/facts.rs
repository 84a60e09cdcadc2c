//! What is compared where numbers cannot be the same: how they are related. The same relations are found in what was
//! recorded and in what our engine has.

use jetfs::format::{BackupInfo, DatabaseHeader, LogPosition, LogTime};
use serde_json::Value;

/// A stamp of a header (`BKINFO`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stamp {
    pub(crate) mark: (u64, u64, u64),
    pub(crate) time: [u8; 8],
    pub(crate) low: u64,
    pub(crate) high: u64,
}

/// The fields of a header that a backup concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamps {
    pub(crate) state: u64,
    pub(crate) required_low: u64,
    pub(crate) committed_high: u64,
    /// Full, incremental, copy, differential, and the current one of a copy.
    pub(crate) fields: [(&'static str, Stamp); 5],
    pub(crate) types: [u64; 4],
}

/// What is known of a backup while it is replayed, of one of the two sides.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known {
    /// `ckpt` of the checkpoint file before the backup.
    pub(crate) checkpoint: u64,
    /// What JetGetLogInfo listed.
    pub(crate) listed: Option<(u64, u64)>,
    /// Of a copied database: what its header calls itself.
    pub(crate) begin: Option<Stamp>,
}

/// What a field of a header became, in relation to the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Unchanged,
    Cleared,
    /// To the mark and time that the copies have, and the generations that were listed.
    ToBegin,
    /// To the start of the generation after the listed ones, and the generations that were listed.
    ToPrepared,
    /// To something else.
    Other,
}

impl Stamp {
    fn recorded(value: &Value) -> Self {
        let part = |index: usize| value["lgposMark"][index].as_u64().unwrap();
        let hex = value["logtimeMark"].as_str().unwrap();
        let byte = |index: usize| u8::from_str_radix(hex.get(2 * index..2 * index + 2).unwrap(), 16).unwrap();
        Stamp {
            mark: (part(0), part(1), part(2)),
            time: std::array::from_fn(byte),
            low: value["genLow"].as_u64().unwrap(),
            high: value["genHigh"].as_u64().unwrap(),
        }
    }

    pub(crate) fn ours(info: &BackupInfo) -> Self {
        Stamp {
            mark: position(info.mark),
            time: time(info.time),
            low: info.generation_low.into(),
            high: info.generation_high.into(),
        }
    }

    pub(crate) fn is_set(&self) -> bool {
        *self != Stamp::default()
    }
}

pub(crate) fn position(position: LogPosition) -> (u64, u64, u64) {
    (
        position.generation.into(),
        position.sector.into(),
        position.byte.into(),
    )
}

pub(crate) fn time(time: LogTime) -> [u8; 8] {
    time.to_bytes()
}

impl Stamps {
    pub(crate) fn recorded(fields: &Value) -> Self {
        let number = |name: &str| fields[name].as_u64().unwrap();
        let field = |name: &'static str| (name, Stamp::recorded(&fields[name]));
        Stamps {
            state: number("dbstate"),
            required_low: number("genMinRequired"),
            committed_high: number("genMaxCommitted"),
            fields: ["fullPrev", "incPrev", "copyPrev", "diffPrev", "fullCur"].map(field),
            types: ["typeFullPrev", "typeIncPrev", "typeCopyPrev", "typeDiffPrev"].map(number),
        }
    }

    pub(crate) fn ours(header: &DatabaseHeader) -> Self {
        Stamps {
            state: u64::from(header.state.number()),
            required_low: header.generation_min_required.into(),
            committed_high: header.generation_max_committed.into(),
            fields: [
                ("fullPrev", Stamp::ours(&header.backup_full_previous)),
                ("incPrev", Stamp::ours(&header.backup_incremental_previous)),
                ("copyPrev", Stamp::ours(&header.backup_copy_previous)),
                ("diffPrev", Stamp::ours(&header.backup_differential_previous)),
                ("fullCur", Stamp::ours(&header.backup_full_current)),
            ],
            types: [
                header.backup_full_previous_type,
                header.backup_incremental_previous_type,
                header.backup_copy_previous_type,
                header.backup_differential_previous_type,
            ]
            .map(|kind| u64::from(kind.number())),
        }
    }

    /// How each field changed from `before`.
    pub(crate) fn changes(&self, before: &Stamps, known: &Known) -> Vec<(&'static str, Change)> {
        let pairs = self.fields.iter().zip(&before.fields);
        pairs
            .map(|((name, now), (_, then))| (*name, change(now, then, known)))
            .collect()
    }
}

fn change(now: &Stamp, then: &Stamp, known: &Known) -> Change {
    if now == then {
        return Change::Unchanged;
    }
    if !now.is_set() {
        return Change::Cleared;
    }
    let Some((low, high)) = known.listed.filter(|listed| (now.low, now.high) == *listed) else {
        return Change::Other;
    };
    assert!(low <= high);
    match known.begin {
        Some(begin) if (begin.mark, begin.time) == (now.mark, now.time) => Change::ToBegin,
        None if now.mark == (high + 1, 1, 0) && now.time != [0; 8] => Change::ToPrepared,
        _ => Change::Other,
    }
}
