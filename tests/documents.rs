//! The documents are true: what they name exists.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use support::{jetfs, run, workspace_root};

/// What stands between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn document(name: &str) -> String {
    fs::read_to_string(workspace_root().join(name)).unwrap()
}

#[test]
fn every_promise_of_the_semantics_is_proven_by_a_test_that_exists() {
    let mut tests = BTreeSet::new();
    for directory in ["tests", "src", "capi"] {
        collect_test_names(&workspace_root().join(directory), &mut tests);
    }
    let semantics = document("docs/semantics.md");
    let rows = semantics
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| promise"));
    for row in rows {
        let proofs = row.rsplit('|').nth(1).unwrap();
        assert!(quoted(proofs).count() > 0, "no test: {row}");
        for test in quoted(proofs) {
            assert!(tests.contains(test), "there is no test {test}: {row}");
        }
    }
}

fn collect_test_names(dir: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_test_names(&path, names);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let after_attribute = text.split("#[test]").skip(1);
            names.extend(after_attribute.filter_map(|rest| {
                let (_, name) = rest.split_once("fn ")?;
                Some(name.split_once('(')?.0.to_owned())
            }));
        }
    }
}

#[test]
fn every_command_in_the_readme_exists_with_its_options() {
    let readme = document("README.md");
    let examples = readme.split("```").skip(1).step_by(2).flat_map(str::lines);
    for line in examples {
        let Some(command) = line.trim_start_matches("$ ").strip_prefix("jetfs ") else {
            continue;
        };
        let words: Vec<&str> = command.split('#').next().unwrap().split_whitespace().collect();
        let help = run(jetfs().args([words[0], "--help"])).succeeds().stdout;
        for option in words.iter().filter(|word| word.starts_with("--")) {
            assert!(
                help.contains(option),
                "`jetfs {command}`: {option} is not in the help"
            );
        }
    }
}

#[test]
fn the_readme_names_every_subcommand() {
    let help = run(jetfs().arg("--help")).succeeds().stdout;
    let commands = help
        .split("Commands:")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    let readme = document("README.md");
    for line in commands
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
    {
        let name = line.split_whitespace().next().unwrap();
        let named = readme.contains(&format!("jetfs {name}")) || readme.contains(&format!("-- {name}"));
        assert!(named || name == "help", "README.md does not name `jetfs {name}`");
    }
}

#[test]
fn files_that_the_documents_name_exist() {
    for name in [
        "README.md",
        "CHANGELOG.md",
        "docs/architecture.md",
        "docs/semantics.md",
        "docs/dependencies.md",
    ] {
        let text = document(name);
        let paths = quoted(&text).filter(|word| {
            ["docs/", "scripts/", "tests/", "src/", "mount/"]
                .iter()
                .any(|start| word.starts_with(start))
        });
        for path in paths {
            let file = path.split_whitespace().next().unwrap();
            assert!(workspace_root().join(file).exists(), "{name}: there is no {file}");
        }
    }
}

#[test]
fn every_dependency_is_explained() {
    let explained = document("docs/dependencies.md");
    for manifest in ["Cargo.toml", "mount/Cargo.toml"] {
        let manifest = document(manifest);
        let sections = manifest.split("\n[").filter(|section| {
            section.starts_with("dependencies]") || section.starts_with("dev-dependencies]")
        });
        for line in sections.flat_map(|section| section.lines().skip(1)) {
            let Some((name, _)) = line.split_once(['.', ' ', '=']) else {
                continue;
            };
            let own = name == "jetfs" || name.starts_with('#');
            assert!(
                own || explained.contains(name),
                "docs/dependencies.md does not explain {name}"
            );
        }
    }
}
