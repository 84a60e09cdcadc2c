"""Walks every table with impacket and compares row counts and numbers. It does not resolve long values."""
import struct

from expected import Expected
from impacket.ese import ESENT_DB

expected = Expected()
database = ESENT_DB(expected.path)
for wanted in expected.tables:
    cursor = database.openTable(wanted["name"].encode())
    count = 0
    while (row := database.getNextRow(cursor)) is not None:
        identity = struct.pack("<q", row[b"Id"]) if row[b"Id"] < 1 << 63 else struct.pack("<Q", row[b"Id"])
        expected.compare(wanted, count, 0, [identity])
        count += 1
    expected.count(wanted, count)
expected.done()
