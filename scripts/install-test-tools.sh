#!/usr/bin/env bash
# Installs what the tests need beside Rust, or names what is missing where it may not install.
# Usage: scripts/install-test-tools.sh
# Exit code 0 even if something is missing: the tests that need it say so and are counted as skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

# command:Debian package
TOOLS=(
    rsync:rsync
    fusermount3:fuse3
    esedbexport:libesedb-utils
    getfattr:attr
    xz:xz-utils
    python3:python3
    shellcheck:shellcheck
    cc:build-essential
)
READERS=(libesedb-python dissect.database impacket)

missing_packages() {
    local tool
    for tool in "${TOOLS[@]}"; do
        command -v "${tool%%:*}" >/dev/null || echo "${tool##*:}"
    done
    # Debian ships venv apart from Python.
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        echo python3-venv
    fi
}

install_packages() {
    local packages
    mapfile -t packages < <(missing_packages)
    [ "${#packages[@]}" -gt 0 ] || return 0
    echo "missing Debian packages: ${packages[*]}"
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "install them as root: apt-get install ${packages[*]}"
        return 0
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
        echo "apt-get failed; some tests will be skipped"
}

install_readers() {
    local venv=target/test-venv
    if "$venv/bin/python3" -c 'import pyesedb, dissect.database, impacket' 2>/dev/null; then
        return 0
    fi
    echo "installing the Python readers into $venv: ${READERS[*]}"
    mkdir -p target
    python3 -m venv --clear "$venv" || { echo "no venv; tests with Python readers will be skipped"; return 0; }
    local reader
    for reader in "${READERS[@]}"; do
        "$venv/bin/pip" install --quiet --disable-pip-version-check "$reader" ||
            echo "pip cannot install $reader; its tests will be skipped"
    done
}

install_packages
install_readers
