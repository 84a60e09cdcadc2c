"""The rows that a database should hold, and how to compare what a reader says with them."""
import json
import sys


class Expected:
    def __init__(self):
        self.path = sys.argv[1]
        with open(sys.argv[2]) as file:
            self.tables = json.load(file)
        self.values = 0

    def compare(self, table, row, column, found, alternatives=()):
        """`found`: list of values as bytes, or None for NULL."""
        cell = table["rows"][row][column]
        wanted = None if cell is None else [bytes.fromhex(value) for value in cell]
        self.values += 1
        if found != wanted and found not in alternatives:
            name = table["columns"][column]["name"]
            sys.exit(f"{table['name']} row {row} column {name}: found {shorten(found)}, wrote {shorten(wanted)}")

    def count(self, table, found):
        if found != len(table["rows"]):
            sys.exit(f"{table['name']}: found {found} rows, wrote {len(table['rows'])}")

    def done(self):
        rows = sum(len(table["rows"]) for table in self.tables)
        print(f"{len(self.tables)} tables, {rows} rows, {self.values} values agree")


def shorten(values):
    return values if values is None else [f"{len(value)}:{value[:16].hex()}" for value in values]
