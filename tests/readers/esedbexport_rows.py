"""Exports with esedbexport and compares row counts and every cell that it writes so that the value can be told: whole
numbers, bits, bytes, GUIDs, text. It writes nothing for several values, nothing or only the first chunk of long values in
their tree, what bytes stand there for NULL in a fixed column, and knows no default values. Text that is compressed it takes
for UTF-16, whatever its code page."""
import os
import subprocess
import sys
import tempfile

from expected import Expected

BIT, CURRENCY, BINARY, TEXT, LONG_BINARY, LONG_TEXT, GUID = 1, 5, 9, 10, 11, 12, 16
# Characters that the shortest first chunk of a long value has at least, as text of two bytes a character.
FIRST_CHUNK = 2000
SIGNED, UNSIGNED = {3, 4, 15}, {2, 14, 17, CURRENCY}


def written(column, value):
    """What esedbexport writes for a value; None where that is not compared."""
    kind = column["type"]
    if kind == BIT:
        return "true" if value != b"\0" else "false"
    if kind in SIGNED or kind in UNSIGNED:
        return str(int.from_bytes(value, "little", signed=kind in SIGNED))
    if kind in (BINARY, LONG_BINARY, GUID):
        return value.hex()
    if column["compressed"] and kind == LONG_TEXT and column["code_page"] != 1200:
        return None
    if kind in (TEXT, LONG_TEXT):
        text = value.decode("utf-16-le" if column["code_page"] == 1200 else "cp1252")
        return None if any(mark in text for mark in "\\\t\r\n\0;") else text
    return None


def compare(expected, table, row, number, cell):
    column, values = table["columns"][number], table["rows"][row][number]
    if values is None:
        if column["storage"] == "Fixed" or cell == "":
            return
        sys.exit(f"{table['name']} row {row} column {column['name']}: found {cell!r}, wrote NULL")
    if cell == "" and (len(values) > 1 or column["type"] in (LONG_BINARY, LONG_TEXT) or values == [column.get("default")]):
        return
    if len(values) > 1:
        return
    text = written(column, bytes.fromhex(values[0]))
    if text is None:
        return
    expected.values += 1
    if column["type"] in (LONG_BINARY, LONG_TEXT) and len(cell) > FIRST_CHUNK and text.startswith(cell):
        return
    if text.strip(" ") != cell.strip(" "):
        sys.exit(f"{table['name']} row {row} column {column['name']}: found {cell[:80]!r}, wrote {text[:80]!r}")


expected = Expected()
with tempfile.TemporaryDirectory() as directory:
    for wanted in expected.tables:
        # One by one: at a record that it cannot read it gives up the rest of the file.
        target = os.path.join(directory, wanted["name"])
        command = ["esedbexport", "-T", wanted["name"], "-t", target, expected.path]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 0:
            sys.exit(result.stdout + result.stderr)
        (exported,) = os.listdir(target + ".export")
        with open(os.path.join(target + ".export", exported), newline="\n", encoding="utf-8") as file:
            lines = [line.rstrip("\n").split("\t") for line in file]
        expected.count(wanted, len(lines) - 1)
        places = [lines[0].index(column["name"]) for column in wanted["columns"]]
        for row, line in enumerate(lines[1:]):
            for number, place in enumerate(places):
                compare(expected, wanted, row, number, line[place])
expected.done()
