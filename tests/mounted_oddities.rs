//! Input that nobody meant to give: a clear error or a harmless answer, no hang, no crash, nothing written.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use rand::RngCore;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use support::{
    Mount, MountOptions, Samples, amount, copy_set, fingerprint, jetfs, names_in, run, seeded, shell,
    temp_dir,
};

/// A writable copy of a small set.
fn copied(samples: &Samples, name: &str) -> tempfile::TempDir {
    let dir = temp_dir();
    copy_set(&samples.set(name), dir.path());
    dir
}

/// Mounts if jetfs is willing, reads all it can, unmounts; fails the test on a hang, a crash or a write.
fn survives(source: &Path) -> Option<String> {
    let before = fingerprint(source);
    let told = match MountOptions::new(source).try_mount() {
        Ok(mount) => {
            shell(
                "cp -r \"$1/.\" /dev/null; for f in \"$1\"/*; do cat \"$f\"; done >/dev/null",
                [mount.path()],
            );
            let log = mount.log();
            assert!(!log.contains("panicked"), "{log}");
            assert!(
                mount.is_mounted() && !mount.status().is_null(),
                "the mount still answers"
            );
            let ended = mount.umount();
            assert!(matches!(ended.code, Some(0 | 6)), "{ended}");
            None
        }
        Err(refused) => Some(refused.fails().stderr),
    };
    assert_eq!(fingerprint(source), before, "the source was written to");
    told
}

#[test]
fn files_cut_anywhere_are_shown_or_refused_without_a_crash() {
    let Some(samples) = Samples::find("files_cut_anywhere") else {
        return;
    };
    let mut random = seeded("files_cut_anywhere", 21);
    for name in ["srum-server2022-day0", "esedb-4k"] {
        let names = samples.set(name).files();
        for _ in 0..amount(12, 300) {
            let dir = copied(&samples, name);
            let victim = &names[random.next_u32() as usize % names.len()];
            let path = dir.path().join(victim);
            let len = fs::metadata(&path).unwrap().len();
            let cut = match random.next_u32() % 3 {
                0 => u64::from(random.next_u32()) % 9000,
                1 => len - 1 - u64::from(random.next_u32()) % 5000,
                _ => u64::from(random.next_u32()) % len,
            };
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_len(cut.min(len))
                .unwrap();
            println!("{victim} of {name} cut to {cut}");
            if let Some(told) = survives(dir.path()) {
                assert!(told.contains(victim.as_str()), "names the file: {told}");
            }
        }
    }
}

#[test]
fn zero_length_files_are_survived() {
    let Some(samples) = Samples::find("zero_length_files") else {
        return;
    };
    for victim in samples.set("srum-server2022-day0").files() {
        let dir = copied(&samples, "srum-server2022-day0");
        File::options()
            .write(true)
            .open(dir.path().join(&victim))
            .unwrap()
            .set_len(0)
            .unwrap();
        if let Some(told) = survives(dir.path()) {
            assert!(told.contains(&victim), "names the file: {told}");
        }
    }
}

#[test]
fn a_directory_of_other_files_is_refused_and_so_is_an_empty_one() {
    let dir = temp_dir();
    let told = survives(dir.path()).expect("nothing to show");
    assert!(told.contains(dir.path().to_str().unwrap()), "{told}");
    fs::write(dir.path().join("letter.txt"), "Dear").unwrap();
    fs::create_dir(dir.path().join("photos.edb")).unwrap();
    survives(dir.path()).expect("nothing to show");
}

#[test]
fn ten_megabytes_of_random_bytes_are_refused_whatever_their_name() {
    let mut bytes = vec![0; 10 << 20];
    seeded("ten_megabytes", 22).fill_bytes(&mut bytes);
    for name in [
        "noise.edb",
        "SRUDB.dat",
        "edb00000001.log",
        "edb.chk",
        "noise.bin",
    ] {
        let dir = temp_dir();
        fs::write(dir.path().join(name), &bytes).unwrap();
        let told = survives(dir.path()).expect("nothing of it can be shown");
        assert!(told.contains(name) || name == "noise.bin", "{told}");
        let refused = run(jetfs().arg("verify").arg(dir.path().join(name)));
        // Recovery does without a checkpoint: verify reports it, and goes on.
        let refused = if name == "edb.chk" {
            refused.succeeds()
        } else {
            refused.fails()
        };
        assert!(
            refused.stderr.contains(name) || refused.stdout.contains(name),
            "{refused}"
        );
    }
}

#[test]
fn a_symbolic_link_out_of_the_directory_is_not_followed() {
    let Some(samples) = Samples::find("a_symbolic_link") else {
        return;
    };
    let (dir, outside) = (
        copied(&samples, "srum-server2022-day0"),
        copied(&samples, "esedb-4k"),
    );
    symlink(outside.path().join("basic.edb"), dir.path().join("secret.edb")).unwrap();
    symlink("/etc/passwd", dir.path().join("passwd.edb")).unwrap();
    symlink("loop.edb", dir.path().join("loop.edb")).unwrap();
    symlink("nowhere.edb", dir.path().join("dangling.edb")).unwrap();
    let mount = Mount::of(dir.path());
    let names = names_in(mount.path());
    for name in ["secret.edb", "passwd.edb", "loop.edb", "dangling.edb"] {
        assert!(!names.contains(&name.to_owned()), "{names:?}");
    }
    let told = format!("{} {}", mount.log(), mount.status());
    assert!(told.contains("secret.edb"), "reported: {told}");
    mount.umount().succeeds();
}

#[test]
fn a_name_that_is_not_utf8_is_shown_and_copied() {
    let Some(samples) = Samples::find("a_name_that_is_not_utf8") else {
        return;
    };
    let dir = temp_dir();
    let name = OsStr::from_bytes(b"B\xFCro \xE4.edb");
    fs::copy(
        samples.set("esedb-4k").dir.join("basic.edb"),
        dir.path().join(name),
    )
    .unwrap();
    let mount = Mount::of(dir.path());
    let out = temp_dir();
    shell("rsync -a \"$1/\" \"$2/\"", [mount.path(), out.path()]).succeeds();
    assert!(fs::read(out.path().join(name)).unwrap() == fs::read(dir.path().join(name)).unwrap());
    run(jetfs().args(["status", "--json"]).arg(mount.path()))
        .succeeds()
        .json();
    mount.umount().succeeds();
}

#[test]
fn a_file_that_shrinks_while_mounted_gives_errors_and_a_report() {
    let Some(samples) = Samples::find("a_file_that_shrinks") else {
        return;
    };
    let dir = copied(&samples, "genuine-4k/clean");
    let mount = Mount::of(dir.path());
    let file = File::open(mount.file("test.edb")).unwrap();
    file.read_exact_at(&mut [0; 4096], 0).unwrap();
    File::options()
        .write(true)
        .open(dir.path().join("test.edb"))
        .unwrap()
        .set_len(1 << 20)
        .unwrap();
    let error = file.read_exact_at(&mut [0; 4096], 2 << 20).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(nix::libc::EIO));
    assert_reported_as_changed(&mount, "test.edb");
    let other = mount.file("edb00000001.log");
    assert!(fs::read(&other).is_ok(), "other files stay readable");
}

#[test]
fn a_file_that_is_written_while_mounted_gives_errors_not_mixed_bytes() {
    let Some(samples) = Samples::find("a_file_that_is_written") else {
        return;
    };
    let dir = copied(&samples, "genuine-4k/clean");
    let mount = Mount::of(dir.path());
    let file = File::open(mount.file("test.edb")).unwrap();
    file.read_exact_at(&mut [0; 4096], 0).unwrap();
    support::overwrite(&dir.path().join("test.edb"), 2 << 20, &[7; 100]);
    let error = file.read_exact_at(&mut [0; 4096], 1 << 20).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(nix::libc::EIO));
    assert_reported_as_changed(&mount, "test.edb");
}

#[test]
fn a_file_that_is_replaced_while_mounted_gives_errors_or_the_old_bytes() {
    let Some(samples) = Samples::find("a_file_that_is_replaced") else {
        return;
    };
    let dir = copied(&samples, "genuine-4k/clean");
    let old = fs::read(dir.path().join("test.edb")).unwrap();
    let mount = Mount::of(dir.path());
    fs::copy(
        samples.set("genuine-4k/dirty").dir.join("test.edb"),
        dir.path().join("new"),
    )
    .unwrap();
    fs::rename(dir.path().join("new"), dir.path().join("test.edb")).unwrap();
    let mut seen = Vec::new();
    match File::open(mount.file("test.edb")).and_then(|mut file| file.read_to_end(&mut seen)) {
        Ok(_) => assert!(
            seen == old,
            "bytes of the new file under the attributes of the old one"
        ),
        Err(error) => assert_eq!(error.raw_os_error(), Some(nix::libc::EIO)),
    }
}

#[test]
fn a_file_that_is_removed_while_mounted_gives_errors_or_the_old_bytes() {
    let Some(samples) = Samples::find("a_file_that_is_removed") else {
        return;
    };
    let dir = copied(&samples, "genuine-4k/clean");
    let old = fs::read(dir.path().join("edb.log")).unwrap();
    let mount = Mount::of(dir.path());
    fs::remove_file(dir.path().join("edb.log")).unwrap();
    match fs::read(mount.file("edb.log")) {
        Ok(seen) => assert!(seen == old),
        Err(error) => assert_eq!(error.raw_os_error(), Some(nix::libc::EIO)),
    }
}

fn assert_reported_as_changed(mount: &Mount, name: &str) {
    let status = mount.status();
    let findings = status["findings"].as_array().unwrap();
    let told = findings
        .iter()
        .any(|finding| finding["file"] == name && finding["outcome"] == "refused");
    assert!(told, "the change is reported: {status}");
}

#[test]
fn without_fuse_mount_says_what_is_missing() {
    let Some(samples) = Samples::find("without_fuse") else {
        return;
    };
    let dir = temp_dir();
    let source = samples.set("esedb-4k").dir;
    let hidden = "mount -t tmpfs none /dev && exec \"$JETFS\" mount \"$1\" \"$2\"";
    let script = format!("unshare --mount --propagation private bash -c '{hidden}' bash \"$1\" \"$2\"");
    if shell("unshare --mount true", [""]).code != Some(0) {
        return support::skip("without_fuse", "needs root");
    }
    let ended = shell(&script, [source.as_path(), dir.path()]).fails();
    assert!(ended.stderr.to_lowercase().contains("fuse"), "{ended}");
}

#[test]
fn sources_that_do_not_exist_are_named() {
    let dir = temp_dir();
    let missing = dir.path().join("no-such-instance");
    let refused = MountOptions::new(&missing)
        .try_mount()
        .expect_err("nothing there")
        .fails();
    assert!(refused.stderr.contains("no-such-instance"), "{refused}");
}
