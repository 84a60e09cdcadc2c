#!/usr/bin/env bash
# Runs every test and prints how many passed, failed and were skipped.
#
# Usage: scripts/test.sh [--full]
#   --full   the long numbers instead of seeded samples of them; writes docs/test-results.md
#
# Environment:
#   JETFS_SAMPLES            genuine ESE files (default ../shared/samples beside the repository)
#   JETFS_REQUIRE_SAMPLES=1  fail instead of skipping where they are missing
#   JETFS_REQUIRE_TOOLS=1    fail instead of skipping where a third-party tool is missing
#   JETFS_SEED=N             another seed for the random tests
#   JETFS_FUZZ_SECONDS=N     how long the parsers get mutated input (default 10; with --full 300)
set -euo pipefail
cd "$(dirname "$0")/.."

full=no
case "${1-}" in
    --full) full=yes; export JETFS_FULL=1 JETFS_FUZZ_SECONDS=${JETFS_FUZZ_SECONDS:-300} ;;
    "") ;;
    *) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

output=target/test-output.txt
skipped_list=target/skipped-tests.txt
mkdir -p target
rm -f "$skipped_list" target/test-measured.txt
started=$SECONDS

scripts/install-test-tools.sh
# Tests in Rust call python3: let it be the one that has the readers.
[ ! -d target/test-venv ] || export PATH=$PWD/target/test-venv/bin:$PATH
[ "${JETFS_REQUIRE_TOOLS-}" != 1 ] || export JETFS_REQUIRE_READERS=1

status=0
if command -v shellcheck >/dev/null; then
    mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
    if shellcheck "${scripts[@]}"; then
        echo "shellcheck: ${#scripts[@]} scripts are clean"
    else
        status=1
    fi
else
    echo "shellcheck: shellcheck is missing" >>"$skipped_list"
fi

# One build of the tests, then their output to the screen and to a file.
cargo test --workspace --no-fail-fast 2>&1 | tee "$output" || status=$?

# A test that died (and its Drop with it) must not leave a mount behind.
leftover=$(awk '{ print $5 }' /proc/self/mountinfo | grep "^$PWD/target/tmp/" || true)
for mount_point in $leftover; do
    echo "left mounted by a test: $mount_point"
    umount --lazy "$mount_point" 2>/dev/null || fusermount3 -u -z "$mount_point" || true
    status=1
done

sum_of() {
    awk -v what="$1" '/^test result:/ { for (i = 2; i <= NF; i++) if ($i ~ "^" what) sum += $(i - 1) } END { print sum + 0 }' "$output"
}
# Tests of cargo's that were skipped have counted as passed there.
skipped_in_cargo=$(grep -v '^shellcheck:' "$skipped_list" 2>/dev/null | sed 's/: .*//' | sort -u | wc -l || true)
skipped=$(sed 's/: .*//' "$skipped_list" 2>/dev/null | sort -u | wc -l || true)
passed=$(($(sum_of passed) - skipped_in_cargo))
failed=$(sum_of failed)

write_results() {
    {
        echo "# Result of the last \`scripts/test.sh --full\`"
        echo
        echo "* Date: $(date -u +%Y-%m-%d), commit $(git rev-parse --short HEAD)"
        echo "* Machine: $(nproc) cores, $(awk '/^model name/ { sub(/^[^:]*: /, ""); print; exit }' /proc/cpuinfo), $(awk '/^MemTotal/ { printf "%d GiB", $2 / 1048576 + 0.5 }' /proc/meminfo), Linux $(uname -r)"
        echo "* Time: $((SECONDS - started)) s"
        echo "* $passed passed, $failed failed, $skipped skipped"
        echo
        echo "Numbers that the tests print:"
        echo
        echo '```'
        grep -h '^measured: ' target/test-measured.txt 2>/dev/null | sort -u || true
        echo '```'
    } >docs/test-results.md
    echo "wrote docs/test-results.md"
}
[ "$full" = no ] || write_results

echo
grep -E '^test .* FAILED$' "$output" | sort -u || true
if [ "$skipped" -gt 0 ]; then
    echo "skipped:"
    sort -u "$skipped_list" | sed 's/^/  /'
fi
[ "$failed" -eq 0 ] || status=1
echo "time: $((SECONDS - started)) s"
echo "$passed passed, $failed failed, $skipped skipped" | tee target/test-summary.txt
exit "$status"
