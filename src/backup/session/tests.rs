//! The session against a second model, and its promises one by one.

use crate::backup::memory::MemorySource;
use crate::backup::{BackupKind, BackupOutcome, BackupSession, BeginGrbit, EndGrbit, FileRole};
use std::ffi::OsStr;
use std::sync::Arc;

fn small_instance() -> Arc<MemorySource> {
    let source = MemorySource::new()
        .with_file("a.edb", FileRole::Database, vec![1; 5 * 4096])
        .with_file(
            "edb00001.log",
            FileRole::ArchivedLog { generation: 1 },
            vec![2; 3 * 4096],
        );
    Arc::new(source)
}

#[test]
fn a_frozen_backup_is_read_in_any_order_and_is_complete_when_every_byte_was() {
    let session = BackupSession::new(small_instance());
    session.begin(BeginGrbit::SNAPSHOT.bits()).unwrap();
    let mut buf = vec![0; 32768];
    for name in ["edb00001.log", "a.edb"] {
        let (handle, len) = session.open_file(OsStr::new(name)).unwrap();
        let file = session.file(handle).unwrap();
        assert_eq!(file.read_at(&mut buf, 4096).unwrap() as u64, len - 4096);
        assert_eq!(file.read_at(&mut buf[..4096], 0).unwrap(), 4096);
    }
    session
        .end_with((EndGrbit::NORMAL | EndGrbit::TRUNCATE_DONE).bits())
        .unwrap();
    let outcome = session.outcome();
    assert_eq!(
        outcome,
        Some(BackupOutcome::Complete {
            kind: BackupKind::Full
        })
    );
}
