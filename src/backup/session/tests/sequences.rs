//! Every reachable state times every call, and random sequences of calls, compared with the model.

use super::instance;
use super::model::{Call, IN_MEMORY, Model, Seen, Which};
use crate::backup::memory::{MemorySource, Step};
use crate::backup::{BackupOutcome, BackupSession, Ending, FileHandle, InstanceState, OpenFile};
use crate::error::{JetErr, JetResult};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::sync::Arc;

/// A call, and a step of the source that fails meanwhile.
pub(crate) type Move = (Call, Option<(Step, JetErr)>);

/// What is behind the session.
pub(crate) trait Subject {
    /// How the source was told to end its backups so far.
    fn endings(&self) -> Vec<Ending>;

    /// The name that a file of the model has there.
    fn name_of(&self, name: &'static str) -> OsString {
        name.into()
    }

    /// The name that the model has for a file there.
    fn name_in_model(&self, name: OsString) -> OsString {
        name
    }

    /// The next time that the source comes to this step, it fails.
    fn fail_next(&self, step: Step, code: JetErr) {
        panic!("{step:?} cannot be made to fail with {code}");
    }

    /// Unless it was not reached.
    fn fail_no_more(&self) {}

    /// Whether a page of a file may have this byte.
    fn may_have(&self, _page: u64, _byte: u8) -> bool {
        true
    }
}

impl Subject for Arc<MemorySource> {
    fn endings(&self) -> Vec<Ending> {
        MemorySource::endings(self)
    }

    fn fail_next(&self, step: Step, code: JetErr) {
        MemorySource::fail_next(self, step, code);
    }

    fn fail_no_more(&self) {
        MemorySource::fail_no_more(self);
    }

    fn may_have(&self, page: u64, byte: u8) -> bool {
        page == u64::from(byte)
    }
}

/// The real session with the handles that it gave out.
pub(crate) struct Real<S> {
    pub(crate) source: S,
    pub(crate) session: BackupSession,
    open: Vec<FileHandle>,
}

impl Real<Arc<MemorySource>> {
    fn in_memory() -> Self {
        let (source, session) = instance();
        Real::new(source, session)
    }
}

impl<S: Subject> Real<S> {
    pub(crate) fn new(source: S, session: BackupSession) -> Self {
        Real {
            source,
            session,
            open: Vec::new(),
        }
    }

    pub(crate) fn make(&mut self, (call, failure): &Move) -> Seen {
        if let Some((step, code)) = failure {
            self.source.fail_next(*step, *code);
        }
        let endings = self.source.endings().len();
        let result = self.call(call);
        self.source.fail_no_more();
        let all = self.source.endings();
        // A frozen Begin that fails ends its source too, but there was no backup.
        let ended = all.get(endings).filter(|_| !matches!(call, Call::Begin(_)));
        let outcome = self.session.outcome();
        if ended.is_some() {
            self.open.clear();
        }
        Seen {
            code: result.err().map_or(0, |error| error.code().number()),
            phase: self.session.phase(),
            stopped: self.session.is_stopped(),
            ended: ended.map(|ending| (self.in_model(outcome.unwrap()), ending.clone())),
        }
    }

    fn in_model(&self, outcome: BackupOutcome) -> BackupOutcome {
        let BackupOutcome::Incomplete { files } = outcome else {
            return outcome;
        };
        let files = files.into_iter().map(|name| self.source.name_in_model(name));
        BackupOutcome::Incomplete {
            files: files.collect(),
        }
    }

    fn handle(&self, which: Which) -> FileHandle {
        let handle = match which {
            Which::First => self.open.first(),
            Which::Last => self.open.last(),
            Which::Stale => None,
        };
        handle.copied().unwrap_or(FileHandle(0))
    }

    fn call(&mut self, call: &Call) -> JetResult<()> {
        let session = &self.session;
        match *call {
            Call::Begin(grbit) => session.begin(grbit),
            Call::AttachInfo => session.get_attach_info().map(drop),
            Call::Open(name) => {
                let (handle, _) = session.open_file(&self.source.name_of(name))?;
                self.open.push(handle);
                Ok(())
            }
            Call::Read(which, bytes) => {
                let handle = self.handle(which);
                let result = session.read_file(handle, &mut vec![0; bytes]);
                self.forget_if_closed(handle, result.is_err());
                result.map(drop)
            }
            Call::ReadAt(which, first, count) => {
                let mut buf = vec![0; usize::try_from(count * 4096).unwrap()];
                let read = session.read_at(self.handle(which), &mut buf, first * 4096)?;
                for (at, page) in buf[..read].chunks(4096).enumerate() {
                    assert!(
                        page.iter()
                            .all(|byte| self.source.may_have(first + at as u64, *byte))
                    );
                }
                Ok(())
            }
            Call::Close(which) => {
                let handle = self.handle(which);
                let result = session.close_file(handle);
                if result.is_ok() {
                    self.open.retain(|open| *open != handle);
                }
                result
            }
            Call::LogInfo => session.get_log_info().map(drop),
            Call::TruncateInfo => session.get_truncate_log_info().map(drop),
            Call::Truncate => session.truncate_log(),
            Call::Vouch(name) => session.vouch_for(&self.source.name_of(name)),
            Call::End(1) => session.end(),
            Call::End(grbit) => session.end_with(grbit),
            Call::StopBackup => session.stop_backup(),
            Call::StopService => session.stop_service(),
            Call::AbortByServer => {
                session.abort_by_server();
                Ok(())
            }
            Call::Instance(state) => {
                session.set_instance_state(state);
                Ok(())
            }
        }
    }

    /// A database that cannot be read loses its handle.
    fn forget_if_closed(&mut self, handle: FileHandle, failed: bool) {
        if failed && self.session.holds(handle).is_none() {
            self.open.retain(|open| *open != handle);
        }
    }
}

impl BackupSession {
    /// The open file of a handle, whatever the phase.
    fn holds(&self, handle: FileHandle) -> Option<Arc<OpenFile>> {
        let mut inner = self.inner.lock();
        inner.backup_even_if_stopped().ok()?.open_file(handle).cloned()
    }
}

/// Every call; `most`: pages of a buffer that is longer than every file.
pub(crate) fn calls(most: u64) -> Vec<Call> {
    use Which::{First, Last, Stale};
    let mut calls: Vec<Call> = [
        0,
        1,
        2,
        4,
        8,
        0x10,
        0x11,
        0x20,
        0x30,
        0x40,
        0x41,
        0x50,
        0x80,
        u32::MAX,
    ]
    .map(Call::Begin)
    .into();
    let names = [
        "a.edb",
        "b.edb",
        "edb00007.log",
        "edb00008.log",
        "edb00009.log",
        "x.pat",
        "",
    ];
    calls.extend(names.map(Call::Open));
    calls.extend(names.map(Call::Vouch));
    for which in [First, Last, Stale] {
        calls.extend([0, 1, 4095, 4096, 8192, 12288].map(|bytes| Call::Read(which, bytes)));
        calls.push(Call::Read(which, usize::try_from(most * 4096).unwrap()));
        calls.extend(
            [(0, most), (0, 2), (2, 2), (most + 1, 1)]
                .map(|(first, count)| Call::ReadAt(which, first, count)),
        );
        calls.push(Call::Close(which));
    }
    calls.extend([
        Call::AttachInfo,
        Call::LogInfo,
        Call::TruncateInfo,
        Call::Truncate,
    ]);
    calls.extend([0, 1, 2, 3, 0x100, 0x101, 0x102, 0x201, 0x301, 0x1001].map(Call::End));
    calls.extend([Call::StopBackup, Call::StopService, Call::AbortByServer]);
    calls.extend(
        [
            InstanceState::Running,
            InstanceState::NotInitialized,
            InstanceState::Restoring,
            InstanceState::Terminating,
            InstanceState::Unavailable,
            InstanceState::UnavailableDueToFullLogDisk,
            InstanceState::Terminated,
            InstanceState::ServiceStopped,
        ]
        .map(Call::Instance),
    );
    calls
}

/// The step at which the source can fail a call.
fn failing_step(call: &Call) -> Option<Step> {
    Some(match call {
        Call::Begin(_) => Step::Begin,
        Call::Open(_) => Step::Open,
        Call::Read(..) | Call::ReadAt(..) => Step::Read,
        Call::Truncate => Step::Truncatable,
        Call::End(_) => Step::End,
        _ => return None,
    })
}

/// A buffer of so many pages is longer than every file in memory.
const MOST: u64 = 8;

fn moves() -> Vec<Move> {
    let plain = calls(MOST).into_iter().map(|call| (call, None));
    let failing = calls(MOST).into_iter().filter_map(|call| {
        let step = failing_step(&call)?;
        Some((call, Some((step, JetErr::DiskIO))))
    });
    plain.chain(failing).collect()
}

#[test]
fn every_reachable_state_answers_every_call_as_the_tables_say() {
    let states = compare_every_state(&moves(), &Model::new(&IN_MEMORY), Real::in_memory, |_| true);
    assert!(states > 500);
}

/// Compares every call in every state that can be reached, after the shortest way there; of the pairs only those that
/// `is_wanted`. Answers how many states there are.
pub(crate) fn compare_every_state<S: Subject>(
    moves: &[Move],
    start: &Model,
    new: impl Fn() -> Real<S>,
    mut is_wanted: impl FnMut(u64) -> bool,
) -> usize {
    let mut paths: BTreeMap<Model, Vec<usize>> = BTreeMap::from([(start.clone(), Vec::new())]);
    let mut queue = VecDeque::from([start.clone()]);
    let (mut pairs, mut compared) = (0, 0);
    while let Some(state) = queue.pop_front() {
        let path = paths[&state].clone();
        for (index, step) in moves.iter().enumerate() {
            let mut model = state.clone();
            let expected = model.call(&step.0, step.1.map(|(_, code)| code));
            pairs += 1;
            if is_wanted(pairs) {
                let mut real = new();
                for before in &path {
                    real.make(&moves[*before]);
                }
                let seen = real.make(step);
                let way: Vec<_> = path.iter().map(|before| &moves[*before]).collect();
                assert_eq!(seen, expected, "after {way:?} the call {step:?}");
                compared += 1;
            }
            if is_explored(step, &model, path.len()) && !paths.contains_key(&model) {
                let way = path.iter().copied().chain([index]).collect();
                paths.insert(model.clone(), way);
                queue.push_back(model);
            }
        }
    }
    println!("{} states, {compared} of {pairs} calls compared", paths.len());
    paths.len()
}

/// Which moves lead to states that are worth their own search: one database and the logs, two open files, whole reads
/// and reads that leave something. Behind a closed gate every state is alike, so it is closed early or not at all.
fn is_explored((call, failure): &Move, model: &Model, calls_before: usize) -> bool {
    failure.is_none()
        && model.open_count() <= 2
        && model.archived() <= 2
        && model.is_where_searched()
        && match call {
            Call::Open(name) => ["a.edb", "edb00007.log", "edb00008.log"].contains(name),
            Call::Read(_, bytes) => *bytes >= 12288,
            Call::ReadAt(..) => false,
            Call::Vouch(name) => *name == "b.edb",
            Call::Instance(state) => *state == InstanceState::Terminating && calls_before <= 2,
            Call::StopService => calls_before <= 2,
            _ => true,
        }
}

#[test]
fn random_sequences_of_calls_answer_as_the_tables_say() {
    compare_sequences(0..100_000, &moves(), &Model::new(&IN_MEMORY), Real::in_memory);
}

/// Compares sequences of up to 30 calls.
pub(crate) fn compare_sequences<S: Subject>(
    seeds: std::ops::Range<u64>,
    moves: &[Move],
    start: &Model,
    new: impl Fn() -> Real<S>,
) {
    for seed in seeds {
        let mut random = StdRng::seed_from_u64(seed);
        let (mut real, mut model) = (new(), start.clone());
        let mut made = Vec::new();
        for _ in 0..random.random_range(1..=30) {
            let step = draw(&mut random, moves);
            let expected = model.call(&step.0, step.1.map(|(_, code)| code));
            let seen = real.make(&step);
            made.push(step);
            assert_eq!(seen, expected, "seed {seed}, after {made:?}");
        }
    }
}

/// Gates and refused flags lead nowhere, so they are drawn rarely.
fn draw(random: &mut StdRng, moves: &[Move]) -> Move {
    loop {
        let step = &moves[random.random_range(0..moves.len())];
        let rare = match step.0 {
            Call::Begin(grbit) => ![0, 1, 0x10, 0x11].contains(&grbit),
            Call::Instance(state) => state != InstanceState::Running,
            Call::StopService | Call::StopBackup | Call::AbortByServer | Call::End(_) => true,
            _ => false,
        };
        if !rare || random.random_ratio(1, 20) {
            return step.clone();
        }
    }
}
