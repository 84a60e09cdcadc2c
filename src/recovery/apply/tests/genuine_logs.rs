//! The genuine logs, those of archives only where another test has unpacked them into `target/samples-cache`.

use crate::format::PageSize;
use crate::genuine_samples::sample;
use crate::io::{FileSystem, OpenMode, RealFileSystem};
use crate::store::log_reader::{LogFile, Logged, RecordCursor};
use std::path::{Path, PathBuf};

/// Gives every record of every genuine log to `visit`, with the page size of its databases. Says whether there were
/// any.
pub(super) fn each_record(visit: &mut dyn FnMut(&Path, PageSize, Logged<'_>)) -> bool {
    let mut logs = Vec::new();
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/samples-cache");
    for root in sample("").into_iter().chain([unpacked]) {
        collect(&root, &mut logs);
    }
    logs.sort();
    for path in &logs {
        each_record_of(path, visit);
    }
    !logs.is_empty()
}

fn collect(directory: &Path, logs: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, logs);
        } else if path.extension().is_some_and(|extension| extension == "log") {
            logs.push(path);
        }
    }
}

/// Records up to the end of the log or its damage; a file that is no log has none.
pub(super) fn each_record_of(path: &Path, visit: &mut dyn FnMut(&Path, PageSize, Logged<'_>)) {
    let file = RealFileSystem.open(path, OpenMode::ReadOnly).unwrap();
    let Ok(log) = LogFile::load(&*file, path) else {
        return;
    };
    let size = PageSize::from_stored(log.header().stored_page_size.into()).unwrap();
    let mut cursor = RecordCursor::new();
    while let Ok(Some(logged)) = cursor.next_record(&log) {
        visit(path, size, logged);
    }
}
