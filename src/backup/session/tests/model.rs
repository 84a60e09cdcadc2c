//! The protocol once more, written from the tables of external-backup.md (sections 1.2 to 1.4, 2, 5.2, 12.1) and not
//! from the session's code: a table of answers, and what each call changes.

use crate::backup::{BackupKind, BackupOutcome, Ending, InstanceState, PhaseName};
use crate::error::JetErr;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

/// Section 1.3 with the deviations of 12.1. `o` after a phase: the published protocol's one file is open. LP0:
/// incremental, logs not asked for yet. FRF and FRI: frozen, full and incremental. SUR: a surrogate backup.
/// `!` ends the backup; `.` cannot happen.
const ANSWERS: &str = "
call             NS    DBS   DBSo  LPF   LPFo  LP0    LPI    LPIo  FRF   FRI   STOP  SUR
begin            ok    -505  -505  -505  -505  -505   -505   -505  -505  -505  -505  -617
begin-bad        -900  -900  -900  -900  -900  -900   -900   -900  -900  -900  -900  -900
attach-info      -520  ok    ok    ok    ok    -521   -521   -521  ok    -521  -801  -520
open-database    -520  ok    -1011 -521! -1011 -521!  -521!  -1011 ok    -1003 -801  -520
open-log         -520  -1203 -1011 ok    -1011 -1003! ok     -1011 ok    ok    -801  -520
open-unknown     -520  -1203 -1011 -1003! -1011 -1003! -1003! -1011 -1003 -1003 -801  -520
open-nothing     -520  -1003 -1003 -1003 -1003 -1003  -1003  -1003 -1003 -1003 -801  -520
read-open        .     .     ok    .     ok    .      .      ok    ok    ok    -801  .
read-stale       -520  -1003 -1003 -1003 -1003 -1003  -1003  -1003 -1003 -1003 -801  -520
read-at-open     .     .     -521  .     -521  .      .      -521  ok    ok    -801  .
read-at-stale    -520  -521  -521  -521  -521  -521   -521   -521  -1003 -1003 -801  -520
close-open       .     .     ok    .     ok    .      .      ok    ok    ok    ok    .
close-stale      -520  -1003 -1003 -1003 -1003 -1003  -1003  -1003 -1003 -1003 -1003 -520
log-info         -520  ok    -521  ok    -521  ok     ok     -521  ok    ok    -801  -520
truncate-info    -520  ok    -521  ok    -521  ok     ok     -521  ok    ok    -801  -520
truncate         -520  -521  -521  ok    -521  -521   ok     -521  ok    ok    -801  -520
vouch            -520  -521  -521  -521  -521  -521   -521   -521  ok    ok    -801  -520
end              -520  ok    ok    ok    ok    ok     ok     ok    ok    ok    ok    ok
end-bad          -1003 -1003 -1003 -1003 -1003 -1003  -1003  -1003 -1003 -1003 -1003 -1003
";

/// What the model knows of the instance that is backed up.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct World {
    /// Pages of 4096 bytes of each database.
    pub(crate) databases: [(&'static str, u64); 2],
    /// Names of logs, and their pages, in ascending order.
    pub(crate) logs: &'static [(&'static str, u64)],
    /// How many of the logs are archived before the first backup.
    pub(crate) archived: usize,
    /// Whether asking for the logs archives one more.
    pub(crate) rolls: bool,
    /// Whether replicas can be backed up, and seeding copies be made.
    pub(crate) has_replicas: bool,
}

/// Files in memory: page n is full of the byte n.
pub(crate) static IN_MEMORY: World = World {
    databases: [("a.edb", 5), ("b.edb", 4)],
    logs: &[("edb00007.log", 3), ("edb00008.log", 2)],
    archived: 2,
    rolls: false,
    has_replicas: true,
};

/// A call with its arguments, as a test makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Begin(u32),
    AttachInfo,
    Open(&'static str),
    /// A buffer of that many bytes.
    Read(Which, usize),
    /// First page, number of pages.
    ReadAt(Which, u64, u64),
    Close(Which),
    LogInfo,
    TruncateInfo,
    Truncate,
    Vouch(&'static str),
    End(u32),
    StopBackup,
    StopService,
    AbortByServer,
    Instance(InstanceState),
}

/// Which handle a call uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// The file opened first of those open.
    First,
    /// The file opened last of those open.
    Last,
    /// One that was never given out, or is closed.
    Stale,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Ns,
    Dbs,
    Lpf,
    Lp0,
    Lpi,
    Frf,
    Fri,
    Sur,
}

/// What the model remembers. Ordered, so that a search can tell states apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Model {
    world: &'static World,
    /// Logs that are archived.
    archived: usize,
    phase: Phase,
    stopped: bool,
    service_stopped: bool,
    instance: u8,
    /// Files with the pages that a sequential reader got of them, in the order of opening.
    open: Vec<(&'static str, u64)>,
    /// Published: files closed at their ends.
    copied: BTreeSet<&'static str>,
    /// Frozen: pages delivered.
    pages: BTreeMap<&'static str, BTreeSet<u64>>,
    truncated: bool,
}

/// What a call must answer, and what must be seen from outside after it.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) code: i32,
    pub(crate) phase: PhaseName,
    pub(crate) stopped: bool,
    /// Set by the calls that end a backup.
    pub(crate) ended: Option<(BackupOutcome, Ending)>,
}

impl Model {
    pub(crate) fn new(world: &'static World) -> Self {
        Model {
            world,
            archived: world.archived,
            phase: Phase::Ns,
            stopped: false,
            service_stopped: false,
            instance: 0,
            open: Vec::new(),
            copied: BTreeSet::new(),
            pages: BTreeMap::new(),
            truncated: false,
        }
    }

    /// Logs that are archived.
    pub(crate) fn archived(&self) -> usize {
        self.archived
    }

    /// Whether every open file is where a search goes on from: at its start, after one short read, or at its end.
    pub(crate) fn is_where_searched(&self) -> bool {
        let is_there = |position: u64, pages| position == 0 || position == 3 || position == pages;
        let mut open = self.open.iter();
        open.all(|(file, position)| is_there(*position, self.pages_of(file).unwrap()))
    }

    pub(crate) fn open_count(&self) -> usize {
        self.open.len()
    }

    /// The call; if it comes to the source, that fails with `failure`.
    pub(crate) fn call(&mut self, call: &Call, failure: Option<JetErr>) -> Seen {
        let mut ended = None;
        let code = match self.gate(call) {
            0 => self.pass(call, failure, &mut ended),
            refused => refused,
        };
        if ended.is_some() {
            *self = Model {
                archived: self.archived,
                service_stopped: self.service_stopped,
                instance: self.instance,
                ..Model::new(self.world)
            };
        }
        let phase = match self.phase {
            Phase::Ns => PhaseName::NotStarted,
            Phase::Dbs => PhaseName::Databases,
            Phase::Lpf | Phase::Lp0 | Phase::Lpi => PhaseName::Logs,
            Phase::Frf | Phase::Fri => PhaseName::Frozen,
            Phase::Sur => PhaseName::Surrogate,
        };
        Seen {
            code,
            phase,
            stopped: self.stopped,
            ended,
        }
    }

    /// Section 1.2, in its order.
    fn gate(&self, call: &Call) -> i32 {
        let gone = self.instance == 6;
        match call {
            Call::Instance(_) | Call::AbortByServer => 0,
            _ if gone => -1003,
            Call::StopBackup | Call::StopService => 0,
            _ if self.service_stopped => -1329,
            _ => [0, -1029, -506, -1000, -1090, -1092, -1003, -1329][usize::from(self.instance)],
        }
    }

    fn pass(
        &mut self,
        call: &Call,
        failure: Option<JetErr>,
        ended: &mut Option<(BackupOutcome, Ending)>,
    ) -> i32 {
        match call {
            Call::Instance(state) => {
                self.instance = instance_number(*state);
                return 0;
            }
            Call::AbortByServer => {
                if self.phase != Phase::Ns {
                    *ended = Some((BackupOutcome::AbortedByServer, Ending::Aborted));
                }
                return 0;
            }
            Call::StopBackup => {
                self.stopped = self.phase != Phase::Ns;
                return 0;
            }
            Call::StopService => {
                self.service_stopped = true;
                return 0;
            }
            _ => {}
        }
        let (mut code, mut abort) = self.answer(call);
        if code == 0 {
            code = self.second_thoughts(call);
        }
        if code == 0
            && let Some(failure) = failure
        {
            match call {
                Call::End(_) => {}
                _ => {
                    code = failure.number();
                    abort = self.failure_ends_backup(call);
                    self.after_failure(call);
                }
            }
        }
        if abort {
            let failed = JetErr::ALL.iter().find(|err| err.number() == code).unwrap();
            *ended = Some((BackupOutcome::Failed { code: *failed }, Ending::Aborted));
        } else if code == 0 {
            self.after_success(call, failure, ended);
        }
        code
    }

    /// The cell of the table.
    fn answer(&self, call: &Call) -> (i32, bool) {
        let row = match call {
            Call::Begin(0 | 1 | 0x10 | 0x11) => "begin",
            Call::Begin(0x20 | 0x40) if self.world.has_replicas || self.phase != Phase::Ns => "begin",
            Call::Begin(_) => "begin-bad",
            Call::AttachInfo => "attach-info",
            Call::Open("") => "open-nothing",
            Call::Open(name) if name.ends_with(".edb") => "open-database",
            Call::Open(name) if self.logs().any(|(log, _)| log == name) => "open-log",
            Call::Open(_) => "open-unknown",
            Call::Read(which, _) => self.row(*which, "read-open", "read-stale"),
            Call::ReadAt(which, ..) => self.row(*which, "read-at-open", "read-at-stale"),
            Call::Close(which) => self.row(*which, "close-open", "close-stale"),
            Call::LogInfo => "log-info",
            Call::TruncateInfo => "truncate-info",
            Call::Truncate => "truncate",
            Call::Vouch(_) => "vouch",
            Call::End(grbit) if (grbit & 3).count_ones() != 1 => "end-bad",
            Call::End(_) => "end",
            other => panic!("{other:?} is not in the table"),
        };
        let column = match (self.phase, self.open.is_empty()) {
            (Phase::Ns, _) => "NS",
            (Phase::Sur, _) => "SUR",
            _ if self.stopped => "STOP",
            (Phase::Dbs, true) => "DBS",
            (Phase::Dbs, false) => "DBSo",
            (Phase::Lpf, true) => "LPF",
            (Phase::Lpf, false) => "LPFo",
            (Phase::Lp0, _) => "LP0",
            (Phase::Lpi, true) => "LPI",
            (Phase::Lpi, false) => "LPIo",
            (Phase::Frf, _) => "FRF",
            (Phase::Fri, _) => "FRI",
        };
        let cell = cell(row, column);
        let number = cell.trim_end_matches('!');
        let code = if number == "ok" {
            0
        } else {
            number.parse().unwrap()
        };
        (code, cell.ends_with('!'))
    }

    fn row(&self, which: Which, open: &'static str, stale: &'static str) -> &'static str {
        if self.which(which).is_some() { open } else { stale }
    }

    fn which(&self, which: Which) -> Option<usize> {
        match which {
            Which::First => (!self.open.is_empty()).then_some(0),
            Which::Last => self.open.len().checked_sub(1),
            Which::Stale => None,
        }
    }

    /// What an `ok` of the table still depends on: buffer sizes, copied files, the set.
    fn second_thoughts(&self, call: &Call) -> i32 {
        match call {
            Call::Read(which, bytes) => {
                let (file, position) = self.open[self.which(*which).unwrap()];
                let least = match (file.ends_with(".edb"), position) {
                    (true, 0) => 3,
                    (true, _) => 1,
                    (false, 0) => 2,
                    (false, _) => 0,
                };
                if bytes % 4096 != 0 || bytes / 4096 < least {
                    -1003
                } else {
                    0
                }
            }
            Call::Truncate => {
                let logs = self.logs().map(|(name, _)| *name);
                let needed: Vec<_> = match self.phase {
                    Phase::Frf => self.set(),
                    _ => logs.collect(),
                };
                if needed.iter().all(|name| self.is_copied(name)) {
                    0
                } else {
                    -616
                }
            }
            Call::Vouch(name) if !self.set().contains(name) => -1003,
            _ => 0,
        }
    }

    /// "Phase rule" (section 2.3), section 2.4, and 12.1 for a failing preparation of the logs.
    fn failure_ends_backup(&self, call: &Call) -> bool {
        let log_phase = matches!(self.phase, Phase::Lpf | Phase::Lpi);
        match call {
            Call::Open(_) | Call::Read(..) => log_phase,
            Call::LogInfo | Call::TruncateInfo => matches!(self.phase, Phase::Dbs | Phase::Lp0),
            _ => false,
        }
    }

    fn after_failure(&mut self, call: &Call) {
        match call {
            Call::Open(name) if self.phase == Phase::Dbs => {
                self.copied.remove(name);
            }
            Call::Read(which, _) if self.phase == Phase::Dbs => {
                let (file, _) = self.open.remove(self.which(*which).unwrap());
                self.copied.remove(file);
            }
            _ => {}
        }
    }

    fn after_success(
        &mut self,
        call: &Call,
        failure: Option<JetErr>,
        ended: &mut Option<(BackupOutcome, Ending)>,
    ) {
        match *call {
            Call::Begin(grbit) => {
                if grbit & 0x10 != 0 {
                    self.roll();
                }
                self.phase = match grbit {
                    1 => Phase::Lp0,
                    0x10 => Phase::Frf,
                    0x11 => Phase::Fri,
                    0x20 => Phase::Sur,
                    _ => Phase::Dbs,
                }
            }
            Call::Open(name) => self.open.push((name, 0)),
            Call::Read(which, bytes) => {
                let at = self.which(which).unwrap();
                let (file, position) = self.open[at];
                let end = (position + bytes as u64 / 4096).min(self.pages_of(file).unwrap());
                self.open[at].1 = end;
                self.deliver(file, position..end);
            }
            Call::ReadAt(which, first, count) => {
                let (file, _) = self.open[self.which(which).unwrap()];
                self.deliver(file, first..(first + count).min(self.pages_of(file).unwrap()));
            }
            Call::Close(which) => {
                let (file, position) = self.open.remove(self.which(which).unwrap());
                if position == self.pages_of(file).unwrap() {
                    self.copied.insert(file);
                }
            }
            Call::LogInfo | Call::TruncateInfo => {
                if matches!(self.phase, Phase::Dbs | Phase::Lp0) {
                    self.roll();
                }
                self.phase = match self.phase {
                    Phase::Dbs => Phase::Lpf,
                    Phase::Lp0 => Phase::Lpi,
                    phase => phase,
                }
            }
            Call::Truncate => self.truncated = true,
            Call::Vouch(name) => self.deliver(name, 0..self.pages_of(name).unwrap()),
            Call::End(grbit) => *ended = Some(self.conclude(grbit, failure)),
            _ => {}
        }
    }

    fn roll(&mut self) {
        self.archived += usize::from(self.world.rolls);
    }

    fn deliver(&mut self, file: &'static str, pages: std::ops::Range<u64>) {
        if matches!(self.phase, Phase::Frf | Phase::Fri) {
            self.pages.entry(file).or_default().extend(pages);
        }
    }

    fn is_copied(&self, name: &str) -> bool {
        match self.phase {
            Phase::Frf | Phase::Fri => self
                .pages
                .get(name)
                .is_some_and(|pages| Some(pages.len() as u64) == self.pages_of(name)),
            _ => self.copied.contains(name),
        }
    }

    fn set(&self) -> Vec<&'static str> {
        let from = if matches!(self.phase, Phase::Frf | Phase::Lpf) {
            0
        } else {
            2
        };
        let files = self.world.databases.iter().skip(from).chain(self.logs());
        files.map(|(name, _)| *name).collect()
    }

    /// The logs of the set.
    fn logs(&self) -> impl Iterator<Item = &'static (&'static str, u64)> + use<> {
        self.world.logs.iter().take(self.archived)
    }

    fn pages_of(&self, name: &str) -> Option<u64> {
        let mut files = self.world.databases.iter().chain(self.world.logs);
        files.find(|(file, _)| *file == name).map(|(_, pages)| *pages)
    }

    /// Section 2.9, steps 2 and 4, and section 6.3.
    fn conclude(&self, grbit: u32, failure: Option<JetErr>) -> (BackupOutcome, Ending) {
        if grbit & 2 != 0 {
            return (BackupOutcome::AbortedByCaller, Ending::Aborted);
        }
        if self.stopped {
            return (BackupOutcome::AbortedByServer, Ending::Aborted);
        }
        let full = match self.phase {
            Phase::Dbs | Phase::Lp0 => return (BackupOutcome::AbortedByCaller, Ending::Aborted),
            Phase::Sur => {
                let code = JetErr::SurrogateBackupInProgress;
                return (BackupOutcome::Failed { code }, Ending::Aborted);
            }
            Phase::Lpf | Phase::Frf => true,
            _ => false,
        };
        let truncated = self.truncated || grbit & 0x100 != 0;
        let missing: Vec<_> = self
            .set()
            .into_iter()
            .filter(|name| !self.is_copied(name))
            .collect();
        let frozen = matches!(self.phase, Phase::Frf | Phase::Fri);
        let ending = if frozen && missing.iter().any(|name| name.ends_with(".log")) {
            Ending::Aborted
        } else {
            let databases = self.world.databases.iter().map(|(name, _)| *name);
            let stamped = databases.filter(|name| !full || self.is_copied(name));
            let stamp = if grbit & 0x200 != 0 {
                Vec::new()
            } else {
                stamped.map(OsString::from).collect()
            };
            Ending::Normal { truncated, stamp }
        };
        let kind = match (full, truncated) {
            (true, true) => BackupKind::Full,
            (true, false) => BackupKind::Copy,
            (false, true) => BackupKind::Incremental,
            (false, false) => BackupKind::Differential,
        };
        let outcome = match (missing.is_empty(), failure) {
            (false, _) => BackupOutcome::Incomplete {
                files: missing.into_iter().map(OsString::from).collect(),
            },
            (true, Some(code)) => BackupOutcome::Failed { code },
            (true, None) => BackupOutcome::Complete { kind },
        };
        (outcome, ending)
    }
}

fn instance_number(state: InstanceState) -> u8 {
    match state {
        InstanceState::Running => 0,
        InstanceState::NotInitialized => 1,
        InstanceState::Restoring => 2,
        InstanceState::Terminating => 3,
        InstanceState::Unavailable => 4,
        InstanceState::UnavailableDueToFullLogDisk => 5,
        InstanceState::Terminated => 6,
        InstanceState::ServiceStopped => 7,
    }
}

fn cell(row: &str, column: &str) -> &'static str {
    let mut lines = ANSWERS.trim().lines();
    let at = lines
        .next()
        .unwrap()
        .split_whitespace()
        .position(|name| name == column)
        .unwrap();
    let line = lines
        .find(|line| line.split_whitespace().next() == Some(row))
        .unwrap();
    line.split_whitespace().nth(at).unwrap()
}
