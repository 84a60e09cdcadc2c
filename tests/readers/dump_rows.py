"""dump_rows.py READER FILE: each table's rows as a third-party reader (libesedb, dissect, impacket) sees them:
its name, how many, and a hash over all values in order. Two files with the same output have the same rows."""
import hashlib
import sys


def libesedb(path):
    import pyesedb

    for table in pyesedb.open(path).tables:
        yield table.name, (libesedb_values(record) for record in table.records)


def libesedb_values(record):
    for at in range(record.number_of_values):
        try:
            if record.is_long_value(at):
                yield record.get_value_data_as_long_value(at).get_data()
            else:
                yield record.get_value_data(at)
        except Exception as error:  # the reader's own limits
            yield type(error).__name__


def dissect(path):
    from dissect.database.ese import ESE

    for table in ESE(open(path, "rb")).tables():
        yield table.name, (dissect_values(table, record) for record in table.records())


def dissect_values(table, record):
    for name in table.column_names:
        try:
            value = record.get(name)
            yield bytes(value) if isinstance(value, memoryview) else value
        except Exception as error:  # the reader's own limits
            yield type(error).__name__


def impacket(path):
    from impacket.ese import ESENT_DB

    database = ESENT_DB(path)
    for name in database._ESENT_DB__tables:
        yield name.decode(), impacket_rows(database, name)
    database.close()


def impacket_rows(database, name):
    cursor = database.openTable(name)
    while cursor is not None:
        try:
            row = database.getNextRow(cursor)
        except Exception as error:  # the reader's own limits
            yield [type(error).__name__]
            return
        if row is None:
            return
        yield row.items()


def main():
    reader, path = {"libesedb": libesedb, "dissect": dissect, "impacket": impacket}[sys.argv[1]], sys.argv[2]
    try:
        for name, rows in reader(path):
            count, digest = 0, hashlib.sha256()
            for row in rows:
                count += 1
                digest.update(repr(list(row)).encode())
            print(name, count, digest.hexdigest())
    except Exception as error:
        print(f"cannot read: {type(error).__name__}: {error}".replace(path, "FILE"))
        return 1
    return 0


sys.exit(main())
