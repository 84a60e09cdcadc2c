//! JET_errOutOfMemory of JetBeginExternalBackup by its real cause: there is no memory for the checkpoint (external-backup.md
//! section 2.1, check 16).
#![cfg(test)]
#![allow(
    unsafe_code,
    reason = "a global allocator cannot be written without; this one refuses one allocation and counts on the system's"
)]

use jetfs::JetErr;
use jetfs::backup::BackupSession;
use jetfs::engine::{Instance, Parameters, Term};
use jetfs::format::Checkpoint;
use jetfs::source::live::{LiveOptions, LiveSource};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Refusing;

#[global_allocator]
static ALLOCATOR: Refusing = Refusing;

/// The next allocation of so many bytes is refused; 0: none.
static REFUSED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came, but for one that gets the answer of a full memory.
unsafe impl GlobalAlloc for Refusing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let refused = REFUSED.compare_exchange(layout.size(), 0, Ordering::Relaxed, Ordering::Relaxed);
        if layout.size() > 0 && refused.is_ok() {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller keeps the rules of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the rules of `dealloc`, and `pointer` came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[test]
fn without_memory_for_the_checkpoint_no_full_backup_begins() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let parameters = Parameters::new(directory.path()).background_thread(false);
    let instance = Instance::init(parameters).unwrap();
    instance.create_database(directory.path().join("a.edb")).unwrap();
    let backup = BackupSession::new(Arc::new(LiveSource::new(&instance, LiveOptions::default())));
    REFUSED.store(Checkpoint::FILE_LEN, Ordering::Relaxed);
    assert_eq!(backup.begin(0).unwrap_err().code(), JetErr::OutOfMemory);
    assert_eq!(REFUSED.load(Ordering::Relaxed), 0, "the allocation was refused");
    backup.begin(0).unwrap();
    backup.end().unwrap();
    instance.term(Term::Complete).unwrap();
}
