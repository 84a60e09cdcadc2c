//! The genuine engine's dump of a log: one line a record.
//!
//! ```text
//! >0000000E,0001,0151 Insert    e06,ffffffffffffffff,14c:2(b,[1:213:6],U:V:ND:NSP:USR:NCI,0,8,1400,rceid:5517,objid:[1:18])…
//!  generation,segment,byte name dbtime,before,trx:level(session,[database:page:line],…
//! ```

use crate::support::{program, run};
use crate::text;
use jetfs::format::LogPosition;
use jetfs::format::log_record::{FieldValue, LogRecord};
use jetfs::store::log_reader::Logged;
use std::collections::BTreeMap;
use std::path::Path;

/// What a line says. A part that it does not say is `None`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DumpedRecord {
    pub(crate) position: (u32, u16, u16),
    pub(crate) name: String,
    pub(crate) session: Option<u64>,
    pub(crate) database: Option<u64>,
    pub(crate) page: Option<u64>,
    pub(crate) line: Option<u64>,
    pub(crate) dbtime: Option<u64>,
    pub(crate) dbtime_before: Option<u64>,
    pub(crate) trx: Option<u64>,
    pub(crate) level: Option<u64>,
    pub(crate) rceid: Option<u64>,
    pub(crate) objid: Option<u64>,
    /// Lengths of prefix, suffix and data of an insertion.
    pub(crate) lengths: Option<[u64; 3]>,
    pub(crate) pages: Option<Vec<u64>>,
    /// All that follows the name.
    pub(crate) text: String,
}

fn uncompressed(path: &Path) -> String {
    run(program("gzip").arg("-dc").arg(path)).succeeds().stdout
}

/// All records of a dump in the order of their positions.
pub(crate) fn records(dump: &Path) -> Vec<DumpedRecord> {
    let text = uncompressed(dump);
    let lines = text.lines().filter_map(|line| line.strip_prefix('>'));
    let mut records: Vec<_> = lines.map(DumpedRecord::parse).collect();
    records.sort();
    assert!(!records.is_empty(), "{} has no records", dump.display());
    records
}

/// Generation, sum of the segments, and the segment where the log ends.
pub(crate) fn sums(dump: &Path) -> Vec<(u32, u64, u16)> {
    let mut sums = Vec::new();
    let mut end = (0, 0);
    for line in uncompressed(dump).lines() {
        if let Some(position) = line.trim().strip_prefix("Last Lgpos: (0x") {
            let mut parts = position.split(',');
            let mut hex = || u32::from_str_radix(parts.next().unwrap(), 16).unwrap();
            end = (hex(), u16::try_from(hex()).unwrap());
        }
        if let Some(sum) = line.trim().strip_prefix("Accumulated segment checksum: 0x") {
            sums.push((end.0, hex(sum).unwrap(), end.1));
        }
    }
    assert!(!sums.is_empty(), "{}", dump.display());
    sums
}

/// How many records of each type, by the first word of its name.
pub(crate) fn counts(path: &Path) -> BTreeMap<String, u64> {
    let text = std::fs::read_to_string(path).unwrap();
    let pairs = text.lines().map(|line| line.trim().split_once(' ').unwrap());
    pairs
        .map(|(count, name)| (name.to_owned(), count.parse().unwrap()))
        .collect()
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

/// Whether the dump's position is ours. Of the first record of a segment the dump names the end of the record before
/// instead, if the rest of that segment is fill: it stood there when it met the record.
fn is_same_place(ours: (u32, u16, u16), dumped: (u32, u16, u16)) -> bool {
    let in_fill = ours.2 == 0 && (dumped.0, dumped.1 + 1) == (ours.0, ours.1);
    ours == dumped || in_fill
}

/// The number after `key`, in decimal.
fn after(text: &str, key: &str) -> Option<u64> {
    let rest = &text[text.find(key)? + key.len()..];
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

impl DumpedRecord {
    fn at(position: (u32, u16, u16), name: &str) -> Self {
        DumpedRecord {
            position,
            name: name.to_owned(),
            session: None,
            database: None,
            page: None,
            line: None,
            dbtime: None,
            dbtime_before: None,
            trx: None,
            level: None,
            rceid: None,
            objid: None,
            lengths: None,
            pages: None,
            text: String::new(),
        }
    }

    fn parse(line: &str) -> Self {
        let (position, rest) = line.split_at(18);
        let numbers: Vec<_> = position.split(',').map(|part| hex(part).unwrap()).collect();
        let position = (
            u32::try_from(numbers[0]).unwrap(),
            u16::try_from(numbers[1]).unwrap(),
            u16::try_from(numbers[2]).unwrap(),
        );
        let rest = &rest[1..];
        let (name, rest) = rest.split_at(rest.len().min(9));
        let mut record = Self::at(position, name.trim());
        record.read_rest(rest.trim_start());
        // A split at a place where many insertions come has a name of its own; its record has not.
        record.text = rest.trim().replace("SplitHotpoint", "SplitRight");
        record
    }

    fn read_rest(&mut self, rest: &str) {
        match self.name.as_str() {
            "Split2" => self.read_operation(rest.split_once(' ').unwrap().1),
            "Insert" | "FInsert" | "FInsertRD" | "FDelete" | "Replace" | "ReplaceD" | "Delete" | "Delta"
            | "Delta64" | "SetExtHdr" | "Undo" | "UndoInfo" | "Convert" | "EmptyTree" | "Merge2"
            | "PageMove" | "Create S" | "Create M" => self.read_operation(rest),
            "McroBegin" | "McroComit" | "McroAbort" => {
                let (session, dbtime) = rest.trim_start_matches('(').split_once(") ").unwrap();
                self.session = hex(session);
                self.dbtime = hex(dbtime.trim());
            }
            "Begin" | "Begin0" | "Commit" | "Commit0" | "Rollback" => {
                self.session = hex(rest.trim_start_matches('(').split(',').next().unwrap());
                if self.name.ends_with('0') {
                    self.trx = hex(rest.rsplit(' ').next().unwrap());
                }
            }
            "McroInfo" => {
                let pages = rest.split("],").filter_map(|page| page.rsplit_once(':'));
                self.pages = Some(pages.map(|(_, page)| page.parse().unwrap()).collect());
            }
            "ScanCheck" => {
                let (times, page) = rest.split_once('[').unwrap();
                let (dbtime, before) = times.split_once(',').unwrap();
                (self.dbtime, self.dbtime_before) = (hex(dbtime), hex(before));
                self.read_page(page);
            }
            "CrDBFinsh" => {
                let (session, database) = rest.trim_matches(['(', ')', ' ']).split_once(',').unwrap();
                (self.session, self.database) = (hex(session), hex(database));
            }
            _ => {}
        }
    }

    /// `dbtime,before,trx:level(session,…[database:page:line]…`; some have only one dbtime or none.
    fn read_operation(&mut self, rest: &str) {
        let (times, rest) = rest.split_once('(').unwrap();
        let times: Vec<_> = times.split(',').collect();
        let (trx, level) = times.last().unwrap().split_once(':').unwrap();
        (self.trx, self.level) = (hex(trx), level.parse().ok());
        let known = |text: &&str| hex(text).filter(|dbtime| *dbtime != u64::MAX);
        if times.len() > 1 {
            self.dbtime = known(&times[0]);
        }
        if times.len() > 2 {
            self.dbtime_before = known(&times[1]);
        }
        self.session = hex(rest.split(',').next().unwrap());
        let bracket = rest.find('[').unwrap();
        // A level of a split that only gets a pointer is shown with its page last.
        self.read_page(&rest[bracket + 1..]);
        self.rceid = after(rest, "rceid:").or_else(|| after(rest, "rceidInsert:"));
        self.objid = rest.find("objid:[").and_then(|at| after(&rest[at + 7..], ":"));
        if self.name == "Insert" {
            let before = rest.split(",rceid:").next().unwrap();
            let mut numbers = before
                .rsplit(',')
                .take(3)
                .map(|number| number.trim().parse().unwrap());
            let (data, suffix, prefix) = (
                numbers.next().unwrap(),
                numbers.next().unwrap(),
                numbers.next().unwrap(),
            );
            self.lengths = Some([prefix, suffix, data]);
        }
    }

    /// `database:page:line]…` or `database:page]…`
    fn read_page(&mut self, text: &str) {
        let mut parts = text
            .split(']')
            .next()
            .unwrap()
            .split(':')
            .map(|part| part.trim().parse().ok());
        self.database = parts.next().flatten();
        self.page = parts.next().flatten();
        self.line = parts.next().flatten();
    }

    /// What `logged` is, in the parts that `like` has.
    pub(crate) fn of(logged: &Logged<'_>, like: &DumpedRecord) -> Self {
        let LogPosition {
            generation,
            sector,
            byte,
        } = logged.position;
        let mut fields: BTreeMap<&str, u64> = BTreeMap::new();
        let mut pages = None;
        logged.record.visit(&mut |name, value| match value {
            FieldValue::Number(number) => drop(fields.insert(name, number)),
            FieldValue::Pages(numbers) => pages = Some(numbers.iter().map(u64::from).collect()),
            _ => {}
        });
        let subject = logged.record.subject();
        let field = |name: &str, like: Option<u64>| like.and_then(|_| fields.get(name).copied());
        let mut position = (generation, sector, byte);
        if is_same_place(position, like.position) {
            position = like.position;
        }
        let mut record = Self::at(position, &logged.record.record_type().to_string());
        record.session = like.session.and(subject.session.map(u64::from));
        record.database = like.database.and(subject.database.map(u64::from));
        record.page = like.page.and(subject.page.map(u64::from));
        record.dbtime = like.dbtime.and(subject.dbtime);
        record.dbtime_before = like.dbtime_before.and(subject.dbtime_before);
        record.line = field(
            if like.name == "Split2" {
                "line_split"
            } else {
                "line"
            },
            like.line,
        );
        if like.name == "Merge2" {
            record.line = field("line_merge", like.line);
        }
        record.trx = field("trx", like.trx);
        record.level = field("level", like.level);
        record.rceid = field("rceid", like.rceid);
        record.objid = field("objid", like.objid);
        record.text =
            text::of(&logged.record).map_or_else(|| like.text.clone(), |text| text.trim().to_owned());
        record.pages = like.pages.as_ref().and(pages);
        if let LogRecord::Insert(insert) = &logged.record {
            let prefix = u64::from(insert.prefix_len);
            record.lengths = Some([prefix, insert.key.len() as u64 - prefix, insert.data.len() as u64]);
        }
        record
    }
}
