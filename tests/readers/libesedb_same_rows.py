#!/usr/bin/env python3
"""libesedb_same_rows.py A B: whether two databases hold the same rows as libesedb sees them, which hides deleted rows.

Needs the PyPI package libesedb-python. What libesedb gives only in its stored form (several values, compressed values) is
compared in that form. Prints a line for each table that differs and a summary; exit 0 when none does, 1 when one does."""
import collections
import sys

import pyesedb

SEPARATED = 0x04


def value(record, index):
    flags = record.get_value_data_flags(index) or 0
    if record.is_long_value(index) and flags & SEPARATED:
        try:
            return record.get_value_data_as_long_value(index).get_data()
        except OSError:  # libesedb cannot decompress every chunk
            pass
    return record.get_value_data(index)


def rows(path):
    tables = {}
    for table in pyesedb.open(path).tables:
        columns = tuple((column.name, column.type, column.identifier) for column in table.columns)
        counted = collections.Counter()
        for record in table.records:
            counted[tuple(value(record, index) for index in range(record.number_of_values))] += 1
        tables[table.name] = (columns, counted)
    return tables


def main():
    first, second = rows(sys.argv[1]), rows(sys.argv[2])
    nothing = ((), collections.Counter())
    differing = 0
    for name in sorted(first.keys() | second.keys()):
        (columns, a), (other_columns, b) = first.get(name, nothing), second.get(name, nothing)
        if columns != other_columns or a != b or (name in first) != (name in second):
            differing += 1
            print(f"{name}: {a.total()} and {b.total()} rows, {(a - b).total()} only in the first, {(b - a).total()} only in the second")
    total = sum(counted.total() for _, counted in first.values())
    print(f"{len(first)} tables, {total} rows, {differing} tables differ")
    return 1 if differing or not total else 0


sys.exit(main())
