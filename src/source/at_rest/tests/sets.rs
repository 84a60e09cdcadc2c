//! What an inventory says of sets that lack something, hold something foreign, or lie among other things.

use super::made::{checkpoint, database, header, instance, log, log_header, write};
use super::*;
use crate::backup::{FileRole, LogRange};
use crate::error::JetErr;
use crate::format::{PageBuffer, PageSize};
use crate::io::{FileSystem, OpenMode, RealFileSystem};
use crate::recovery::in_place::{BatchJournal, StampedPage};
use crate::source::at_rest::IgnoredReason;
use crate::store::read_database_header_page;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use tempfile::{TempDir, tempdir};

/// The warnings beside those that every made instance has: its database is dirty, and has no space tree.
fn news(folder: &Path) -> Vec<String> {
    let all = warnings(&take(&[folder]).unwrap());
    all.into_iter()
        .filter(|warning| warning != "a.edb -550" && warning != "a.edb -1206")
        .collect()
}

fn made() -> TempDir {
    let folder = tempdir().unwrap();
    instance(folder.path());
    folder
}

#[test]
fn a_whole_set_has_nothing_to_say_but_that_it_is_dirty() {
    let folder = made();
    assert_eq!(news(folder.path()), [""; 0]);
    let inventory = take(&[folder.path()]).unwrap();
    let names: Vec<_> = inventory
        .entries()
        .map(|entry| entry.file.name.to_str().unwrap())
        .collect();
    let logs = [
        "edb00001.log",
        "edb00002.log",
        "edb00003.log",
        "edb00004.log",
        "edb.log",
    ];
    assert_eq!(names, [&["a.edb"][..], &logs, &["edb.chk"]].concat());
    let roles: Vec<_> = inventory.entries().map(|entry| entry.file.role).collect();
    assert_eq!(
        roles[4..6],
        [
            FileRole::ArchivedLog { generation: 4 },
            FileRole::CurrentLog { generation: 5 }
        ]
    );
}

#[test]
fn an_interrupted_recovery_is_warned_of() {
    let folder = made();
    let (fs, path) = (RealFileSystem, folder.path().join("a.edb"));
    let file = fs.open(&path, OpenMode::ReadWrite).unwrap();
    let header = read_database_header_page(&*file).unwrap();
    let journal = BatchJournal::create(&fs, &path, PageSize::Kib4).unwrap();
    let page = PageBuffer::blank(PageSize::Kib4, 1).into_verified();
    let page = StampedPage {
        pgno: 1,
        bytes: page.bytes(),
    };
    journal.write(&*file, &header, 1, &[page]).unwrap();
    file.write_all_at(&[1; 512], PageSize::Kib4.offset_of(1)).unwrap();
    let inventory = take(&[folder.path()]).unwrap();
    let said = inventory.warnings.iter().map(|warning| warning.what.as_str());
    let said: Vec<&str> = said.filter(|what| what.contains("interrupted")).collect();
    assert!(
        matches!(said.as_slice(), [one] if one.contains("jetfs recover")),
        "{said:?}"
    );
}

#[test]
fn missing_generations_are_named_required_or_committed() {
    let folder = made();
    fs::remove_file(folder.path().join("edb00003.log")).unwrap();
    fs::remove_file(folder.path().join("edb.log")).unwrap();
    assert_eq!(news(folder.path()), ["a.edb -543", "a.edb -582", " -528"]);
    let database = take(&[folder.path()]).unwrap().databases.remove(0);
    assert_eq!(database.missing_required, [LogRange { low: 3, high: 3 }]);
    assert_eq!(database.missing_committed, [LogRange { low: 5, high: 5 }]);
}

#[test]
fn a_database_without_any_log_misses_all() {
    let folder = made();
    let database = take(&[&folder.path().join("a.edb")]).unwrap().databases.remove(0);
    assert_eq!(database.missing_required, [LogRange { low: 2, high: 4 }]);
    assert_eq!(database.missing_committed, [LogRange { low: 5, high: 5 }]);
}

#[test]
fn a_huge_range_of_missing_generations_costs_nothing() {
    let folder = made();
    let mut hostile = header(PageSize::Kib4);
    hostile.state = crate::format::DbState::DirtyShutdown;
    (hostile.generation_min_required, hostile.generation_max_required) = (1, u32::MAX);
    hostile.generation_max_committed = u32::MAX;
    write(folder.path(), "b.edb", &database(&hostile));
    let inventory = take(&[folder.path()]).unwrap();
    assert_eq!(
        inventory.databases[1].missing_required,
        [LogRange {
            low: 1,
            high: u32::MAX
        }]
    );
}

#[test]
fn a_renamed_log_is_told_by_its_header() {
    let folder = made();
    fs::rename(
        folder.path().join("edb00003.log"),
        folder.path().join("edb00006.log"),
    )
    .unwrap();
    assert_eq!(news(folder.path()), ["a.edb -543", " -528", "edb00006.log -513"]);
}

#[test]
fn foreign_logs_and_checkpoints_are_told_by_their_signature() {
    let folder = made();
    write(folder.path(), "edb00007.log", &log(&log_header(7, 10)));
    write(folder.path(), "edb.chk", &checkpoint(11));
    assert_eq!(news(folder.path()), ["edb00007.log -530", "edb.chk -532"]);
}

#[test]
fn logs_that_do_not_follow_each_other_are_told() {
    let folder = made();
    let mut other_life = log_header(3, 9);
    other_life.create_time = log_header(20, 9).create_time;
    write(folder.path(), "edb00003.log", &log(&other_life));
    assert_eq!(news(folder.path()), ["edb00004.log -515"]);
    write(folder.path(), "edb00003.log", &log(&log_header(3, 9)));
    write(folder.path(), "edb00000003.log", &log(&log_header(3, 9)));
    let news = news(folder.path());
    assert!(
        news.iter().any(|warning| warning.ends_with("-515")),
        "a generation that is there twice: {news:?}"
    );
}

#[test]
fn damaged_truncated_and_empty_files_are_told() {
    let folder = made();
    let mut bad = log(&log_header(1, 9));
    bad[50] ^= 1;
    write(folder.path(), "edb00001.log", &bad);
    write(folder.path(), "edb00006.log", b"");
    write(folder.path(), "edb00007.log", b"this is no log");
    let half = log(&log_header(4, 9));
    write(folder.path(), "edb00004.log", &half[..half.len() / 2]);
    write(folder.path(), "edb.chk", &[1; 100]);
    let expected = [
        "edb00004.log -541",
        "edb00001.log -501",
        "edb00006.log -501",
        "edb00007.log -501",
        "edb.chk -533",
    ];
    assert_eq!(news(folder.path()), expected);
    let mut half_bad = checkpoint(9);
    half_bad[5000] ^= 1;
    write(folder.path(), "edb.chk", &half_bad);
    assert!(news(folder.path()).contains(&"edb.chk -533".to_owned()));
}

#[test]
fn files_of_other_programs_are_ignored_and_counted() {
    let folder = made();
    let path = folder.path();
    write(path, "foo.log", b"started\nstopped\n");
    write(path, "app00001.log", b"2026-01-01 something happened");
    write(path, "readme.txt", b"hello");
    write(
        path,
        "random.bin",
        &(0..1_000_000u32)
            .map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()[3])
            .collect::<Vec<_>>(),
    );
    write(path, "access.mdb", b"\0\x01\0\0Standard Jet DB\0and so on");
    fs::create_dir(path.join("edb00009.log")).unwrap();
    let inventory = take(&[path]).unwrap();
    assert_eq!(inventory.entries().count(), 7);
    let ignored = |reason: &IgnoredReason| {
        inventory
            .ignored
            .iter()
            .filter(|one| one.reason == *reason)
            .count()
    };
    assert_eq!(ignored(&IgnoredReason::NotEse), 5);
    assert_eq!(ignored(&IgnoredReason::Directory), 1);
}

#[test]
fn pipes_sockets_and_links_never_hang_or_fail_it() {
    let folder = made();
    let outside = tempdir().unwrap();
    write(outside.path(), "b.edb", &database(&header(PageSize::Kib4)));
    let path = folder.path();
    nix::unistd::mkfifo(&path.join("edb00008.log"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path.join("x.edb")).unwrap();
    symlink(outside.path().join("b.edb"), path.join("out.edb")).unwrap();
    symlink("nowhere", path.join("broken.edb")).unwrap();
    symlink("loop.edb", path.join("loop.edb")).unwrap();
    symlink("a.edb", path.join("in.edb")).unwrap();
    let inventory = take(&[path]).unwrap();
    let reason = |name: &str| {
        let found = inventory
            .ignored
            .iter()
            .find(|ignored| ignored.path.ends_with(name));
        &found.unwrap_or_else(|| panic!("{name} is not ignored")).reason
    };
    assert_eq!(*reason("edb00008.log"), IgnoredReason::NotRegular);
    assert_eq!(*reason("x.edb"), IgnoredReason::NotRegular);
    assert_eq!(*reason("out.edb"), IgnoredReason::LinkOutside);
    assert!(matches!(reason("broken.edb"), IgnoredReason::Unreadable(_)));
    assert!(matches!(reason("loop.edb"), IgnoredReason::Unreadable(_)));
    let names: Vec<_> = inventory
        .databases
        .iter()
        .map(|database| &database.entry.file.name)
        .collect();
    assert_eq!(names, ["a.edb"], "the link to it is the same file once more");
    let given = take(&[&path.join("out.edb")]).unwrap();
    assert_eq!(given.databases.len(), 1, "a link that the user names is followed");
}

#[test]
fn a_link_inside_the_folder_is_followed() {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("below")).unwrap();
    write(
        &folder.path().join("below"),
        "real.bin",
        &database(&header(PageSize::Kib4)),
    );
    symlink("below/real.bin", folder.path().join("a.edb")).unwrap();
    assert_eq!(take(&[folder.path()]).unwrap().databases.len(), 1);
}

#[test]
fn names_need_not_be_utf_8() {
    let folder = tempdir().unwrap();
    let name = OsStr::from_bytes(b"\xff\xfe.edb");
    fs::write(folder.path().join(name), database(&header(PageSize::Kib4))).unwrap();
    let (_, session) = begin(folder.path(), AtRestOptions::default()).unwrap();
    read_all(&session, name, 4096).unwrap();
}

#[test]
fn a_folder_without_ese_files_and_a_path_that_is_not_there_are_errors() {
    let folder = tempdir().unwrap();
    assert_eq!(take(&[folder.path()]).unwrap_err().code(), JetErr::FileNotFound);
    write(folder.path(), "a.txt", b"hello");
    let error = take(&[folder.path()]).unwrap_err();
    assert_eq!(error.code(), JetErr::FileNotFound);
    assert!(error.to_string().contains("a.txt"), "{error}");
    assert_eq!(
        take(&[&folder.path().join("gone")]).unwrap_err().code(),
        JetErr::FileNotFound
    );
}

#[test]
fn one_file_is_a_set_of_one_file() {
    let folder = made();
    let inventory = take(&[&folder.path().join("edb00002.log")]).unwrap();
    assert_eq!(inventory.entries().count(), 1);
    assert_eq!(warnings(&inventory), [""; 0]);
}
