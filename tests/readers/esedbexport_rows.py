"""Exports with esedbexport and compares row counts and the text of the column Label."""
import os
import subprocess
import sys
import tempfile

from expected import Expected

expected = Expected()
with tempfile.TemporaryDirectory() as directory:
    target = os.path.join(directory, "out")
    result = subprocess.run(["esedbexport", "-t", target, expected.path], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(result.stdout + result.stderr)
    exported = {name.rsplit(".", 1)[0]: name for name in os.listdir(target + ".export")}
    for wanted in expected.tables:
        with open(os.path.join(target + ".export", exported[wanted["name"]]), newline="\n") as file:
            lines = [line.rstrip("\n").split("\t") for line in file]
        expected.count(wanted, len(lines) - 1)
        label = lines[0].index("Label")
        for at, line in enumerate(lines[1:]):
            found = line[label].encode("cp1252")
            if not any(mark in found for mark in (b"\\", b"\t")) and found != b"":
                written = bytes.fromhex(wanted["rows"][at][2][0])
                expected.compare(wanted, at, 2, [found], [[found]] if found.strip() == written.strip() else [])
expected.done()
