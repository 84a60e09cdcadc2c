//! Running instances mounted from another process: copied by rsync while they are written to, restored, compared.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use jetfs::engine::{
    ColumnDefinition, Database, IndexDefinition, Instance, Parameters, Session, TableDefinition, Term,
};
use jetfs::format::{ColumnType, Value};
use jetfs::io::{FileSystem, OpenMode, RealFileSystem};
use jetfs::service::Service;
use jetfs::source::live::LiveOptions;
use jetfs::store::{self, Schema};
use jetfs::verify::deep;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread::sleep;
use std::time::Duration;
use support::{MountOptions, jetfs, program, run, temp_dir};
use tempfile::TempDir;

struct Hosted {
    service: Option<Service>,
    database: Database,
    instance: Instance,
    directory: TempDir,
}

impl Hosted {
    fn new() -> Self {
        let directory = temp_dir();
        let parameters = Parameters::new(directory.path())
            .log_file_size(256)
            .cache_size_max(4 << 20);
        let instance = Instance::init(parameters).unwrap();
        let database = instance
            .create_database(directory.path().join("orders.edb"))
            .unwrap();
        let session = instance.session().unwrap();
        let transaction = session.begin().unwrap();
        let definition = TableDefinition::new("rows")
            .column(ColumnDefinition::new("number", ColumnType::Long).not_null())
            .column(ColumnDefinition::new("bytes", ColumnType::LongBinary))
            .index(IndexDefinition::primary("by_number").ascending("number"));
        drop(database.create_table(&session, &definition).unwrap());
        transaction.commit().unwrap();
        drop(session);
        Hosted {
            service: Some(Service::start(&instance, LiveOptions::default()).unwrap()),
            database,
            instance,
            directory,
        }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn insert(&self, session: &Session, first: i32, count: i32) {
        let transaction = session.begin().unwrap();
        let table = self.database.open_table(session, "rows").unwrap();
        for number in first..first + count {
            let mut update = table.insert().unwrap();
            update
                .set(table.column("number").unwrap(), &Value::Long(number))
                .unwrap();
            let bytes = vec![7; usize::try_from(number % 3000).unwrap()];
            update
                .set(table.column("bytes").unwrap(), &Value::Binary(bytes))
                .unwrap();
            update.save().unwrap();
        }
        transaction.commit().unwrap();
    }

    fn mount(&self, arguments: &[&str]) -> support::Mount {
        let options = MountOptions::new(self.path());
        arguments
            .iter()
            .fold(options, |options, argument| options.arg(*argument))
            .mount()
    }
}

fn rsync(from: &Path, to: &Path) {
    let from = format!("{}/", from.display());
    run(program("rsync").arg("-a").arg(from).arg(to)).succeeds();
}

fn restored(sets: &[&Path], directory: &Path) -> i32 {
    let destination = directory.join(format!("restored-{}", sets.len()));
    run(jetfs().arg("restore").args(sets).arg(&destination)).succeeds();
    let path = destination.join("orders.edb");
    let file = RealFileSystem.open(&path, OpenMode::ReadOnly).unwrap();
    let database = store::Database::open(file, &path).unwrap();
    let report = deep::check(&database, deep::Limits::default(), &|| ()).unwrap();
    assert_eq!(report.damage, 0, "{:#?}", report.findings);
    let schema = Schema::load(&database).unwrap();
    let table = store::Table::open(&database, &schema, "rows").unwrap();
    let numbers = table
        .rows()
        .unwrap()
        .map(|row| match row.unwrap().values.as_slice() {
            [Ok(Value::Long(number)), ..] => *number,
            other => panic!("{other:?}"),
        });
    let numbers: Vec<i32> = numbers.collect();
    let count = i32::try_from(numbers.len()).unwrap();
    assert_eq!(
        numbers,
        (0..count).collect::<Vec<_>>(),
        "the rows are not those of a prefix"
    );
    count
}

#[test]
fn a_running_instance_is_copied_by_rsync_while_it_is_written_to_and_the_copy_restores_to_a_prefix() {
    let hosted = Hosted::new();
    let (is_over, done) = (AtomicBool::new(false), AtomicI32::new(0));
    let copies = temp_dir();
    let set = copies.path().join("set");
    let (before, after) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let session = hosted.instance.session().unwrap();
            while !is_over.load(Ordering::Relaxed) {
                hosted.insert(&session, done.load(Ordering::Relaxed), 10);
                done.fetch_add(10, Ordering::Release);
            }
        });
        let wait = |least| {
            while done.load(Ordering::Acquire) < least {
                sleep(Duration::from_millis(1));
            }
        };
        wait(2000);
        let before = done.load(Ordering::Acquire);
        let mount = hosted.mount(&[]);
        let after = done.load(Ordering::Acquire);
        wait(after + 500);
        rsync(mount.path(), &set);
        // A second copy finds nothing new.
        let again = format!("{}/", mount.path().display());
        let listed = run(program("rsync").args(["-ai", &again]).arg(&set)).succeeds();
        assert!(!listed.stdout.contains(">f"), "{}", listed.stdout);
        let ended = run(jetfs().arg("umount").arg(mount.path())).succeeds();
        assert!(ended.stderr.contains("complete: a copy"), "{}", ended.stderr);
        is_over.store(true, Ordering::Relaxed);
        (before, after)
    });
    run(jetfs().args(["verify", "--require-manifest"]).arg(&set)).succeeds();
    let rows = restored(&[&set], copies.path());
    assert!((before..=after + 10).contains(&rows), "{before} {rows} {after}");
    assert_eq!(rows % 10, 0, "a transaction is there in part");
    hosted.instance.term(Term::Complete).unwrap();
}

#[test]
fn a_full_backup_and_incremental_ones_are_a_chain_and_what_was_not_read_is_named() {
    let hosted = Hosted::new();
    let session = hosted.instance.session().unwrap();
    let copies = temp_dir();
    hosted.insert(&session, 0, 500);
    let refused = MountOptions::new(hosted.path())
        .arg("--kind")
        .arg("incremental")
        .try_mount();
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("JET_errMissingFullBackup")
    );

    let mount = hosted.mount(&["--on-umount", "truncate"]);
    let ended = run(jetfs().arg("umount").arg(mount.path())).exits(5);
    assert!(
        ended.stderr.contains("not all was read: orders.edb"),
        "{}",
        ended.stderr
    );

    let full = copies.path().join("full");
    let mount = hosted.mount(&["--on-umount", "truncate"]);
    rsync(mount.path(), &full);
    let ended = run(jetfs().arg("umount").arg(mount.path())).succeeds();
    assert!(ended.stderr.contains("a full backup"), "{}", ended.stderr);
    hosted.insert(&session, 500, 700);

    let incremental = copies.path().join("incremental");
    let mount = hosted.mount(&["--kind", "incremental", "--on-umount", "truncate"]);
    assert!(!mount.path().join("orders.edb").exists());
    rsync(mount.path(), &incremental);
    let ended = run(jetfs().arg("umount").arg(mount.path())).succeeds();
    assert!(ended.stderr.contains("an incremental backup"), "{}", ended.stderr);

    assert_eq!(restored(&[&full], copies.path()), 500);
    assert_eq!(restored(&[&full, &incremental], copies.path()), 1200);
}

#[test]
fn a_mount_process_that_is_killed_leaves_no_backup_behind() {
    let hosted = Hosted::new();
    let mount = hosted.mount(&[]);
    let status = run(jetfs().args(["--json", "status"]).arg(mount.path()))
        .succeeds()
        .json();
    assert_eq!(
        status["status"]["mode"].as_str().or(status["mode"].as_str()),
        Some("frozen"),
        "{status}"
    );
    let pid = status["pid"].as_u64().unwrap();
    run(program("kill").arg("-9").arg(pid.to_string())).succeeds();
    while hosted.service.as_ref().unwrap().connections() > 0 {
        sleep(Duration::from_millis(5));
    }
    let second = hosted.mount(&[]);
    drop(second);
}

#[test]
fn when_the_instance_is_gone_reads_fail_and_the_mount_stays() {
    let mut hosted = Hosted::new();
    let mount = hosted.mount(&[]);
    hosted.service = None;
    let error = std::fs::read(mount.path().join("orders.edb")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(5), "{error}");
    assert!(mount.is_mounted());
    let ended = run(jetfs().arg("umount").arg(mount.path())).exits(5);
    assert!(!ended.stderr.is_empty());
}
