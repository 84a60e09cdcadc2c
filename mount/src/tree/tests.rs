//! The tree without a kernel.

use super::*;
use jetfs::JetErr;
use jetfs::backup::memory::{MemorySource, Step};
use jetfs::backup::{BeginGrbit, FileRole};

struct World {
    tree: Tree,
    source: Arc<MemorySource>,
}

fn world() -> World {
    let source = MemorySource::new()
        .with_file("ntds.dit", FileRole::Database, vec![7u8; 20_000])
        .with_file(
            "edb00001.log",
            FileRole::ArchivedLog { generation: 1 },
            vec![8u8; 8192],
        )
        .with_file("edb.chk", FileRole::Checkpoint, vec![9u8; 8192]);
    let source = Arc::new(source);
    let session = Arc::new(BackupSession::new(Arc::clone(&source) as _));
    session.begin(BeginGrbit::SNAPSHOT.bits()).unwrap();
    let about = About {
        source: "/srv/ad".into(),
        started: SystemTime::UNIX_EPOCH,
        warnings: vec!["generation 2 is missing".into()],
        ignored: vec![("/srv/ad/readme.txt".into(), "not an ESE file".into())],
        sources: Vec::new(),
        manifest: Some(Text {
            bytes: b"{}".to_vec(),
            modified: SystemTime::UNIX_EPOCH,
        }),
        trust_source: false,
        recovery: None,
        live: None,
    };
    World {
        tree: Tree::new(session, about).unwrap(),
        source,
    }
}

fn find(tree: &Tree, path: &str) -> Inode {
    path.split('/').fold(Inode::ROOT, |directory, name| {
        tree.lookup(directory, OsStr::new(name)).unwrap().inode
    })
}

fn contents(tree: &Tree, path: &str) -> Vec<u8> {
    let opened = tree.open(find(tree, path)).unwrap();
    let mut bytes = vec![0; 1 << 16];
    let read = tree.read(opened.handle, &mut bytes, 0).unwrap();
    tree.release(opened.handle).unwrap();
    bytes.truncate(read);
    bytes
}

#[test]
fn the_files_and_the_manifest_are_listed_and_the_hidden_directory_is_not() {
    let tree = world().tree;
    let names: Vec<_> = tree
        .entries(Inode::ROOT)
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    assert_eq!(names, ["backup.json", "edb.chk", "edb00001.log", "ntds.dit"]);
    assert!(tree.is_directory(find(&tree, ".jetfs")).unwrap());
}

#[test]
fn a_read_past_the_end_delivers_nothing_and_one_across_it_the_rest() {
    let tree = world().tree;
    let opened = tree.open(find(&tree, "ntds.dit")).unwrap();
    let mut buf = [0; 4096];
    assert_eq!(tree.read(opened.handle, &mut buf, 20_000).unwrap(), 0);
    assert_eq!(tree.read(opened.handle, &mut buf, u64::MAX).unwrap(), 0);
    assert_eq!(tree.read(opened.handle, &mut buf, 19_999).unwrap(), 1);
    assert_eq!(buf[0], 7);
}

#[test]
fn a_failed_read_says_why_and_the_next_one_works() {
    let World { tree, source } = world();
    let opened = tree.open(find(&tree, "ntds.dit")).unwrap();
    source.fail_next(Step::Read, JetErr::ReadVerifyFailure);
    let mut buf = [0; 4096];
    match tree.read(opened.handle, &mut buf, 0) {
        Err(TreeError::Jet(error)) => assert_eq!(error.code(), JetErr::ReadVerifyFailure),
        other => panic!("{other:?}"),
    }
    assert_eq!(tree.read(opened.handle, &mut buf, 0).unwrap(), 4096);
}

#[test]
fn two_handles_share_one_opening_and_the_last_one_closes_it() {
    let tree = world().tree;
    let inode = find(&tree, "ntds.dit");
    let (first, second) = (tree.open(inode).unwrap(), tree.open(inode).unwrap());
    tree.release(first.handle).unwrap();
    let mut buf = [0; 16];
    assert_eq!(tree.read(second.handle, &mut buf, 0).unwrap(), 16);
    tree.release(second.handle).unwrap();
    assert!(matches!(
        tree.read(second.handle, &mut buf, 0),
        Err(TreeError::UnknownHandle)
    ));
    assert_eq!(tree.open_handles(), 0);
}

#[test]
fn after_the_end_of_the_backup_reads_fail_and_the_tree_stays() {
    let tree = world().tree;
    let opened = tree.open(find(&tree, "ntds.dit")).unwrap();
    tree.session().end().unwrap();
    assert!(tree.read(opened.handle, &mut [0; 16], 0).is_err());
    assert_eq!(tree.entries(Inode::ROOT).unwrap().len(), 4);
}

#[test]
fn the_status_tells_progress_warnings_and_ignored_files() {
    let tree = world().tree;
    contents(&tree, "edb.chk");
    let status: serde_json::Value = serde_json::from_slice(&contents(&tree, ".jetfs/status.json")).unwrap();
    assert_eq!(status["state"], "frozen");
    assert_eq!(status["warnings"][0], "generation 2 is missing");
    assert_eq!(status["ignored"][0]["path"], "/srv/ad/readme.txt");
    let files = status["files"].as_array().unwrap();
    assert_eq!(files[0]["name"], "edb.chk");
    assert_eq!(files[0]["complete"], true);
    assert_eq!(files[1]["generation"], 1);
    assert_eq!(files[2]["delivered"], 0);
}

#[test]
fn the_metrics_count_reads_and_pages() {
    let tree = world().tree;
    contents(&tree, "ntds.dit");
    let metrics = String::from_utf8(contents(&tree, ".jetfs/metrics")).unwrap();
    assert!(metrics.contains("jetfs_read_bytes_total 20000\n"), "{metrics}");
    assert!(metrics.contains("jetfs_pages_verified_total 5\n"), "{metrics}");
}

#[test]
fn attributes_tell_role_generation_and_path() {
    let tree = world().tree;
    let log = find(&tree, "edb00001.log");
    let value = |inode, name| String::from_utf8(tree.extended(inode, OsStr::new(name)).unwrap()).unwrap();
    assert_eq!(value(log, "user.jetfs.role"), "archived-log");
    assert_eq!(value(log, "user.jetfs.generation"), "1");
    assert_eq!(value(log, "user.jetfs.path"), "/memory/edb00001.log");
    assert_eq!(value(log, "user.jetfs.verified"), "partial");
    contents(&tree, "edb00001.log");
    assert_eq!(value(log, "user.jetfs.verified"), "complete");
    assert_eq!(value(Inode::ROOT, "user.jetfs.state"), "frozen");
    assert!(matches!(
        tree.extended(Inode::ROOT, OsStr::new("user.other")),
        Err(TreeError::NoAttribute)
    ));
}

#[test]
fn a_remount_gives_the_same_numbers() {
    let numbers = |tree: &Tree| -> Vec<Inode> {
        tree.entries(Inode::ROOT)
            .unwrap()
            .into_iter()
            .map(|entry| entry.inode)
            .collect()
    };
    assert_eq!(numbers(&world().tree), numbers(&world().tree));
}

#[test]
fn a_directory_cannot_be_opened_and_a_file_not_listed() {
    let tree = world().tree;
    assert!(matches!(tree.open(Inode::ROOT), Err(TreeError::IsADirectory)));
    let file = find(&tree, "ntds.dit");
    assert!(matches!(tree.entries(file), Err(TreeError::NotADirectory)));
    assert!(matches!(
        tree.lookup(file, OsStr::new("x")),
        Err(TreeError::NotADirectory)
    ));
    assert!(matches!(tree.attributes(Inode(77)), Err(TreeError::UnknownInode)));
}
