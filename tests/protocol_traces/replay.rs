//! A trace, line by line, against the running instance.

use super::deviations::{Deviation, Deviations};
use super::facts::{Known, Stamp, Stamps, position, time};
use super::instance::{DATABASES, DIRECTORY, Hosted, path_of};
use super::trace::{Trace, file_name, number};
use jetfs::JetResult;
use jetfs::backup::{FileHandle, LogSet};
use jetfs::format::{PageSize, Trailer, VerifiedHeader};
use serde_json::Value;
use std::collections::BTreeMap;

const PAGE: u64 = 4096;

/// What stands for a recorded handle when nothing is open.
const NEVER_GIVEN: FileHandle = FileHandle(0);

pub(crate) struct Replay<'t> {
    hosted: &'t Hosted,
    trace: &'t Trace,
    deviations: &'t mut Deviations,
    recorded: Known,
    ours: Known,
    open: Option<Open>,
    /// Databases that were copied whole.
    copies: BTreeMap<String, Vec<u8>>,
    /// Stamps in the headers before the backup: recorded, ours.
    before: BTreeMap<String, (Stamps, Stamps)>,
    /// The next recorded calls concern a log that we do not have.
    is_skipping: bool,
    /// The last generation that JetTruncateLog was to delete: recorded, ours. It was called whenever it was asked for.
    truncated_to: Option<(u64, u64)>,
    calls: usize,
}

/// A file that both sides have open.
struct Open {
    handle: FileHandle,
    name: String,
    recorded_name: String,
    bytes: Vec<u8>,
    size: u64,
    recorded_read: u64,
    recorded_size: u64,
}

impl<'t> Replay<'t> {
    pub(crate) fn new(hosted: &'t Hosted, trace: &'t Trace, deviations: &'t mut Deviations) -> Self {
        Replay {
            hosted,
            trace,
            deviations,
            recorded: Known::default(),
            ours: Known::default(),
            open: None,
            copies: BTreeMap::new(),
            before: BTreeMap::new(),
            is_skipping: false,
            truncated_to: None,
            calls: 0,
        }
    }

    /// Replays all lines; answers how many calls there were.
    pub(crate) fn run(mut self) -> usize {
        self.hosted.events();
        for (index, line) in self.trace.lines.iter().enumerate() {
            let place = format!("trace {}, line {}", self.trace.name, index + 1);
            match line["type"].as_str().unwrap() {
                "header" => self.header(line, &place),
                "checkpoint" => self.checkpoint(line, &place),
                "dir" => self.directory(line, &place),
                "call" => self.call(index, line, &place),
                "work" => self.work(&line["inserted"]),
                "stream" => self.stream(line, &place),
                "info" | "events" | "file" => {}
                other => panic!("{place}: {other}"),
            }
        }
        self.calls
    }

    fn work(&self, inserted: &Value) {
        let number = |name: &str| i32::try_from(number(&inserted[name])).unwrap();
        self.hosted.insert(number("first_k"), number("rows_each"));
    }

    fn call(&mut self, index: usize, line: &Value, place: &str) {
        self.calls += 1;
        if self.skips(line) {
            return;
        }
        let open = self.open.as_ref().map(|open| open.recorded_name.clone());
        let code = self.make(line, place);
        let recorded = line["rc"].as_i64().unwrap();
        assert_eq!(i64::from(code), recorded, "{place}: {line}");
        let events = self.hosted.events();
        assert_eq!(
            events,
            self.trace.events_after(index),
            "{place}: events of {line}"
        );
        if line["call"] == "JetCloseFileInstance" && code == 0 {
            self.copy_more_logs(&open.unwrap_or_default());
        }
    }

    /// The call on our side, and what it answers beside the code.
    fn make(&mut self, line: &Value, place: &str) -> i32 {
        let (args, out) = (&line["args"], &line["out"]);
        let backup = &self.hosted.backup;
        let grbit = || u32::try_from(number(&args["grbit"])).unwrap();
        match line["call"].as_str().unwrap() {
            "JetBeginExternalBackupInstance" => code(&backup.begin(grbit())),
            "JetEndExternalBackupInstance2" => code(&backup.end_with(grbit())),
            "JetStopBackupInstance" => code(&backup.stop_backup()),
            "JetTruncateLogInstance" => code(&backup.truncate_log()),
            "JetGetAttachInfoInstanceW" => {
                let listed = backup.get_attach_info();
                if let Ok(files) = &listed {
                    let paths: Vec<_> = files.iter().map(|file| file.path.clone()).collect();
                    assert_eq!(paths, DATABASES.map(path_of), "{place}");
                    assert_eq!(
                        multi_string(files.iter().map(|file| &file.path)),
                        number(&out["actual"])
                    );
                }
                code(&listed)
            }
            "JetGetLogInfoInstanceW" => {
                let listed = backup.get_log_info();
                if let Ok(set) = &listed {
                    self.listed(set, line, 2, place);
                }
                code(&listed)
            }
            "JetGetLogInfoInstance2A" => {
                let listed = backup.get_log_info();
                if let Ok(set) = &listed {
                    self.listed(set, line, 1, place);
                    assert_eq!(out["base"], set.base.as_str(), "{place}");
                    let recorded = (number(&out["genLow"]), number(&out["genHigh"]));
                    assert_eq!(Some(recorded), self.recorded.listed, "{place}");
                }
                code(&listed)
            }
            "JetGetTruncateLogInfoInstanceW" => self.truncate_info(out, place),
            "JetOpenFileInstanceW" => self.open(args, out, place),
            "JetReadFileInstance" => self.read(args, out, place),
            "JetCloseFileInstance" => self.close(),
            other => panic!("{place}: {other}"),
        }
    }

    /// Names and range of the logs: an unbroken sequence from where the checkpoint or the lowest log is, to the generation
    /// that was current.
    fn listed(&mut self, set: &LogSet, line: &Value, bytes_of_char: u64, place: &str) {
        let out = &line["out"];
        let current = u64::from(self.hosted.current_generation());
        let range = set.range.unwrap();
        let ours = (u64::from(range.low), u64::from(range.high));
        assert_eq!(current, ours.1 + 1, "{place}: the log was rolled for it");
        let paths: Vec<_> = set.files.iter().map(|file| file.path.clone()).collect();
        let names = (ours.0..=ours.1).map(|generation| path_of(&format!("edb{generation:08X}.log")));
        assert_eq!(paths, names.collect::<Vec<_>>(), "{place}");
        self.ours.listed = Some(ours);
        if let Some(names) = out["names"].as_array() {
            let generation = |name: &Value| generation_of(file_name(name)).unwrap();
            let all: Vec<u64> = names.iter().map(generation).collect();
            let recorded = (all[0], *all.last().unwrap());
            assert_eq!(all, (recorded.0..=recorded.1).collect::<Vec<_>>(), "{place}");
            self.recorded.listed = Some(recorded);
            if all.len() != paths.len() {
                self.deviations.note(Deviation::OtherNumberOfLogs);
            }
            // The size of a list of so many names of this length.
            let name = DIRECTORY.len() as u64 + 1 + 15 + 1;
            assert_eq!(
                number(&out["actual"]),
                bytes_of_char * (name * all.len() as u64 + 1),
                "{place}"
            );
        }
    }

    fn truncate_info(&mut self, out: &Value, place: &str) -> i32 {
        let range = self.hosted.backup.get_truncate_log_info();
        if let Ok(range) = &range {
            let first = u64::from(self.hosted.archived()[0].0);
            let checkpoint = u64::from(self.hosted.checkpoint().checkpoint.generation);
            let ours = range.map(|range| (u64::from(range.low), u64::from(range.high)));
            assert_eq!(
                ours,
                Some((first, checkpoint - 1)),
                "{place}: up to the checkpoint"
            );
            let recorded = out["names"].as_array().unwrap().last().unwrap();
            let recorded = generation_of(file_name(recorded)).unwrap();
            self.truncated_to = Some((recorded, checkpoint - 1));
        }
        code(&range)
    }

    fn open(&mut self, args: &Value, out: &Value, place: &str) -> i32 {
        let recorded_name = file_name(&args["file"]).to_owned();
        let name = self.our_name(&recorded_name);
        let opened = self.hosted.backup.open_file(path_of(&name).as_os_str());
        if let Ok((handle, size)) = opened {
            self.deviations.note(Deviation::HandlesAreNumbered);
            if name.ends_with(".edb") {
                let file = self.hosted.bytes(&name).len() as u64;
                assert_eq!(size, file + PAGE, "{place}: a page more than the file");
            } else {
                assert_eq!(Value::from(size), out["size"], "{place}");
            }
            self.open = Some(Open {
                handle,
                name,
                recorded_name,
                bytes: Vec::new(),
                size,
                recorded_read: 0,
                recorded_size: number(&out["size"]),
            });
        }
        code(&opened)
    }

    /// The log of ours in the place of a recorded one; other files have the same names.
    fn our_name(&self, recorded: &str) -> String {
        match self.our_generation(recorded) {
            Some(generation) => format!("edb{generation:08X}.log"),
            None => recorded.to_owned(),
        }
    }

    fn our_generation(&self, recorded: &str) -> Option<u64> {
        let generation = generation_of(recorded)?;
        Some(self.ours.listed?.0 + generation - self.recorded.listed?.0)
    }

    fn read(&mut self, args: &Value, out: &Value, place: &str) -> i32 {
        let misalignment = number(&args["pv_misalignment"]);
        if misalignment != 0 {
            self.deviations.note(Deviation::BuffersNeedNoAlignment);
            return -1003;
        }
        let len = number(&args["cb"]);
        let mut buf = vec![0; usize::try_from(len).unwrap()];
        let backup = &self.hosted.backup;
        let Some(open) = &mut self.open else {
            return code(&backup.read_file(NEVER_GIVEN, &mut buf));
        };
        let read = backup.read_file(open.handle, &mut buf);
        if let Ok(read) = read {
            let rule = |size: u64, done: u64| len.min(size - done);
            let recorded = rule(open.recorded_size, open.recorded_read);
            assert_eq!(number(&out["actual"]), recorded, "{place}: recorded");
            assert_eq!(read as u64, rule(open.size, open.bytes.len() as u64), "{place}");
            open.recorded_read += recorded;
            open.bytes.extend_from_slice(&buf[..read]);
            if recorded == 0 {
                // They are at the end; a longer file of ours is read to its end.
                while let read @ 1.. = backup.read_file(open.handle, &mut buf).unwrap() {
                    open.bytes.extend_from_slice(&buf[..read]);
                }
                assert_eq!(open.bytes.len() as u64, open.size, "{place}");
            }
        }
        code(&read)
    }

    fn close(&mut self) -> i32 {
        let handle = self.open.as_ref().map_or(NEVER_GIVEN, |open| open.handle);
        let closed = self.hosted.backup.close_file(handle);
        if closed.is_ok()
            && let Some(open) = self.open.take()
            && open.name.ends_with(".edb")
            && open.bytes.len() as u64 == open.size
        {
            self.copies.insert(open.name, open.bytes);
        }
        code(&closed)
    }

    /// Whether a recorded call concerns a log that has none of ours in its place.
    fn skips(&mut self, line: &Value) -> bool {
        if line["call"] == "JetOpenFileInstanceW"
            && let Some(ours) = self.our_generation(file_name(&line["args"]["file"]))
        {
            self.is_skipping = ours > self.ours.listed.unwrap().1;
        }
        let is_skipped = self.is_skipping;
        if line["call"] == "JetCloseFileInstance" {
            self.is_skipping = false;
        }
        is_skipped
    }

    /// After the last recorded log, those of ours that have none in their place.
    fn copy_more_logs(&self, closed: &str) {
        let (Some(recorded), Some(ours)) = (self.recorded.listed, self.ours.listed) else {
            return;
        };
        if closed != format!("edb{:08X}.log", recorded.1) {
            return;
        }
        for generation in ours.0 + (recorded.1 - recorded.0) + 1..=ours.1 {
            let name = path_of(&format!("edb{generation:08X}.log"));
            let (handle, _) = self.hosted.backup.open_file(name.as_os_str()).unwrap();
            let mut buf = vec![0; 1 << 16];
            while self.hosted.backup.read_file(handle, &mut buf).unwrap() > 0 {}
            self.hosted.backup.close_file(handle).unwrap();
        }
    }
}

/// What is on disk before and after.
impl Replay<'_> {
    fn header(&mut self, line: &Value, place: &str) {
        let name = file_name(&line["file"]).to_owned();
        let recorded = Stamps::recorded(&line["fields"]);
        let ours = Stamps::ours(&self.hosted.header(&name));
        assert_eq!(
            (recorded.state, recorded.types),
            (ours.state, ours.types),
            "{place}"
        );
        let current = u64::from(self.hosted.current_generation());
        assert_eq!(ours.committed_high, current, "{place}");
        if line["when"] == "before" {
            self.before.insert(name, (recorded, ours));
            return;
        }
        let (recorded_before, ours_before) = &self.before[&name];
        let changes = recorded.changes(recorded_before, &self.recorded);
        assert_eq!(ours.changes(ours_before, &self.ours), changes, "{place}: {name}");
    }

    fn checkpoint(&mut self, line: &Value, place: &str) {
        let ours = self.hosted.checkpoint();
        let recorded = number(&line["ckpt"][0]);
        let ours_at = u64::from(ours.checkpoint.generation);
        for (stamps, at) in self
            .before
            .values()
            .flat_map(|(recorded_stamps, our_stamps)| [(recorded_stamps, recorded), (our_stamps, ours_at)])
        {
            if line["when"] == "before" {
                assert!(at <= stamps.required_low, "{place}: {at} {stamps:?}");
            }
        }
        if line["when"] == "before" {
            (self.recorded.checkpoint, self.ours.checkpoint) = (recorded, ours_at);
        }
        // The start of the generation that the last GetLogInfo of each kind began.
        for (field, at, stamped) in [
            ("lgposFullBackup", ours.full_backup, ours.full_backup_time),
            (
                "lgposIncBackup",
                ours.incremental_backup,
                ours.incremental_backup_time,
            ),
        ] {
            let recorded_is_set = line[field][0] != 0;
            let (generation, sector, byte) = position(at);
            assert_eq!(generation != 0, recorded_is_set, "{place}: {field}");
            if recorded_is_set {
                assert_eq!((sector, byte), (1, 0), "{place}: {field}");
                assert_eq!(
                    (&line[field][1], &line[field][2]),
                    (&1.into(), &0.into()),
                    "{place}"
                );
                assert_ne!(time(stamped), [0; 8]);
            }
        }
    }

    /// Logs without a gap up to the current one, all of one size.
    fn directory(&self, line: &Value, place: &str) {
        let archived = self.hosted.archived();
        let current = self.hosted.current_generation();
        let generations: Vec<u32> = archived.iter().map(|(generation, _)| *generation).collect();
        assert_eq!(
            generations,
            (generations[0]..current).collect::<Vec<_>>(),
            "{place}"
        );
        for (_, size) in &archived {
            assert_eq!(line["logs"]["edb.log"], *size, "{place}");
        }
        let recorded = line["logs"].as_object().unwrap();
        let first = recorded.keys().filter(|name| name.len() == 15).min().unwrap();
        let first = generation_of(first).unwrap();
        if line["when"] == "after"
            && let Some((recorded, ours)) = self.truncated_to
        {
            assert_eq!(
                (first, u64::from(generations[0])),
                (recorded + 1, ours + 1),
                "{place}: truncated"
            );
        }
    }

    /// The copy of a database: its header twice, and its trailer.
    fn stream(&mut self, line: &Value, place: &str) {
        let name = file_name(&line["file"]);
        let copy = &self.copies[name];
        let page = usize::try_from(PAGE).unwrap();
        assert!(
            copy[..page] == copy[page..2 * page] && line["shadow_equals_header"] == true,
            "{place}"
        );
        let header = VerifiedHeader::verify(&copy[..page]).unwrap().decode().unwrap();
        let (recorded, ours) = (Stamps::recorded(&line["header_copy"]), Stamps::ours(&header));
        assert_eq!(
            (recorded.state, recorded.types),
            (ours.state, ours.types),
            "{place}"
        );
        let trailer = Trailer::read(&copy[copy.len() - page..], PageSize::Kib4).unwrap();
        assert_eq!(trailer.signature, header.signature, "{place}");
        assert_eq!(trailer.log_signature, header.log_signature, "{place}");
        let trailing = Stamp::ours(&trailer.backup);
        let recorded_trailer = &line["trailer"];
        for (stamps, checkpoint, low, high) in [
            (&ours, self.ours.checkpoint, trailing.low, trailing.high),
            (
                &recorded,
                self.recorded.checkpoint,
                number(&recorded_trailer["genLow"]),
                number(&recorded_trailer["genHigh"]),
            ),
        ] {
            let (_, current) = stamps.fields[4];
            assert_eq!((current.low, current.high), (checkpoint, 0), "{place}: CopyMic");
            assert_eq!(low, checkpoint, "{place}: the trailer's genLow");
            assert!(high >= stamps.committed_high, "{place}: the trailer's genHigh");
        }
        let (_, current) = ours.fields[4];
        assert_eq!(
            (current.mark, current.time),
            (trailing.mark, trailing.time),
            "{place}"
        );
        assert_eq!(
            trailing.high,
            u64::from(self.hosted.current_generation()),
            "{place}"
        );
        (self.recorded.begin, self.ours.begin) = (Some(recorded.fields[4].1), Some(current));
        assert_eq!(trailer.generation_min_required, 0);
        if number(&recorded_trailer["lgenMinReq"]) != 0 {
            self.deviations.note(Deviation::TrailerWithoutGenerations);
        }
    }
}

/// The generation in the name of an archived log.
fn generation_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("edb")?.strip_suffix(".log")?;
    u64::from_str_radix(digits, 16).ok()
}

fn code<T>(result: &JetResult<T>) -> i32 {
    result.as_ref().err().map_or(0, |error| error.code().number())
}

/// Bytes of a list of paths in UTF-16.
fn multi_string<'p>(paths: impl Iterator<Item = &'p std::path::PathBuf>) -> u64 {
    let chars: usize = paths.map(|path| path.to_str().unwrap().len() + 1).sum();
    2 * (chars as u64 + 1)
}
