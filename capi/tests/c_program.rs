//! A program in C makes an instance and a whole backup of it, by the published names; what it copied restores.
#![cfg(test)]

use jetfs::format::Value;
use jetfs::io::{FileSystem, OpenMode, RealClock, RealFileSystem};
use jetfs::restore::{RestoreOptions, RestorePlan, RestoreRequest};
use jetfs::store::{Database, Schema, SpillDirectory, Table};
use jetfs::verify::deep;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

const ROWS: usize = 300;

/// Where Cargo puts the library beside this program.
fn libraries() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().to_path_buf()
}

/// Compiles the program; `None` without a compiler, which is told.
fn compiled(into: &Path) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if Command::new("cc").arg("--version").output().is_err() {
        let required = std::env::var_os("JETFS_REQUIRE_TOOLS").is_some_and(|value| value == "1");
        assert!(!required, "there is no C compiler");
        println!("skipped: there is no C compiler");
        return None;
    }
    let (program, libraries) = (into.join("program"), libraries());
    let mut compile = Command::new("cc");
    compile
        .args([
            "-std=c11",
            "-Wall",
            "-Wextra",
            "-Wno-unused-value",
            "-Werror",
            "-I",
        ])
        .arg(root.join("include"))
        .arg(root.join("tests/program.c"))
        .arg("-o")
        .arg(&program)
        .arg("-L")
        .arg(&libraries)
        .arg("-ljetfs_esent")
        .arg(format!("-Wl,-rpath,{}", libraries.display()));
    let output = compile.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(program)
}

fn restored(set: &Path, destination: &Path) {
    let request = RestoreRequest {
        sets: vec![set.to_path_buf()],
        destination: destination.to_path_buf(),
        ..RestoreRequest::default()
    };
    let plan = RestorePlan::new(&RealFileSystem, &request).unwrap();
    let options = RestoreOptions {
        memory: 64 << 20,
        spill: SpillDirectory {
            fs: Arc::new(RealFileSystem),
            directory: std::env::temp_dir(),
        },
        time: None,
    };
    let restored = plan.replay(options, &mut |_| Ok(())).unwrap();
    restored
        .write(&RealFileSystem, &RealClock, &mut |_| Ok(()))
        .unwrap();
}

/// All rows are there, in order, and nothing else.
fn assert_rows(path: &Path) {
    let file = RealFileSystem.open(path, OpenMode::ReadOnly).unwrap();
    let database = Database::open(file, path).unwrap();
    let report = deep::check(&database, deep::Limits::default(), &|| ()).unwrap();
    assert_eq!(report.damage, 0, "{:#?}", report.findings);
    let schema = Schema::load(&database).unwrap();
    let table = Table::open(&database, &schema, "t").unwrap();
    let rows = table.rows().unwrap().map(|row| {
        let values = row.unwrap().values;
        match (values[0].as_ref().unwrap(), values[1].as_ref().unwrap()) {
            (Value::Long(1), Value::Binary(bytes)) => assert_eq!(bytes, b"new"),
            (Value::Long(number), Value::Binary(bytes)) => {
                let len = number * 7 % 3000 + 1;
                let byte = u8::try_from(number % 251).unwrap();
                assert_eq!(*bytes, vec![byte; usize::try_from(len).unwrap()]);
            }
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(rows.count(), ROWS);
}

fn run(form: &str) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let Some(program) = compiled(directory.path()) else {
        return;
    };
    let instance = directory.path().join("instance");
    std::fs::create_dir(&instance).unwrap();
    let ran = Command::new(program).arg(form).arg(&instance).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let destination = directory.path().join("restored");
    restored(&instance.join("set"), &destination);
    for name in ["a.edb", "b.edb"] {
        assert_rows(&destination.join(name));
        if form == "instance" {
            assert_rows(&instance.join("restored-in-c").join(name));
        }
    }
}

#[test]
fn a_c_program_backs_an_instance_up_by_its_handle_and_the_set_restores() {
    run("instance");
}

#[test]
fn a_c_program_backs_its_only_instance_up_without_a_handle_and_the_set_restores() {
    run("legacy");
}
