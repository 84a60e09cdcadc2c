use super::Service;
use crate::backup::{BackupOutcome, BackupSession, PhaseName};
use crate::engine::{
    ColumnDefinition, Database, Event, IndexDefinition, Instance, Parameters, TableDefinition, Term,
};
use crate::error::JetErr;
use crate::format::{ColumnType, Value};
use crate::io::{RealClock, RealFileSystem};
use crate::restore::{RestoreOptions, RestorePlan, RestoreRequest};
use crate::source::live::LiveOptions;
use crate::source::remote::{RemoteSource, through_directory};
use crate::store::{self, Schema, SpillDirectory};
use parking_lot::Mutex;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const FROZEN: u32 = 0x10;

struct Hosted {
    /// Dropped first: the service before the instance.
    service: Option<Service>,
    database: Database,
    instance: Instance,
    directory: tempfile::TempDir,
}

impl Hosted {
    fn new() -> Self {
        Self::with(|parameters| parameters)
    }

    fn with(configure: impl FnOnce(Parameters) -> Parameters) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let instance = directory
            .path()
            .join("an instance whose directory has a very long name, ".repeat(3));
        fs::create_dir(&instance).unwrap();
        let path = instance.join("orders.edb");
        let parameters = Parameters::new(&instance).log_file_size(128);
        let instance = Instance::init(configure(parameters)).unwrap();
        let database = instance.create_database(path).unwrap();
        let session = instance.session().unwrap();
        let transaction = session.begin().unwrap();
        let definition = TableDefinition::new("rows")
            .column(ColumnDefinition::new("number", ColumnType::Long).not_null())
            .index(IndexDefinition::primary("by_number").ascending("number"));
        drop(database.create_table(&session, &definition).unwrap());
        transaction.commit().unwrap();
        drop(session);
        let options = LiveOptions {
            retries: 0,
            ..LiveOptions::default()
        };
        Hosted {
            service: Some(Service::start(&instance, options).unwrap()),
            database,
            instance,
            directory,
        }
    }

    fn service(&self) -> &Service {
        self.service.as_ref().unwrap()
    }

    fn path(&self) -> PathBuf {
        self.service().socket().parent().unwrap().to_path_buf()
    }

    fn insert(&self, numbers: std::ops::Range<i32>) {
        let session = self.instance.session().unwrap();
        let transaction = session.begin().unwrap();
        let table = self.database.open_table(&session, "rows").unwrap();
        for number in numbers {
            let mut update = table.insert().unwrap();
            update
                .set(table.column("number").unwrap(), &Value::Long(number))
                .unwrap();
            update.save().unwrap();
        }
        transaction.commit().unwrap();
    }

    fn connect(&self) -> BackupSession {
        let source = RemoteSource::connect(&self.path(), 0)
            .unwrap()
            .expect("it is hosted");
        BackupSession::new(Arc::new(source))
    }

    fn raw(&self) -> UnixStream {
        through_directory(&self.path(), "jetfs-edb.sock", |path| UnixStream::connect(path)).unwrap()
    }

    fn wait_for_connections(&self, count: usize) {
        let begun = Instant::now();
        while self.service().connections() != count {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{}",
                self.service().connections()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn copy(&self, backup: &BackupSession, to: &Path) {
        fs::create_dir(to).unwrap();
        let mut files = backup.get_log_info().unwrap().files;
        files.extend(backup.get_attach_info().unwrap());
        for file in files {
            let (handle, len) = backup.open_file(&file.name).unwrap();
            let mut bytes = vec![0; usize::try_from(len).unwrap()];
            assert_eq!(backup.read_at(handle, &mut bytes, 0).unwrap(), bytes.len());
            backup.close_file(handle).unwrap();
            fs::write(to.join(&file.name), bytes).unwrap();
        }
    }

    fn restored(&self, set: &Path) -> usize {
        let destination = self.directory.path().join("restored");
        let request = RestoreRequest {
            sets: vec![set.to_path_buf()],
            destination: destination.clone(),
            ..RestoreRequest::default()
        };
        let options = RestoreOptions {
            memory: 1 << 20,
            spill: SpillDirectory {
                fs: Arc::new(RealFileSystem),
                directory: self.directory.path().into(),
            },
            time: None,
        };
        let plan = RestorePlan::new(&RealFileSystem, &request).unwrap();
        let set = plan.replay(options, &mut |_| Ok(())).unwrap();
        set.write(&RealFileSystem, &RealClock, &mut |_| Ok(())).unwrap();
        let path = destination.join("orders.edb");
        let file =
            crate::io::FileSystem::open(&RealFileSystem, &path, crate::io::OpenMode::ReadOnly).unwrap();
        let database = store::Database::open(file, &path).unwrap();
        let schema = Schema::load(&database).unwrap();
        let table = store::Table::open(&database, &schema, "rows").unwrap();
        table.rows().unwrap().count()
    }
}

#[test]
fn another_process_backs_a_running_instance_up_while_it_is_written_to() {
    let hosted = Hosted::new();
    hosted.insert(0..500);
    let backup = hosted.connect();
    backup.begin(FROZEN).unwrap();
    hosted.insert(500..1500);
    hosted.instance.flush().unwrap();
    let set = hosted.directory.path().join("set");
    hosted.copy(&backup, &set);
    backup.end().unwrap();
    assert!(
        matches!(backup.outcome(), Some(BackupOutcome::Complete { .. })),
        "{:?}",
        backup.outcome()
    );
    assert_eq!(hosted.restored(&set), 500);
    assert_eq!(hosted.instance.term(Term::Complete).ok(), Some(()));
}

#[test]
fn a_backup_whose_process_is_gone_is_aborted_and_the_next_one_works() {
    let hosted = Hosted::new();
    let backup = hosted.connect();
    backup.begin(FROZEN).unwrap();
    let second = hosted.connect();
    assert_eq!(second.begin(FROZEN).unwrap_err().code(), JetErr::BackupInProgress);
    drop((backup, second));
    hosted.wait_for_connections(0);
    let third = hosted.connect();
    third.begin(FROZEN).unwrap();
    third.end_with(2).unwrap();
}

#[test]
fn when_the_host_is_gone_readers_hear_of_it_and_nobody_is_found_any_more() {
    let mut hosted = Hosted::new();
    let backup = hosted.connect();
    backup.begin(FROZEN).unwrap();
    let file = backup.get_attach_info().unwrap().remove(0);
    let (handle, _) = backup.open_file(&file.name).unwrap();
    let directory = hosted.path();
    hosted.service = None;
    let error = backup.read_at(handle, &mut [0; 4096], 0).unwrap_err();
    assert_eq!(error.code(), JetErr::BackupAbortByServer);
    assert!(error.to_string().contains("does not answer"), "{error}");
    assert!(RemoteSource::connect(&directory, 0).unwrap().is_none());
    assert_eq!(backup.phase(), PhaseName::Frozen);
    hosted.instance.term(Term::Complete).unwrap();
}

#[test]
fn garbage_silence_and_other_versions_hurt_nobody() {
    let hosted = Hosted::new();
    let silent = hosted.raw();
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0; 64],
        &[255; 64],
        &[5, 0, 0, 0, 0, b'{', b'}', b' ', b' '],
    ] {
        let mut stream = hosted.raw();
        stream.write_all(garbage).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "{answer:?}");
    }
    let mut stream = hosted.raw();
    let hello = br#"{"ask":"hello","version":99,"joins":null}"#;
    stream
        .write_all(&u32::try_from(hello.len() + 1).unwrap().to_le_bytes())
        .unwrap();
    stream.write_all(&[0]).unwrap();
    stream.write_all(hello).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(String::from_utf8_lossy(&answer).contains("not 99"));
    hosted.connect().begin(FROZEN).unwrap();
    drop(silent);
    hosted.wait_for_connections(0);
}

#[test]
fn a_hundred_clients_come_and_go() {
    let hosted = Hosted::new();
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                let backup = hosted.connect();
                match backup.begin(FROZEN) {
                    Ok(()) => backup.end_with(2).unwrap(),
                    Err(error) => assert_eq!(error.code(), JetErr::BackupInProgress),
                }
            });
        }
    });
    hosted.wait_for_connections(0);
}

#[test]
fn only_the_owner_may_connect() {
    let hosted = Hosted::new();
    let mode = fs::metadata(hosted.service().socket())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_instance_hears_of_a_damaged_page_that_is_found_in_another_process() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&heard);
    let hosted = Hosted::with(|parameters| {
        parameters.event_sink(move |event| {
            if let Event::Backup { number, .. } = event {
                events.lock().push(*number);
            }
        })
    });
    hosted.insert(0..500);
    hosted.instance.flush().unwrap();
    let session = hosted.connect();
    session.begin(FROZEN).unwrap();
    let path = hosted.path().join("orders.edb");
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    file.write_all_at(b"not what was there", 6 * 4096 + 1000).unwrap();
    let (handle, _) = session.open_file(std::ffi::OsStr::new("orders.edb")).unwrap();
    let error = session.read_at(handle, &mut vec![0; 16 * 4096], 0).unwrap_err();
    assert_eq!(error.code(), JetErr::ReadVerifyFailure);
    session.end_with(2).unwrap();
    assert_eq!(*heard.lock(), [210, 223, 220, 474, 215]);
}
