//! Called by mount(8): `mount -t fuse.jetfs SOURCE DIR -o …`, fstab, systemd's mount units.
//!
//! mount(8) runs `mount.fuse.jetfs SOURCE DIR [-sfnv] [-t TYPE] -o OPTIONS` if a link of that name to jetfs exists;
//! otherwise mount.fuse3(8), which runs `jetfs SOURCE DIR -o OPTIONS`.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The command line as the parser knows it; unchanged if it does not come from mount(8).
pub(crate) fn translate(arguments: Vec<OsString>) -> Vec<OsString> {
    if !is_from_mount(&arguments) {
        return arguments;
    }
    let mut rest = arguments.into_iter();
    let mut translated: Vec<OsString> = rest.next().into_iter().chain(["mount".into()]).collect();
    while let Some(argument) = rest.next() {
        if argument == "-t" {
            rest.next();
        } else if argument == "-o" {
            translated.push(argument);
            translated.extend(rest.next());
        } else if !is_flags_of_mount(&argument) {
            translated.push(argument);
        }
    }
    translated
}

fn is_from_mount(arguments: &[OsString]) -> bool {
    let name = arguments.first().and_then(|name| Path::new(name).file_name());
    if name.is_some_and(|name| name.as_encoded_bytes().starts_with(b"mount.")) {
        return true;
    }
    // No subcommand holds a slash, and mount.fuse3 always passes options.
    let first = arguments.get(1).map(|first| first.as_encoded_bytes());
    first.is_some_and(|first| first.contains(&b'/') && !first.starts_with(b"-"))
        && arguments.iter().any(|argument| argument == "-o")
}

/// Such as `-n` (no mtab), `-s` (sloppy), `-v` (verbose).
fn is_flags_of_mount(argument: &OsStr) -> bool {
    match argument.as_encoded_bytes() {
        [b'-', flags @ ..] => !flags.is_empty() && flags.iter().all(|flag| b"nsvN".contains(flag)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(line: &str) -> String {
        let arguments = line.split(' ').map(OsString::from).collect();
        translate(arguments).join(OsStr::new(" ")).into_string().unwrap()
    }

    #[test]
    fn a_call_of_mount_becomes_the_subcommand() {
        assert_eq!(
            translated("/sbin/mount.fuse.jetfs /srv/ad /mnt -n -v -t fuse.jetfs -o rw,nodev"),
            "/sbin/mount.fuse.jetfs mount /srv/ad /mnt -o rw,nodev"
        );
        assert_eq!(
            translated("jetfs /srv/ad /mnt -o ro"),
            "jetfs mount /srv/ad /mnt -o ro"
        );
    }

    #[test]
    fn other_command_lines_stay() {
        for line in [
            "jetfs mount /srv/ad /mnt -o ro",
            "jetfs status",
            "jetfs --json status",
        ] {
            assert_eq!(translated(line), line);
        }
    }
}
