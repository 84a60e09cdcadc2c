#!/usr/bin/env bash
# Measures the mount side by side with the plain file, and writes docs/benchmarks/mount.md; or the native engine side
# by side with SQLite and redb, and writes docs/benchmarks/engine.md.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'USAGE'
Usage: scripts/bench.sh [--size SIZE] [--rounds N] [--dir DIR] [--copy-to DIR] [--no-report]
       scripts/bench.sh --engine [--rows N] [--rounds N] [--dir DIR] [--no-report]

Makes a database of SIZE (default 2GiB) in DIR (default target/bench), reads it often enough to be in the page
cache, and measures N rounds (default 5) of: dd on the plain file; dd through a new mount (verified); dd again
(kernel cache); dd under --trust-source (passthrough, where root and the kernel allow it); rsync -a of the plain
directory and of the mount to --copy-to DIR (default /dev/shm if it has room, so that no disk is measured);
the time of `jetfs mount`; the peak anonymous memory of the mount process while rsync copies.
Writes medians and ratios to docs/benchmarks/mount.md (mount-tmpfs.md if DIR is on tmpfs) unless --no-report. Run it as root on an idle machine.

With --engine: builds benches/engine, and does N rounds of the same work with jetfs, SQLite and redb in turn, with N
rows (default 1000000) in DIR, which should be on the disk that is meant. Writes docs/benchmarks/engine.md.
USAGE
}

size=2GiB
rounds=5
dir=target/bench
copy_to=
rows=1000000
is_engine=
is_reported=yes
while [ $# -gt 0 ]; do
    case $1 in
        --size) size=$2; shift ;;
        --rounds) rounds=$2; shift ;;
        --dir) dir=$2; shift ;;
        --copy-to) copy_to=$2; shift ;;
        --engine) is_engine=yes ;;
        --rows) rows=$2; shift ;;
        --no-report) is_reported= ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

load_before=$(cut -d' ' -f1 /proc/loadavg)
machine() {
    echo "* Date: $(date -u +%Y-%m-%d), commit $(git rev-parse --short HEAD)"
    echo "* Machine: $(nproc) cores, $(awk '/^model name/ { sub(/^[^:]*: /, ""); print; exit }' /proc/cpuinfo), $(awk '/^MemTotal/ { printf "%d GiB", $2 / 1048576 + 0.5 }' /proc/meminfo), Linux $(uname -r), as $(id -un)"
    echo "* Load when it began: $load_before"
    # What was there before the rounds did not come from here.
    awk -v load="$load_before" 'BEGIN { exit load > 0.5 }' ||
        echo "* **The machine was not idle when this began: do not rely on these numbers.**"
}

# write_report FILE COMMAND: shows what the command prints, and keeps it in the file if that is wanted.
write_report() {
    mkdir -p "$(dirname "$1")"
    if [ -n "$is_reported" ]; then
        "$2" | tee "$1.new"
        mv "$1.new" "$1"
        echo "wrote $1"
    else
        "$2"
    fi
}

engine_results() {
    cat <<RESULTS
# The native engine against SQLite and redb

Written by \`scripts/bench.sh --engine --rows $rows --rounds $rounds\`; medians of $rounds rounds, in brackets the lowest
and highest. The last columns say how many times as good jetfs is as the other: above 1, jetfs is ahead. What is measured,
with which settings, and why it is as it is, says [engine-notes.md](engine-notes.md).

$(machine)

$table
RESULTS
}

if [ -n "$is_engine" ]; then
    manifest=benches/engine/Cargo.toml
    cargo build --quiet --release --manifest-path "$manifest"
    table=$(cargo run --quiet --release --manifest-path "$manifest" -- --rows "$rows" --rounds "$rounds" --dir "$dir")
    write_report docs/benchmarks/engine.md engine_results
    exit 0
fi

cargo build --quiet --release
jetfs=$PWD/target/release/jetfs
mkdir -p "$dir"
dir=$(realpath "$dir")
instance=$dir/instance-$size
if [ ! -d "$instance" ]; then
    rm -rf "$instance.new"
    "$jetfs" demo --size "$size" --seconds 0 --keep "$instance.new" --no-mount
    mv "$instance.new" "$instance"
fi
database=$(find "$instance" -name '*.edb' -size +1M -print -quit)
source=$(dirname "$database")
name=$(basename "$database")
bytes=$(stat --format %s "$database")

if [ -z "$copy_to" ]; then
    copy_to=$dir
    if [ "$(df --output=avail -B1 /dev/shm 2>/dev/null | tail -1)" -gt $((bytes + bytes / 4)) ] 2>/dev/null; then
        copy_to=/dev/shm
    fi
fi
copy=$(mktemp -d "$copy_to/jetfs-bench.XXXXXX")
mount_point=$dir/mnt
mkdir -p "$mount_point"

clean_up() {
    trap - EXIT
    findmnt --noheadings --mountpoint "$mount_point" >/dev/null && "$jetfs" umount "$mount_point" >/dev/null 2>&1
    rm -rf "$copy"
    rm -f "$dir"/sample.*
}
trap clean_up EXIT
trap 'exit 1' INT TERM

now() { date +%s%N; }
# timed COMMAND...: runs it and sets `took` to its microseconds.
timed() {
    local begun
    begun=$(now)
    "$@"
    took=$((($(now) - begun) / 1000))
}
# measure NAME COMMAND...: a sample of NAME, as "microseconds 0".
measure() {
    local what=$1
    shift
    timed "$@"
    echo "$took 0" >>"$dir/sample.$what"
}
# against_plain NAME FILE: reads the plain file, then FILE at once; a sample of NAME is "microseconds ratio". The
# machine may slow down between rounds: a ratio is only worth something between neighbours.
against_plain() {
    local plain
    timed read_all "$database"
    plain=$took
    echo "$plain 1" >>"$dir/sample.plain"
    timed read_all "$2"
    echo "$took $(ratio "$plain" "$took")" >>"$dir/sample.$1"
}
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", a / b }'; }
# column NAME N: that column of the samples, sorted.
column() { awk -v n="$2" '{ print $n }' "$dir/sample.$1" | sort -n; }
middle() { awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
# The median of NAME, in microseconds.
median() { column "$1" 1 | middle | cut -d. -f1; }
# The median ratio of NAME with its lowest and highest.
ratios() { printf '%.2f (%.2f to %.2f)' "$(column "$1" 2 | middle)" "$(column "$1" 2 | head -1)" "$(column "$1" 2 | tail -1)"; }

read_all() { dd if="$1" of=/dev/null bs=1M status=none; }
mount_it() { "$jetfs" mount --quiet "$@" "$source" "$mount_point"; }
umount_it() { "$jetfs" umount "$mount_point" >/dev/null 2>&1; }
copy_all() {
    rsync --archive "$1/" "$copy/out/"
}
daemon_pid() { "$jetfs" status --json "$mount_point" | sed -n 's/^  "pid": \([0-9]*\),.*/\1/p'; }

# Peak of RssAnon in KiB while a command runs.
anonymous_peak() {
    local pid peak=0 now_kib child
    pid=$(daemon_pid)
    "$@" &
    child=$!
    while kill -0 "$child" 2>/dev/null; do
        now_kib=$(awk '/^RssAnon/ { print $2 }' "/proc/$pid/status")
        [ "$now_kib" -le "$peak" ] || peak=$now_kib
        sleep 0.05
    done
    wait "$child"
    echo "$peak" >>"$dir/sample.anonymous_kib"
}

rm -f "$dir"/sample.*
read_all "$database"
for ((round = 1; round <= rounds; round++)); do
    echo "round $round of $rounds"
    measure mount mount_it
    against_plain first "$mount_point/$name"
    against_plain second "$mount_point/$name"
    umount_it

    mount_it --trust-source
    against_plain trusted_first "$mount_point/$name"
    against_plain trusted "$mount_point/$name"
    umount_it

    rm -rf "${copy:?}/out"
    timed copy_all "$source"
    plain_copy=$took
    rm -rf "${copy:?}/out"
    mount_it
    timed anonymous_peak copy_all "$mount_point"
    echo "$took $(ratio "$took" "$plain_copy")" >>"$dir/sample.rsync"
    umount_it
done

speed() { awk -v us="$1" -v bytes="$bytes" 'BEGIN { printf "%.2f", bytes / 1073741824 / (us / 1e6) }'; }
# row TEXT NAME TARGET: a read against dd on the plain file.
row() { echo "| $1 | $(speed "$(median "$2")") GiB/s | $(ratios "$2") | $3 |"; }
file_system=$(stat --file-system --format %T "$database" | sed 's|ext2/ext3|ext4|')
peak_mib=$(sort -n "$dir/sample.anonymous_kib" | tail -1 | awk '{ printf "%.1f", $1 / 1024 }')

results() {
    cat <<RESULTS
# The mount against the plain file

Written by \`scripts/bench.sh --size $size --rounds $rounds\`; medians of $rounds rounds. Each ratio is
to a run on the plain file just before; in brackets the lowest and highest.

$(machine)
* Database: $name, $bytes bytes, in the page cache of $file_system; rsync copies to $copy_to

| what | speed | against dd on the plain file | wanted |
|---|---|---|---|
| dd on the plain file | $(speed "$(median plain)") GiB/s | 1.00 | |
$(row "first read through the mount, verified page by page" first "at least 0.27")
$(row "second read, from the kernel's cache" second "at least 0.7")
$(row "first read under --trust-source, verified before" trusted_first "")
$(row "later read under --trust-source, passed through" trusted "at least 0.9")

| what | measured | wanted |
|---|---|---|
| rsync -a of the mount against rsync -a of the plain directory | $(ratios rsync) times as long | at most 1.3 |
| \`jetfs mount\` until the mount answers | $(($(median mount) / 1000)) ms | under 50 ms |
| highest anonymous memory of the mount process while rsync copies | $peak_mib MiB | under 64 MiB |
RESULTS
}

# A file system whose cache has large pages (ext4, xfs) reads a plain file up to twice as fast as one whose cache has
# small ones (tmpfs), as that of FUSE has: so both are worth measuring, and have a report each.
report=mount.md
[ "$file_system" != tmpfs ] || report=mount-tmpfs.md
write_report "docs/benchmarks/$report" results
