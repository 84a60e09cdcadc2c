"""Reads every value with dissect.database and compares it, multi-values as it decodes them."""
from dissect.database.ese import ESE
from expected import Expected

expected = Expected()
database = ESE(open(expected.path, "rb"))
plain = {9, 11}  # Binary and LongBinary: decoded values are the bytes


def values_of(record, column):
    decoded = record.get(column["name"])
    if decoded is None:
        return None
    if column["type"] in plain:
        return [bytes(value) for value in decoded] if isinstance(decoded, list) else [bytes(decoded)]
    if column["type"] in (10, 12):
        encoding = "utf-16-le" if column["code_page"] == 1200 else "cp1252"
        values = decoded if isinstance(decoded, list) else [decoded]
        return [value.encode(encoding) for value in values]
    return "other"


for wanted in expected.tables:
    table = database.table(wanted["name"])
    count = 0
    for at, record in enumerate(table.records()):
        count += 1
        for number, column in enumerate(wanted["columns"]):
            found = values_of(record, column)
            if found == "other":
                # Numbers: dissect decodes them, so compare the bytes unless several values make it decode anyway.
                raw = record.get(column["name"], raw=True)
                if len(wanted["rows"][at][number] or []) > 1 or not isinstance(raw, bytes):
                    continue
                found = [raw]
            expected.compare(wanted, at, number, found)
    expected.count(wanted, count)
    found = {index.name for index in table.indexes}
    assert found.issuperset(wanted["indexes"]), found
expected.done()
