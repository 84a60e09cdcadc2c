//! Reads of every kind through a mount give the bytes of the plain file.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use support::{Mount, Samples, amount, seeded, temp_dir};

/// Sets whose databases cover page sizes 4, 16 and 32 KiB, with logs of both kinds of size.
const SETS: [&str; 4] = [
    "genuine-4k.mid.tar.xz/mid",
    "genuine-scenarios.large-pages.tar.xz/p16384_e8920_crash_dirty",
    "genuine-32k.tar.xz/genuine-32k/dirty",
    "srum-win11-dirty",
];

#[test]
fn thirty_two_threads_of_random_reads_meet_no_wrong_byte() {
    let Some(samples) = Samples::find("thirty_two_threads") else {
        return;
    };
    let seed: u64 = seeded("thirty_two_threads", 3).random();
    for name in SETS {
        let set = samples.set(name);
        let mount = Mount::of(&set.dir);
        let files: Vec<(PathBuf, Vec<u8>)> = set
            .files()
            .into_iter()
            .map(|name| (mount.file(&name), fs::read(set.dir.join(name)).unwrap()))
            .collect();
        std::thread::scope(|scope| {
            for thread in 0..32 {
                let files = &files;
                scope.spawn(move || read_at_random(StdRng::seed_from_u64(seed + thread), files));
            }
        });
        mount.umount().succeeds();
    }
    let reads = SETS.len() * 32 * 4 * amount(25, 250);
    support::measured(&format!("{reads} random reads by 32 threads, no wrong byte"));
}

fn read_at_random(mut random: StdRng, files: &[(PathBuf, Vec<u8>)]) {
    for _ in 0..4 {
        let (path, wanted) = &files[random.random_range(0..files.len())];
        let file = File::open(path).unwrap();
        for _ in 0..amount(25, 250) {
            let offset = random.random_range(0..=wanted.len() + 5000);
            let len = random.random_range(0..amount(200_000, 2_000_000));
            assert_read(&file, path, wanted, offset, len);
        }
    }
}

/// Reads `len` bytes at `offset` and compares: less than asked for only at the end of the file.
fn assert_read(file: &File, path: &Path, wanted: &[u8], offset: usize, len: usize) {
    let mut buffer = vec![0xAA; len];
    let mut filled = 0;
    while filled < len {
        match file
            .read_at(&mut buffer[filled..], (offset + filled) as u64)
            .unwrap()
        {
            0 => break,
            bytes => filled += bytes,
        }
    }
    let start = offset.min(wanted.len());
    let end = (offset + len).min(wanted.len()).max(start);
    assert_eq!(filled, end - start, "{} at {offset} + {len}", path.display());
    assert!(
        buffer[..filled] == wanted[start..end],
        "{} at {offset} + {len}",
        path.display()
    );
}

#[test]
fn odd_offsets_and_reads_past_the_end_answer_as_a_plain_file_does() {
    let Some(samples) = Samples::find("odd_offsets") else {
        return;
    };
    for name in SETS {
        let set = samples.set(name);
        let mount = Mount::of(&set.dir);
        for name in set.files() {
            let path = mount.file(&name);
            let wanted = fs::read(set.dir.join(&name)).unwrap();
            let file = File::open(&path).unwrap();
            let end = wanted.len();
            for (offset, len) in [
                (0, 1),
                (1, 1),
                (4095, 2),
                (4097, 8191),
                (end - 1, 1),
                (end - 1, 100),
                (end - 4097, 100_000),
                (end, 1),
                (end + 1, 4096),
                (end * 2, 4096),
                (0, 0),
                (0, end + 1),
            ] {
                assert_read(&file, &path, &wanted, offset, len);
            }
            let mut byte = [0];
            assert_eq!(file.read_at(&mut byte, 1 << 62).unwrap(), 0, "far past the end");
        }
    }
}

#[test]
fn direct_reads_give_the_same_bytes() {
    let Some(samples) = Samples::find("direct_reads") else {
        return;
    };
    for name in SETS {
        let set = samples.set(name);
        let mount = Mount::of(&set.dir);
        for name in set.files() {
            let path = mount.file(&name);
            let wanted = fs::read(set.dir.join(&name)).unwrap();
            let file = File::options()
                .read(true)
                .custom_flags(nix::libc::O_DIRECT)
                .open(&path)
                .unwrap();
            let mut read = Vec::new();
            // Blocks that are neither a page nor what the kernel asks for at once.
            let mut memory = vec![0; 12288 + 4096];
            let aligned = memory.as_ptr().align_offset(4096);
            let buffer = &mut memory[aligned..aligned + 12288];
            loop {
                match file.read_at(buffer, read.len() as u64).unwrap() {
                    0 => break,
                    bytes => read.extend_from_slice(&buffer[..bytes]),
                }
            }
            assert!(read == wanted, "{name} of {}", set.name);
        }
    }
}

#[test]
fn a_mapping_shows_the_same_bytes() {
    let Some(samples) = Samples::find("a_mapping") else {
        return;
    };
    let set = samples.set("genuine-4k/dirty");
    let mount = Mount::of(&set.dir);
    for name in set.files() {
        let wanted = fs::read(set.dir.join(&name)).unwrap();
        let mapping = Mapping::of(&mount.file(&name));
        // Backwards: page faults without read-ahead.
        for at in (0..wanted.len()).step_by(4096).rev() {
            assert_eq!(mapping.bytes()[at], wanted[at], "{name} at {at}");
        }
        assert!(mapping.bytes() == wanted, "{name}");
    }
}

/// A file mapped for reading.
struct Mapping {
    address: std::ptr::NonNull<std::ffi::c_void>,
    len: usize,
}

#[allow(unsafe_code, reason = "mapping a file is what is tested")]
impl Mapping {
    fn of(path: &Path) -> Mapping {
        use nix::sys::mman::{MapFlags, ProtFlags, mmap};
        let file = File::open(path).unwrap();
        let len = usize::try_from(file.metadata().unwrap().len()).unwrap();
        let size = std::num::NonZeroUsize::new(len).unwrap();
        // SAFETY: a new private mapping at an address of the kernel's choice; nothing writes to the source.
        let address =
            unsafe { mmap(None, size, ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE, &file, 0) }.unwrap();
        Mapping { address, len }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: mapped readable for `len` bytes until drop.
        unsafe { std::slice::from_raw_parts(self.address.as_ptr().cast(), self.len) }
    }
}

#[allow(unsafe_code, reason = "mapping a file is what is tested")]
impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping of `of`, unmapped once.
        let _ = unsafe { nix::sys::mman::munmap(self.address, self.len) };
    }
}

#[test]
fn what_was_trusted_is_read_the_same() {
    let Some(samples) = Samples::find("what_was_trusted") else {
        return;
    };
    for name in SETS {
        let set = samples.set(name);
        let mount = support::MountOptions::new(&set.dir).arg("--trust-source").mount();
        let out = temp_dir();
        support::shell("cp -r \"$1\" \"$2/mnt\"", [mount.path(), out.path()]).succeeds();
        for name in set.files() {
            let same = fs::read(out.path().join("mnt").join(&name)).unwrap()
                == fs::read(set.dir.join(&name)).unwrap();
            assert!(same, "{name} of {}", set.name);
        }
        mount.umount().succeeds();
    }
}
