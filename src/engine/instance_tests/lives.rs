//! Instances that end as they should.

use super::*;
use crate::engine::catalog;
use crate::genuine_samples::sample;
use crate::store::read_checkpoint;

#[test]
fn an_instance_that_ends_leaves_clean_databases_and_the_next_one_goes_on_in_the_same_log() {
    let disk = Disk::new(&[A, B]);
    let mut rows = [first_rows(), first_rows()];
    for round in 1..6 {
        let instance = disk.init().unwrap();
        for (path, rows) in [A, B].into_iter().zip(&mut rows) {
            let live = Live::attach(&disk, &instance, path).unwrap();
            let mut work = Work::begin(&instance);
            for key in (round..2 * ROWS).step_by(17) {
                live.set(&mut work, key, Some(round)).unwrap();
                rows.insert(key, round);
            }
            work.commit().unwrap();
            assert_eq!(disk.header(path).state, DbState::DirtyShutdown);
        }
        instance
            .term(if round % 2 == 0 {
                Term::Abrupt
            } else {
                Term::Complete
            })
            .unwrap();
        for (path, rows) in [A, B].into_iter().zip(&rows) {
            let header = disk.header(path);
            assert_eq!(header.state, DbState::CleanShutdown);
            assert_eq!(header.consistent, header.detach);
            assert_eq!(disk.rows(path), *rows);
            assert!(!disk.exists(&format!("{path}.jetfs-pages")));
        }
        let checkpoint = read_checkpoint(&disk.memory, Path::new(CHECKPOINT))
            .unwrap()
            .unwrap()
            .unwrap();
        assert!(!checkpoint.has_attach_list());
    }
}

#[test]
fn an_ended_instance_does_nothing_more_and_frees_its_files() {
    let disk = Disk::new(&[A]);
    let instance = disk.init().unwrap();
    instance.attach_database(A).unwrap();
    instance.term(Term::Complete).unwrap();
    assert_eq!(
        instance.attach_database(A).unwrap_err().code(),
        JetErr::ClientRequestToStopJetService
    );
    let again = disk.init().unwrap();
    again.attach_database(A).unwrap();
    assert!(instance.term(Term::Complete).is_err());
}

#[test]
fn two_instances_keep_each_other_out_of_a_directory_and_of_a_database() {
    let disk = Disk::new(&[A]);
    let first = disk.init().unwrap();
    let error = disk.init().unwrap_err();
    assert_eq!(error.code(), JetErr::FileAccessDenied, "{error}");
    let elsewhere = parameters().system_path("/j").log_file_path("/j").temp_path("/j");
    let other = disk.init_with(elsewhere).unwrap();
    first.attach_database(A).unwrap();
    assert_eq!(
        other.attach_database(A).unwrap_err().code(),
        JetErr::DatabaseInUse
    );
    first.detach_database(A).unwrap();
    other.attach_database(A).unwrap();
    drop(first);
    disk.init().unwrap();
}

#[test]
fn at_most_six_databases_are_attached_and_each_once() {
    let paths: Vec<String> = (0..7).map(|number| format!("/d/{number}.edb")).collect();
    let disk = Disk::new(&paths.iter().map(String::as_str).collect::<Vec<_>>());
    let instance = disk.init().unwrap();
    for path in &paths[..6] {
        instance.attach_database(path).unwrap();
        instance.attach_database(path).unwrap();
    }
    let error = instance.attach_database(&paths[6]).unwrap_err();
    assert_eq!(error.code(), JetErr::TooManyAttachedDatabases);
    instance.detach_database(&paths[2]).unwrap();
    instance.attach_database(&paths[6]).unwrap();
    assert_eq!(disk.header(&paths[6]).dbid, 3);
    instance.term(Term::Complete).unwrap();
    assert!(paths.iter().all(|path| disk.header(path).state.is_clean()));
}

#[test]
fn what_cannot_be_attached_is_refused_by_its_name() {
    let disk = Disk::new(&[A, B]);
    let instance = disk.init_with(parameters().database_page_size(8192)).unwrap();
    assert_eq!(
        instance.attach_database(A).unwrap_err().code(),
        JetErr::PageSizeMismatch
    );
    assert_eq!(
        instance.attach_database("/d/none.edb").unwrap_err().code(),
        JetErr::FileNotFound
    );
    assert_eq!(
        instance.detach_database(A).unwrap_err().code(),
        JetErr::DatabaseNotFound
    );
    instance.term(Term::Complete).unwrap();
    assert_eq!(disk.init().unwrap_err().code(), JetErr::PageSizeMismatch);
    let other = parameters().base_name("oth");
    let instance = disk.init_with(other.clone()).unwrap();
    instance.attach_database(A).unwrap();
    drop(instance);
    let third = disk.init_with(parameters().base_name("thr")).unwrap();
    assert_eq!(
        third.attach_database(A).unwrap_err().code(),
        JetErr::DatabaseDirtyShutdown
    );
    disk.init_with(other).unwrap().term(Term::Complete).unwrap();
    third.attach_database(A).unwrap();
}

#[test]
fn an_instance_does_not_end_under_an_open_transaction_unless_it_shall_end_dirty() {
    let disk = Disk::new(&[A]);
    let instance = disk.init().unwrap();
    let live = Live::attach(&disk, &instance, A).unwrap();
    let mut work = Work::begin(&instance);
    live.set(&mut work, 4, Some(9)).unwrap();
    assert_eq!(
        instance.term(Term::Complete).unwrap_err().code(),
        JetErr::TooManyActiveUsers
    );
    assert_eq!(
        instance.detach_database(A).unwrap_err().code(),
        JetErr::DatabaseInUse
    );
    live.set(&mut work, 6, Some(9)).unwrap();
    instance.stop_service();
    assert_eq!(
        live.set(&mut work, 8, Some(9)).unwrap_err().code(),
        JetErr::ClientRequestToStopJetService
    );
    work.roll_back().unwrap();
    instance.term(Term::Complete).unwrap();
    assert_eq!(disk.rows(A), first_rows());
    let instance = disk.init().unwrap();
    let live = Live::attach(&disk, &instance, A).unwrap();
    let mut work = Work::begin(&instance);
    live.set(&mut work, 4, Some(9)).unwrap();
    let ended = instance.term(Term::Dirty).unwrap_err();
    assert_eq!(ended.code(), JetErr::DirtyShutdown);
    assert_eq!(disk.header(A).state, DbState::DirtyShutdown);
    disk.init().unwrap().term(Term::Complete).unwrap();
    assert_eq!(disk.rows(A), first_rows());
}

#[test]
fn deleted_rows_go_and_their_pages_are_used_again() {
    let disk = Disk::new(&[A]);
    let instance = disk.init().unwrap();
    let live = Live::attach(&disk, &instance, A).unwrap();
    let mut work = Work::begin(&instance);
    for key in 1..ROWS {
        live.set(&mut work, 2 * key, None).unwrap();
    }
    work.commit().unwrap();
    instance.work().unwrap();
    assert!(live.database.look().deleted.is_empty());
    instance.term(Term::Complete).unwrap();
    assert_eq!(disk.rows(A), Rows::from([(0, 0)]));
}

#[test]
fn circular_logging_deletes_only_logs_before_the_checkpoint() {
    let disk = Disk::new(&[A]);
    let instance = disk.init_with(parameters().circular_log(true)).unwrap();
    let live = Live::attach(&disk, &instance, A).unwrap();
    let mut longest = 0;
    for round in 0..60 {
        let mut work = Work::begin(&instance);
        (0..100).for_each(|key| live.set(&mut work, 2 * key, Some(round)).unwrap());
        work.commit().unwrap();
        instance.work().unwrap();
        let oldest = instance.core().attachments.checkpoint().generation;
        let archived = disk.archived();
        assert!(
            archived
                .iter()
                .all(|name| u32::from_str_radix(name.get(3..11).unwrap(), 16).unwrap() >= oldest)
        );
        longest = longest.max(archived.len());
    }
    assert!((1..5).contains(&longest), "{longest} logs");
    assert!(disk.header(A).generation_min_required > 3);
    drop(instance);
    disk.init().unwrap().term(Term::Complete).unwrap();
    assert_eq!(disk.rows(A)[&2], 59);
}

#[test]
fn without_a_log_a_database_is_clean_in_the_end_and_lost_in_a_crash() {
    let disk = Disk::new(&[A]);
    let off = || parameters().recovery(false);
    let instance = disk.init_with(off()).unwrap();
    assert_eq!(
        disk.init_with(off()).unwrap_err().code(),
        JetErr::FileAccessDenied
    );
    let live = Live::attach(&disk, &instance, A).unwrap();
    let mut work = Work::begin(&instance);
    live.set(&mut work, 3, Some(7)).unwrap();
    work.commit().unwrap();
    instance.term(Term::Complete).unwrap();
    assert_eq!(disk.rows(A)[&3], 7);
    assert!(disk.archived().is_empty() && !disk.exists("/i/edb.log"));
    let instance = disk.init_with(off()).unwrap();
    instance.attach_database(A).unwrap();
    drop(instance);
    let instance = disk.init_with(off()).unwrap();
    assert_eq!(
        instance.attach_database(A).unwrap_err().code(),
        JetErr::DatabaseDirtyShutdown
    );
}

#[test]
fn a_small_cache_is_enough_for_many_changes_in_one_transaction() {
    let disk = Disk::new(&[A]);
    let instance = disk.init_with(parameters().cache_size_max(64 * 4096)).unwrap();
    let live = Live::attach(&disk, &instance, A).unwrap();
    let mut work = Work::begin(&instance);
    let mut rows = first_rows();
    for key in 0..30_000 {
        live.set(&mut work, key, Some(5)).unwrap();
        rows.insert(key, 5);
    }
    assert!(!instance.core().shared.budget.is_far_exceeded());
    work.commit().unwrap();
    let mut work = Work::begin(&instance);
    for key in 0..30_000 {
        live.set(&mut work, key, if key % 3 == 0 { None } else { Some(6) })
            .unwrap();
    }
    work.roll_back().unwrap();
    instance.term(Term::Complete).unwrap();
    assert_eq!(disk.rows(A), rows);
}

#[test]
fn the_background_thread_does_the_work_and_ends_with_the_instance() {
    let disk = Disk::new(&[A]);
    let instance = disk
        .init_with(parameters().background_thread(true).circular_log(true))
        .unwrap();
    let live = Live::attach(&disk, &instance, A).unwrap();
    for round in 0..40 {
        let mut work = Work::begin(&instance);
        (0..50).for_each(|key| live.set(&mut work, 2 * key, Some(round)).unwrap());
        work.commit().unwrap();
    }
    instance.term(Term::Complete).unwrap();
    assert_eq!(disk.rows(A)[&2], 39);
}

#[test]
fn genuine_clean_databases_are_attached_and_are_clean_again() {
    for (name, page_size) in [("genuine-4k/clean", 4096), ("esedb-4k", 4096)] {
        let Some(set) = sample(name) else {
            return;
        };
        for entry in std::fs::read_dir(set).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "edb") {
                continue;
            }
            let directory = tempfile::tempdir().unwrap();
            let copy = directory.path().join("copy.edb");
            std::fs::copy(&path, &copy).unwrap();
            let header = |path: &Path| {
                let file = crate::io::RealFileSystem.open(path, OpenMode::ReadOnly).unwrap();
                read_database_header(&*file).unwrap()
            };
            let before = header(&copy);
            let parameters = Parameters::new(directory.path()).database_page_size(page_size);
            let instance = Instance::init(parameters).unwrap();
            if let Err(error) = instance.attach_database(&copy) {
                assert_eq!(error.code(), JetErr::InvalidDatabaseVersion, "{error}");
                continue;
            }
            assert_eq!(header(&copy).state, DbState::DirtyShutdown);
            instance.detach_database(&copy).unwrap();
            instance.term(Term::Complete).unwrap();
            let after = header(&copy);
            assert_eq!(after.state, DbState::CleanShutdown);
            assert_eq!(after.dbtime_dirtied, before.dbtime_dirtied);
            let file = crate::io::RealFileSystem.open(&copy, OpenMode::ReadOnly).unwrap();
            let database = Database::open(file, &copy).unwrap();
            let report = deep::check(&database, deep::Limits::default(), &|| ()).unwrap();
            assert_eq!(report.damage, 0, "{}: {report:?}", path.display());
        }
    }
}

#[test]
fn a_database_whose_creation_was_not_finished_is_made_again() {
    let disk = Disk::new(&[A]);
    let new = Path::new("/d/new.edb");
    let fill = |instance: &Instance, database: &AttachedDatabase| {
        catalog::create_database(&instance.core().shared, database, 64).unwrap();
    };
    for _ in 0..2 {
        let instance = disk.init().unwrap();
        {
            // Given up, and the instance with it.
            let creation = instance.core().begin_creation(new).unwrap();
            fill(&instance, creation.database());
        }
        assert_eq!(
            instance.term(Term::Complete).unwrap_err().code(),
            JetErr::DirtyShutdown
        );
        drop(instance);
        let instance = disk.init().unwrap();
        assert_eq!(disk.header("/d/new.edb").state, DbState::JustCreated);
        assert_eq!(
            instance.attach_database(new).unwrap_err().code(),
            JetErr::DatabaseCorrupted
        );
        instance.term(Term::Complete).unwrap();
    }
    let instance = disk.init().unwrap();
    let creation = instance.core().begin_creation(new).unwrap();
    fill(&instance, creation.database());
    creation.finish().unwrap();
    assert_eq!(
        instance.core().begin_creation(new).unwrap_err().code(),
        JetErr::DatabaseDuplicate
    );
    drop(instance);
    let instance = disk.init().unwrap();
    assert_eq!(disk.header("/d/new.edb").state, DbState::CleanShutdown);
    instance.attach_database(new).unwrap();
    instance.term(Term::Complete).unwrap();
}
