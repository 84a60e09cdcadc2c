#!/usr/bin/env bash
# Backs up the files of an ESE instance: mounts SOURCE with jetfs, copies the mount to DEST with rsync, verifies the
# copy, and unmounts. Made for cron and systemd: quiet when all is well, one exit code that says how it went.
set -uo pipefail

usage() {
    cat <<'USAGE'
Usage: backup-rsync.sh [OPTIONS] SOURCE DEST

Mounts SOURCE (the directory of an instance that nobody has open, or one ESE file) with jetfs, copies the mount
to the directory DEST with rsync, verifies the copy, and unmounts. DEST must be new, empty, or an earlier backup.
Files that SOURCE no longer has are deleted from it, but only after everything else was copied. While it is not
complete, DEST has no backup.json.

Options:
  --mount-option ARG  an argument for `jetfs mount`, for example --mount-option=--log-dir=/data/logs (may be repeated)
  --rsync-option ARG  an argument for rsync, for example --rsync-option=--bwlimit=10m (may be repeated)
  --no-verify         do not read the copy again to verify it
  -v, --verbose       say what is being done
  -h, --help          this text

Environment: JETFS (default: jetfs) and RSYNC (default: rsync) name the programs; TMPDIR holds the mount point.

Exit codes: 0 done, DEST is a verified copy; 1 failed (rsync's own code is on stderr); 2 usage; 3 refused;
4 busy; 5 incomplete or aborted; 6 damaged data found. DEST is not to be relied on unless it is 0.
USAGE
}

say() { [ "$verbose" = no ] || printf '%s\n' "$*"; }
complain() { printf 'backup-rsync: %s\n' "$*" >&2; }
die() {
    local code=$1
    shift
    complain "$*"
    exit "$code"
}

jetfs=${JETFS:-jetfs}
rsync=${RSYNC:-rsync}
mount_options=()
rsync_options=()
verify=yes
verbose=no
mount_point=
child=

read_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
            --mount-option) mount_options+=("${2?"$1 needs an argument"}"); shift ;;
            --mount-option=*) mount_options+=("${1#*=}") ;;
            --rsync-option) rsync_options+=("${2?"$1 needs an argument"}"); shift ;;
            --rsync-option=*) rsync_options+=("${1#*=}") ;;
            --no-verify) verify=no ;;
            -v | --verbose) verbose=yes ;;
            -h | --help) usage; exit 0 ;;
            --) shift; break ;;
            -*) usage >&2; die 2 "unknown option $1" ;;
            *) break ;;
        esac
        shift
    done
    [ $# -eq 2 ] || { usage >&2; die 2 "SOURCE and DEST are needed"; }
    source=$1
    dest=$2
}

# A command that a signal to this script interrupts: bash would otherwise wait for it before it runs a trap.
interruptible() {
    "$@" &
    child=$!
    wait "$child"
    local code=$?
    child=
    return "$code"
}

# By the kernel's table: a mount whose process died cannot be asked itself.
is_mounted() { findmnt --noheadings --mountpoint "$mount_point" >/dev/null; }

# The mount answers and its set is complete. Anything else must never be taken for an empty source.
assert_answers() {
    is_mounted || die 5 "$mount_point is no longer mounted; nothing was deleted from $dest"
    cat -- "$mount_point/.jetfs/status.json" >/dev/null 2>&1 ||
        die 5 "the mount does not answer; nothing was deleted from $dest"
    [ -s "$mount_point/backup.json" ] || die 5 "the mount has no backup.json: the set is not complete"
}

clean_up() {
    local code=$?
    trap - EXIT
    trap '' INT TERM HUP
    rm -f -- "$report"
    if [ -n "$child" ]; then
        kill -TERM "$child" 2>/dev/null
        wait "$child" 2>/dev/null
    fi
    if [ -n "$mount_point" ] && is_mounted; then
        "$jetfs" umount "$mount_point" >/dev/null 2>&1 || umount --lazy -- "$mount_point" 2>/dev/null ||
            fusermount3 -u -z -- "$mount_point" 2>/dev/null || complain "$mount_point is still mounted"
    fi
    # Only directories that are empty: nothing below a mount can be meant.
    [ -z "$mount_point" ] || rmdir -- "$mount_point" "${mount_point%/*}" 2>/dev/null
    exit "$code"
}

interrupted() {
    complain "interrupted by SIG$1; DEST may be incomplete"
    exit 5
}

mount_source() {
    local dir
    dir=$(mktemp -d "${TMPDIR:-/tmp}/jetfs-backup.XXXXXXXX") || die 1 "cannot create a mount point"
    # Below a directory of its own: whoever looks at a moment when nothing is mounted finds no backup there.
    mount_point=$(realpath -- "$dir")/mnt
    mkdir -- "$mount_point" || die 1 "cannot create $mount_point"
    local quiet=--quiet code
    [ "$verbose" = no ] || quiet=
    "$jetfs" mount ${quiet:+"$quiet"} "${mount_options[@]}" "$source" "$mount_point"
    code=$?
    [ "$code" -eq 0 ] || die "$code" "cannot mount $source"
    assert_answers
}

# rsync makes the copy durable itself from 3.2.4 on; before, the file system is synchronised after.
fsync_option() { "$rsync" --help 2>/dev/null | grep -q -- '--fsync' && echo --fsync; }

# rsync from inside the mount: were it unmounted meanwhile, `.` would still be the dead mount, which gives errors,
# and never the empty directory below it.
# Runs in a process of its own, which becomes rsync.
rsync_from_inside() {
    cd -- "$mount_point" && [ -s backup.json ] || exit 5
    exec "$rsync" "$@" ./ "$dest/"
}

# Takes DEST's backup.json away until the copy is complete. What is no backup is not mirrored over.
begin_copy() {
    local marker=$dest/backup.json.incomplete
    if [ -e "$dest/backup.json" ]; then
        mv -- "$dest/backup.json" "$marker" || die 1 "cannot write to $dest"
    elif [ -z "$(find "$dest" -mindepth 1 -print -quit)" ]; then
        touch -- "$marker" || die 1 "cannot write to $dest"
    elif [ ! -e "$marker" ]; then
        die 3 "$dest holds something that is no backup, and what SOURCE does not have would be deleted from it"
    fi
}

# First everything but backup.json; when that went well, backup.json and the deletions. With an error rsync deletes
# nothing.
copy() {
    local options fsync
    fsync=$(fsync_option)
    options=(--archive ${fsync:+"$fsync"} "${rsync_options[@]}")
    say "copying to $dest"
    interruptible rsync_from_inside "${options[@]}" --exclude=/backup.json || explain_failed_copy $?
    assert_answers
    interruptible rsync_from_inside "${options[@]}" --delete-after || explain_failed_copy $?
    [ -n "$fsync" ] || sync --file-system -- "$dest" || die 1 "cannot synchronise $dest"
}

# rsync's code does not tell damage from a dead mount; how the backup ends does.
explain_failed_copy() {
    local code=$1 outcome
    complain "rsync ended with $code; nothing was deleted from $dest"
    is_mounted || die 5 "the mount is gone"
    "$jetfs" umount "$mount_point"
    outcome=$?
    case $outcome in
        0) exit 1 ;;
        *) exit "$outcome" ;;
    esac
}

verify_copy() {
    say "verifying $dest"
    interruptible "$jetfs" verify --require-manifest "$dest" >"$report" 2>&1
    local code=$?
    if [ "$code" -ne 0 ]; then
        cat -- "$report" >&2
        die "$code" "the copy in $dest does not verify"
    fi
}

end_backup() {
    "$jetfs" umount "$mount_point" >"$report" 2>&1
    local code=$?
    if [ "$code" -ne 0 ] || [ "$verbose" = yes ]; then
        cat -- "$report" >&2
    fi
    [ "$code" -eq 0 ] || die "$code" "the backup did not end well"
}

read_arguments "$@"
for tool in "$jetfs" "$rsync" findmnt realpath; do
    command -v "$tool" >/dev/null || die 1 "$tool is not installed"
done
[ -e "$source" ] || die 1 "there is no $source"
dest=$(realpath --canonicalize-missing -- "$dest")
case $dest/ in
    "$(realpath -- "$source")"/*) die 3 "$dest is inside of $source, which is never written to" ;;
esac
mkdir -p -- "$dest" || die 1 "cannot create $dest"

report=$(mktemp) || die 1 "cannot create a temporary file"
trap clean_up EXIT
trap 'interrupted INT' INT
trap 'interrupted TERM' TERM
trap 'interrupted HUP' HUP

mount_source
begin_copy
copy
[ "$verify" = no ] || verify_copy
end_backup
say "done"
