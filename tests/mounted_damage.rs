//! Damage in a mounted file: repaired or refused, always reported, and never spreading to what is not damaged.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use rand::Rng;
use rand::seq::index;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use support::{Bits, Mount, MountOptions, Samples, Set, copy_set, fingerprint, seeded, temp_dir};

/// One set for each page size that genuine databases of the samples have.
const SETS: [&str; 4] = [
    "genuine-4k/clean",
    "srum-win11-dirty-recovered",
    "genuine-scenarios.large-pages.tar.xz/p16384_e8920_types_clean",
    "genuine-32k.tar.xz/genuine-32k/clean",
];

/// The checksum of a page, of its first block on large ones, comes first (database-file.md section 3).
const CHECKSUM_LEN: usize = 8;

/// The flag of a page in the ECC format, and where the flags are (database-file.md section 2.1).
const PAGE_FLAGS: usize = 36;
const NEW_CHECKSUM: u8 = 0x20;

/// A copy of one database of a set, to be damaged.
struct Victim {
    dir: tempfile::TempDir,
    name: String,
    sound: Bits,
    page_size: usize,
    /// Offsets of pages that hold something and that the database owns.
    pages: Vec<usize>,
}

impl Victim {
    fn of(set: &Set) -> Victim {
        let dir = temp_dir();
        let name = set.databases().remove(0);
        let only_database = dir.path().join(&name);
        fs::copy(set.dir.join(&name), &only_database).unwrap();
        let sound = Bits::read(&only_database);
        let page_size = sound.u32_at(236) as usize;
        let owned = owned_len(&only_database, sound.0.len(), page_size);
        let holds_something = |page: &usize| sound.0[*page..*page + page_size].iter().any(|byte| *byte != 0);
        let pages = (2 * page_size..owned)
            .step_by(page_size)
            .filter(holds_something)
            .collect();
        Victim {
            dir,
            name,
            sound,
            page_size,
            pages,
        }
    }

    /// Turns every page into the old XOR format (database-file.md section 2.5), as engines before ECC wrote it.
    fn into_xor_format(mut self) -> Victim {
        assert_eq!(self.page_size, 4096, "larger pages are always in the ECC format");
        for page in self.pages.clone() {
            let pgno = u32::try_from(page / self.page_size - 1).unwrap();
            self.sound.0[page + PAGE_FLAGS + 1] &= !NEW_CHECKSUM;
            self.sound.0[page + 4..page + 8].copy_from_slice(&pgno.to_le_bytes());
            let words = (page + 4..page + self.page_size)
                .step_by(4)
                .map(|at| self.sound.u32_at(at));
            let checksum = words.fold(0x89AB_CDEF, |sum, word| sum ^ word);
            self.sound.0[page..page + 4].copy_from_slice(&checksum.to_le_bytes());
        }
        self
    }

    /// Up to `count` pages chosen by `random`, in order.
    fn some_pages(&self, random: &mut impl Rng, count: usize) -> Vec<usize> {
        let chosen = index::sample(random, self.pages.len(), count.min(self.pages.len()));
        let mut pages: Vec<usize> = chosen.iter().map(|at| self.pages[at]).collect();
        pages.sort_unstable();
        pages
    }

    fn write(&self, bytes: &Bits) {
        fs::write(self.dir.path().join(&self.name), &bytes.0).unwrap();
    }

    fn mount(&self) -> Mount {
        Mount::of(self.dir.path())
    }

    /// Every page is sound, or refused with EIO, and the refused ones are `refused`.
    fn assert_sound_but_for(&self, mount: &Mount, refused: &BTreeSet<usize>) {
        let file = File::open(mount.file(&self.name)).unwrap();
        for offset in (0..self.sound.0.len()).step_by(self.page_size) {
            let mut page = vec![0; self.page_size.min(self.sound.0.len() - offset)];
            match file.read_exact_at(&mut page, offset as u64) {
                Ok(()) => {
                    assert!(
                        !refused.contains(&offset),
                        "{} at {offset:#x}: was not refused",
                        self.name
                    );
                    let same = page == self.sound.0[offset..offset + page.len()];
                    assert!(same, "{} at {offset:#x}: wrong bytes", self.name);
                }
                Err(error) => {
                    assert_eq!(
                        error.raw_os_error(),
                        Some(nix::libc::EIO),
                        "{} at {offset:#x}",
                        self.name
                    );
                    assert!(refused.contains(&offset), "{} at {offset:#x}: refused", self.name);
                }
            }
        }
    }
}

/// The end of the last page that the database owns, as `jetfs info` tells it; the file's end if it does not.
fn owned_len(database: &Path, len: usize, page_size: usize) -> usize {
    let info = support::run(support::jetfs().args(["info", "--json"]).arg(database));
    let owned = serde_json::from_str::<serde_json::Value>(&info.stdout)
        .ok()
        .and_then(|info| info.get("last_owned_page")?.as_u64());
    owned.map_or(len, |pages| {
        len.min((usize::try_from(pages).unwrap() + 2) * page_size)
    })
}

/// Pages of `file` that status.json reports with this outcome, as offsets.
fn reported(mount: &Mount, file: &str, outcome: &str) -> BTreeSet<usize> {
    let status = mount.status();
    let findings = status["findings"].as_array().unwrap();
    findings
        .iter()
        .filter(|finding| finding["file"] == file && finding["outcome"] == outcome)
        .map(|finding| usize::try_from(finding["offset"].as_u64().unwrap()).unwrap())
        .collect()
}

#[test]
fn a_flipped_bit_in_an_ecc_page_is_repaired_and_reported() {
    let Some(samples) = Samples::find("a_flipped_bit_in_an_ecc_page") else {
        return;
    };
    let mut random = seeded("a_flipped_bit_in_an_ecc_page", 11);
    let mut flipped = 0;
    while flipped < 1000 {
        for name in SETS {
            let victim = Victim::of(&samples.set(name));
            let mut damaged = victim.sound.clone();
            let pages = victim.some_pages(&mut random, 100);
            for page in &pages {
                let (byte, bit) = (
                    random.random_range(CHECKSUM_LEN..victim.page_size),
                    random.random_range(0..8),
                );
                println!("{name}: page at {page:#x}, byte {byte}, bit {bit}");
                damaged.flip(page + byte, bit);
            }
            victim.write(&damaged);
            let before = fingerprint(victim.dir.path());
            let mount = victim.mount();
            victim.assert_sound_but_for(&mount, &BTreeSet::new());
            let wanted: BTreeSet<usize> = pages.iter().copied().collect();
            assert_eq!(reported(&mount, &victim.name, "repaired"), wanted, "{name}");
            mount.umount().succeeds();
            assert_eq!(
                fingerprint(victim.dir.path()),
                before,
                "the source keeps its damage"
            );
            flipped += pages.len();
        }
    }
    support::measured(&format!(
        "{flipped} single flipped bits in ECC pages, all repaired and reported"
    ));
}

#[test]
fn a_flipped_bit_in_the_stored_checksum_itself_is_refused_as_the_engine_does() {
    let Some(samples) = Samples::find("a_flipped_bit_in_the_stored_checksum") else {
        return;
    };
    let mut random = seeded("a_flipped_bit_in_the_stored_checksum", 14);
    for name in SETS {
        let victim = Victim::of(&samples.set(name));
        let mut damaged = victim.sound.clone();
        let pages = victim.some_pages(&mut random, 20);
        for page in &pages {
            damaged.flip(
                page + random.random_range(0..CHECKSUM_LEN),
                random.random_range(0..8),
            );
        }
        victim.write(&damaged);
        let mount = victim.mount();
        victim.assert_sound_but_for(&mount, &pages.into_iter().collect());
        mount.umount().exits(6);
    }
}

#[test]
fn a_flipped_bit_in_an_xor_page_is_refused_and_reported() {
    let Some(samples) = Samples::find("a_flipped_bit_in_an_xor_page") else {
        return;
    };
    let mut random = seeded("a_flipped_bit_in_an_xor_page", 12);
    let victim = Victim::of(&samples.set("genuine-4k/clean")).into_xor_format();
    victim.write(&victim.sound);
    let mount = victim.mount();
    victim.assert_sound_but_for(&mount, &BTreeSet::new());
    mount.umount().succeeds();
    let mut flipped = 0;
    while flipped < 1000 {
        let mut damaged = victim.sound.clone();
        let pages = victim.some_pages(&mut random, 100);
        for page in &pages {
            damaged.flip(
                page + random_byte_of_an_xor_page(&mut random, victim.page_size),
                random.random_range(0..8),
            );
        }
        victim.write(&damaged);
        let mount = victim.mount();
        let wanted: BTreeSet<usize> = pages.iter().copied().collect();
        victim.assert_sound_but_for(&mount, &wanted);
        assert_eq!(reported(&mount, &victim.name, "refused"), wanted);
        mount.umount().exits(6);
        flipped += pages.len();
    }
    support::measured(&format!(
        "{flipped} single flipped bits in XOR pages, all refused and reported"
    ));
}

/// Any byte but the one whose bit says which format the page has: with that flipped, the page is judged as ECC.
fn random_byte_of_an_xor_page(random: &mut impl Rng, page_size: usize) -> usize {
    loop {
        let byte = random.random_range(0..page_size);
        if byte != PAGE_FLAGS + 1 {
            return byte;
        }
    }
}

#[test]
fn two_flipped_bits_are_refused_and_the_other_pages_and_files_stay_readable() {
    let Some(samples) = Samples::find("two_flipped_bits") else {
        return;
    };
    let mut random = seeded("two_flipped_bits", 13);
    for name in SETS {
        let set = samples.set(name);
        let victim = Victim::of(&set);
        for other in set.files().iter().filter(|name| **name != victim.name) {
            fs::copy(set.dir.join(other), victim.dir.path().join(other)).unwrap();
        }
        let mut damaged = victim.sound.clone();
        let pages = victim.some_pages(&mut random, 30);
        for page in &pages {
            // The second and third 512-byte quarter: both bits in one block of the multi-block form.
            damaged.flip(page + random.random_range(512..700), random.random_range(0..8));
            damaged.flip(page + random.random_range(700..1024), random.random_range(0..8));
        }
        victim.write(&damaged);
        let mount = victim.mount();
        let wanted: BTreeSet<usize> = pages.iter().copied().collect();
        victim.assert_sound_but_for(&mount, &wanted);
        assert_eq!(reported(&mount, &victim.name, "refused"), wanted, "{name}");
        for other in set.files().iter().filter(|name| **name != victim.name) {
            let same = fs::read(mount.file(other)).unwrap() == fs::read(set.dir.join(other)).unwrap();
            assert!(same, "{other} of {name}");
        }
        let copy = temp_dir();
        let rsync = support::shell("rsync -a \"$1/\" \"$2/\"", [mount.path(), copy.path()]);
        assert_eq!(
            rsync.code,
            Some(23),
            "rsync tells that a file could not be copied: {rsync}"
        );
        mount.umount().exits(6);
    }
}

#[test]
fn allow_damaged_serves_the_bytes_as_they_are_and_reports_them() {
    let Some(samples) = Samples::find("allow_damaged") else {
        return;
    };
    let victim = Victim::of(&samples.set("genuine-4k/clean"));
    let mut damaged = victim.sound.clone();
    let (once, twice) = (victim.pages[3], victim.pages[7]);
    damaged.flip(once + 1000, 0);
    damaged.flip(twice + 1000, 0);
    damaged.flip(twice + 1001, 5);
    victim.write(&damaged);
    let mount = MountOptions::new(victim.dir.path())
        .arg("--allow-damaged")
        .mount();
    let shown = fs::read(mount.file(&victim.name)).unwrap();
    assert_eq!(shown.len(), damaged.0.len());
    let at = twice..twice + victim.page_size;
    assert!(
        shown[at.clone()] == damaged.0[at],
        "the page with two flipped bits comes as it is"
    );
    let told = reported(&mount, &victim.name, "served-damaged");
    assert!(told.contains(&twice), "{told:?}");
}

#[test]
fn a_torn_page_is_refused() {
    let Some(samples) = Samples::find("a_torn_page") else {
        return;
    };
    for name in SETS {
        let victim = Victim::of(&samples.set(name));
        let mut damaged = victim.sound.clone();
        let page = victim.pages[victim.pages.len() / 2];
        damaged.0[page + victim.page_size / 2..page + victim.page_size].fill(0x5A);
        victim.write(&damaged);
        let mount = victim.mount();
        victim.assert_sound_but_for(&mount, &[page].into());
        mount.umount().exits(6);
    }
}

#[test]
fn a_page_at_another_pages_place_is_refused() {
    let Some(samples) = Samples::find("a_page_at_another_pages_place") else {
        return;
    };
    for name in SETS {
        let victim = Victim::of(&samples.set(name));
        let (from, to) = (victim.pages[2], victim.pages[5]);
        let mut damaged = victim.sound.clone();
        damaged.0.copy_within(from..from + victim.page_size, to);
        victim.write(&damaged);
        let mount = victim.mount();
        victim.assert_sound_but_for(&mount, &[to].into());
        mount.umount().exits(6);
    }
}

#[test]
fn a_broken_primary_header_is_replaced_by_the_shadow_and_the_user_is_told() {
    let Some(samples) = Samples::find("a_broken_primary_header") else {
        return;
    };
    for name in SETS {
        let victim = Victim::of(&samples.set(name));
        let mut damaged = victim.sound.clone();
        damaged.0[600..620].fill(0xFF);
        victim.write(&damaged);
        let mount = victim.mount();
        assert!(
            mount.log().contains("header"),
            "a warning at mount: {}",
            mount.log()
        );
        let shown = fs::read(mount.file(&victim.name)).unwrap();
        let page = victim.page_size;
        assert!(
            shown[..page] == victim.sound.0[page..2 * page],
            "the shadow in place of the primary"
        );
        assert!(shown[page..] == victim.sound.0[page..], "the rest as it is");
        assert!(!reported(&mount, &victim.name, "repaired").is_empty());
        mount.umount().succeeds();
    }
}

#[test]
fn a_broken_shadow_header_is_replaced_by_the_primary() {
    let Some(samples) = Samples::find("a_broken_shadow_header") else {
        return;
    };
    for name in SETS {
        let victim = Victim::of(&samples.set(name));
        let mut damaged = victim.sound.clone();
        let page = victim.page_size;
        damaged.0[page + 600..page + 620].fill(0xFF);
        victim.write(&damaged);
        let mount = victim.mount();
        let shown = fs::read(mount.file(&victim.name)).unwrap();
        assert!(shown[..page] == victim.sound.0[..page] && shown[page..2 * page] == victim.sound.0[..page]);
        assert!(shown[2 * page..] == victim.sound.0[2 * page..]);
    }
}

#[test]
fn two_broken_headers_are_refused_with_the_jet_err() {
    let Some(samples) = Samples::find("two_broken_headers") else {
        return;
    };
    for name in SETS {
        let victim = Victim::of(&samples.set(name));
        let mut damaged = victim.sound.clone();
        for header in [0, victim.page_size] {
            damaged.0[header + 600..header + 620].fill(0xFF);
        }
        victim.write(&damaged);
        let refused = MountOptions::new(victim.dir.path())
            .try_mount()
            .expect_err("both headers are broken");
        refused
            .exits(6)
            .complains("JET_errDatabaseCorrupted")
            .complains(&victim.name);
        let mount = MountOptions::new(victim.dir.path())
            .arg("--allow-damaged")
            .mount();
        assert!(
            fs::read(mount.file(&victim.name)).unwrap() == damaged.0,
            "unverified, as it is"
        );
    }
}

#[test]
fn a_damaged_log_is_refused_where_it_is_damaged_and_the_other_logs_stay_readable() {
    let Some(samples) = Samples::find("a_damaged_log") else {
        return;
    };
    for name in ["genuine-4k/clean", "srum-win10-dirty"] {
        let dir = temp_dir();
        let set = samples.set(name);
        copy_set(&set, dir.path());
        let logs: Vec<String> = set
            .files()
            .into_iter()
            .filter(|name| name.ends_with(".log"))
            .collect();
        // An archived log, in its middle.
        let victim = logs.iter().find(|name| name.len() > 10).unwrap();
        let path = dir.path().join(victim);
        support::overwrite(&path, 0x8000 + 100, &[0xA5; 300]);
        let mount = Mount::of(dir.path());
        let file = File::open(mount.file(victim)).unwrap();
        let error = file.read_exact_at(&mut [0; 512], 0x8000).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(nix::libc::EIO));
        let status = mount.status();
        let finding = &status["findings"][0];
        assert_eq!(finding["file"], victim.as_str(), "{finding}");
        assert_eq!(finding["error"], "JET_errLogReadVerifyFailure", "{finding}");
        for other in set.files().iter().filter(|name| *name != victim) {
            assert!(
                fs::read(mount.file(other)).unwrap() == fs::read(set.dir.join(other)).unwrap(),
                "{other}"
            );
        }
        drop(file);
        mount.umount().exits(6);
    }
}
