//! What the log says, where the genuine engine's redo insists on more than ours does.

use super::rows::made;
use super::{memory, start};
use crate::engine::Term;
use crate::format::log_record::LogRecord;
use crate::io::{FileSystem, MemoryFileSystem};
use crate::recovery::{InstanceFiles, Places};
use crate::store::log_reader::LogReader;

/// Has `see` see every record.
fn records(fs: &MemoryFileSystem, mut see: impl FnMut(&LogRecord<'_>)) {
    let places = Places {
        logs: "/instance".into(),
        ..Places::default()
    };
    let fs: &dyn FileSystem = fs;
    let files = InstanceFiles::find(fs, &places).unwrap();
    let mut reader = LogReader::new(fs, files.logs.values().cloned().collect::<Vec<_>>());
    while let Some(logged) = reader.next_record().unwrap() {
        see(&logged.record);
    }
}

#[test]
fn the_contents_of_a_new_database_are_logged_by_the_session_that_creates_it() {
    let fs = memory();
    let instance = start(&fs, 4096);
    drop(made(&instance, &instance.session().unwrap()));
    instance.term(Term::Complete).unwrap();
    let (mut creator, mut contents) = (None, 0);
    records(&fs, |record| match record {
        LogRecord::CreateDatabase(create) => creator = Some(create.session),
        LogRecord::CreateDatabaseFinish(finish) => assert_eq!(creator.take(), Some(finish.session)),
        other => {
            if let (Some(creator), Some(operation)) = (creator, other.page_operation()) {
                // Redo keeps the database for that session until the creation is finished, and waits for ever on others.
                assert_eq!(operation.session, creator, "{other:?}");
                contents += 1;
            }
        }
    });
    assert!(contents > 100, "{contents}");
}

#[test]
fn a_new_tree_takes_as_many_dbtimes_as_genuine_redo_dirties_pages() {
    let fs = memory();
    let instance = start(&fs, 4096);
    drop(made(&instance, &instance.session().unwrap()));
    instance.term(Term::Complete).unwrap();
    let (mut last, mut single, mut multiple) = (None, 0, 0);
    records(&fs, |record| {
        let Some(operation) = record.page_operation() else {
            return;
        };
        let least = match record {
            LogRecord::CreateSingleExtentFdp(_) => {
                single += 1;
                2
            }
            LogRecord::CreateMultipleExtentFdp(_) => {
                multiple += 1;
                9
            }
            _ => 0,
        };
        if let Some(last) = last {
            assert!(operation.dbtime >= last + least, "{record:?} after {last}");
        }
        last = last.max(Some(operation.dbtime));
    });
    assert!(single > 0 && multiple > 0, "{single} {multiple}");
}
