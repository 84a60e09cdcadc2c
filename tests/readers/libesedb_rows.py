#!/usr/bin/env python3
"""libesedb_rows.py DATABASE: every row of every table as libesedb sees it, for a test to compare.

Needs the PyPI package libesedb-python. A line is a table's name and its values, separated by tabs: hexadecimal digits,
`-` for none, `?` for what libesedb gives only in its stored form (several values, compressed values)."""
import sys

import pyesedb

COMPRESSED, SEPARATED, MULTI_VALUE = 0x02, 0x04, 0x08


def value(record, index):
    flags = record.get_value_data_flags(index) or 0
    if flags & MULTI_VALUE or flags & COMPRESSED:
        return "?"
    if record.is_long_value(index) and flags & SEPARATED:
        try:
            data = record.get_value_data_as_long_value(index).get_data()
        except OSError:  # libesedb cannot decompress every chunk
            return "?"
    else:
        data = record.get_value_data(index)
    return "-" if data is None else data.hex() or "empty"


def main():
    for table in pyesedb.open(sys.argv[1]).tables:
        for record in table.records:
            values = (value(record, index) for index in range(record.number_of_values))
            print(table.name, *values, sep="\t")


main()
