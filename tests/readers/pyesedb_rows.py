"""Reads every value with libesedb and compares it. libesedb ignores the NULL bits of fixed columns and shows what bytes
stand there, knows no default values, and its Python module has no way to single values of a multi-valued column and gives
compressed values of records as they are stored."""
import pyesedb
from expected import Expected

expected = Expected()
database = pyesedb.open(expected.path)
tables = {database.get_table(at).name: database.get_table(at) for at in range(database.number_of_tables)}
for system in ("MSysObjects", "MSysObjectsShadow", "MSysObjids", "MSysLocales"):
    assert system in tables, system


def values_of(record, column):
    if record.is_long_value(column):
        return [record.get_value_data_as_long_value(column).get_data()]
    data = record.get_value_data(column)
    return None if data is None else [data]


def unfolded(data):
    """A value of 7-bit text. Longer ones, which are compressed otherwise, do not stand in records."""
    bits = int.from_bytes(data[1:], "little")
    count = (8 * (len(data) - 2) + (data[0] & 7) + 1) // 7
    units = bytes(bits >> 7 * at & 0x7F for at in range(count))
    return b"".join(bytes([unit, 0]) for unit in units) if data[0] >> 3 == 2 else units


for wanted in expected.tables:
    table = tables[wanted["name"]]
    names = [table.get_column(at).name for at in range(table.number_of_columns)]
    # libesedb has the columns in the order of their ids.
    place = {name: at for at, name in enumerate(names)}
    expected.count(wanted, table.number_of_records)
    for at in range(len(wanted["rows"])):
        record = table.get_record(at)
        for number, column in enumerate(wanted["columns"]):
            if len(wanted["rows"][at][number] or []) > 1:
                assert record.is_multi_value(place[column["name"]]), column["name"]
                continue
            found = values_of(record, place[column["name"]])
            cell = wanted["rows"][at][number]
            alternatives = []
            if column["storage"] == "Fixed" and cell is None:
                alternatives = [found]
            if column["compressed"] and found and cell and len(found[0]) < len(cell[0]) // 2:
                found = [unfolded(found[0])]
            if cell is not None and cell in ([""], [column.get("default")]):
                alternatives = [None, []]
            expected.compare(wanted, at, number, found, alternatives)
expected.done()
