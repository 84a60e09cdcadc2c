//! The protocol on a running instance against the model of it: every state times every call, and random sequences.

use super::rig::Rig;
use crate::backup::session::tests::model::{Call, Model, World};
use crate::backup::session::tests::sequences::{
    Move, Real, Subject, calls, compare_every_state, compare_sequences,
};
use crate::backup::{
    BackupFile, BackupSession, BeginGrbit, EndGrbit, Ending, Findings, InstanceState, LogRange, LogSet,
    Obstacles, Source, SourceFile,
};
use crate::error::JetResult;
use crate::io::FileSystem;
use crate::source::live::LiveSource;
use parking_lot::Mutex;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

/// Pages of a log of 64 KiB.
const LOG_PAGES: u64 = 16;
/// More than 30 calls can archive.
const LOGS: usize = 31;

/// One instance for all runs: each begins a new session of the protocol.
struct Live {
    rig: Rig,
    world: &'static World,
}

/// The source, which remembers how it was told to end, and where its logs began.
#[derive(Debug, Clone)]
struct Recorded(Arc<Recording>);

#[derive(Debug)]
struct Recording {
    source: LiveSource,
    endings: Mutex<Vec<Ending>>,
    first_log: u32,
}

impl Live {
    fn new() -> Self {
        let rig = Rig::new(|parameters| parameters.log_file_size(64).db_extension_size(1));
        rig.instance.create_database("/instance/b.edb").unwrap();
        rig.instance.flush().unwrap();
        let full = rig.backup();
        full.begin(0).unwrap();
        rig.copy_streamed(&full, "/full");
        full.truncate_log().unwrap();
        full.end().unwrap();
        full.begin(0).unwrap();
        let pages: Vec<u64> = full
            .get_attach_info()
            .unwrap()
            .iter()
            .map(|file| file.len / 4096)
            .collect();
        full.end().unwrap();
        let logs: Vec<(&'static str, u64)> = (0..LOGS)
            .map(|number| {
                (
                    &*Box::leak(format!("edb{:05}.log", number + 7).into_boxed_str()),
                    LOG_PAGES,
                )
            })
            .collect();
        let world = Box::leak(Box::new(World {
            databases: [("orders.edb", pages[0]), ("b.edb", pages[1])],
            logs: logs.leak(),
            archived: 0,
            rolls: true,
            has_replicas: false,
        }));
        Live { rig, world }
    }

    fn model(&self) -> Model {
        Model::new(self.world)
    }

    /// Every call, with the names that the model has for the files of this instance.
    fn moves(&self) -> Vec<Move> {
        let most = self
            .world
            .databases
            .iter()
            .map(|(_, pages)| *pages)
            .max()
            .unwrap()
            + 3;
        let named = |name| if name == "a.edb" { "orders.edb" } else { name };
        let calls = calls(most).into_iter().map(|call| match call {
            Call::Open(name) => Call::Open(named(name)),
            Call::Vouch(name) => Call::Vouch(named(name)),
            other => other,
        });
        calls.map(|call| (call, None)).collect()
    }

    /// A session before any backup: no log is archived, the checkpoint is in the current one, and the last backup goes
    /// up to it, so that incremental ones may follow.
    fn session(&self) -> Real<Recorded> {
        let before = self.rig.backup();
        before.begin(1).unwrap();
        before.get_log_info().unwrap();
        before
            .end_with((EndGrbit::NORMAL | EndGrbit::TRUNCATE_DONE).bits())
            .unwrap();
        self.rig.instance.flush().unwrap();
        let fs = &self.rig.fs;
        for entry in fs.list(Path::new("/instance")).unwrap() {
            let name = entry.name.to_str().unwrap();
            if name.ends_with(".log") && name.len() == "edb00000001.log".len() {
                fs.remove(&Path::new("/instance").join(name)).unwrap();
            }
        }
        let core = self.rig.instance.core();
        let recorded = Recorded(Arc::new(Recording {
            source: LiveSource::new(&self.rig.instance, Default::default()),
            endings: Mutex::default(),
            first_log: core.shared.log.end().generation,
        }));
        let session = BackupSession::new(Arc::new(recorded.clone()));
        Real::new(recorded, session)
    }
}

impl Subject for Recorded {
    fn endings(&self) -> Vec<Ending> {
        self.0.endings.lock().clone()
    }

    fn name_of(&self, name: &'static str) -> OsString {
        let digits = name
            .strip_prefix("edb")
            .and_then(|rest| rest.strip_suffix(".log"));
        let Some(Ok(number)) = digits.map(|digits| digits.parse::<u32>()) else {
            return name.into();
        };
        format!("edb{:08X}.log", self.0.first_log + number - 7).into()
    }

    fn name_in_model(&self, name: OsString) -> OsString {
        let text = name.to_str().unwrap();
        let digits = text
            .strip_prefix("edb")
            .and_then(|rest| rest.strip_suffix(".log"));
        match digits.map(|digits| u32::from_str_radix(digits, 16)) {
            Some(Ok(generation)) => format!("edb{:05}.log", generation - self.0.first_log + 7).into(),
            _ => name,
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // Whatever a run has left.
        let _ = self.source.end(&Ending::Aborted);
    }
}

impl Source for Recorded {
    fn instance_state(&self) -> InstanceState {
        self.0.source.instance_state()
    }

    fn obstacles(&self) -> Obstacles {
        self.0.source.obstacles()
    }

    fn begin(&self, grbit: BeginGrbit) -> JetResult<()> {
        self.0.source.begin(grbit)
    }

    fn databases(&self) -> JetResult<Vec<SourceFile>> {
        self.0.source.databases()
    }

    fn prepare_logs(&self) -> JetResult<LogSet> {
        self.0.source.prepare_logs()
    }

    fn open(&self, file: &SourceFile) -> JetResult<Arc<dyn BackupFile>> {
        self.0.source.open(file)
    }

    fn truncatable(&self, copied: &[OsString]) -> JetResult<Option<LogRange>> {
        self.0.source.truncatable(copied)
    }

    fn truncate(&self, range: LogRange) -> JetResult<()> {
        self.0.source.truncate(range)
    }

    fn end(&self, ending: &Ending) -> JetResult<()> {
        self.0.endings.lock().push(ending.clone());
        self.0.source.end(ending)
    }

    fn findings(&self) -> &Findings {
        self.0.source.findings()
    }
}

/// Everything with `scripts/test.sh --full`, else a part.
fn is_full() -> bool {
    std::env::var_os("JETFS_FULL").is_some_and(|value| value == "1")
}

#[test]
fn every_reachable_state_of_a_running_instance_answers_every_call_as_the_tables_say() {
    let live = Live::new();
    let one_of = if is_full() { 1 } else { 17 };
    let states = compare_every_state(
        &live.moves(),
        &live.model(),
        || live.session(),
        |pair| pair % one_of == 0,
    );
    assert!(states > 300, "{states}");
}

#[test]
fn random_sequences_of_calls_on_a_running_instance_answer_as_the_tables_say() {
    let live = Live::new();
    let count = if is_full() { 100_000 } else { 5_000 };
    compare_sequences(0..count, &live.moves(), &live.model(), || live.session());
}
