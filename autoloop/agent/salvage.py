"""Damaged SQLite databases: whether one is sound, and what of it can be read."""

import contextlib
import mmap
import os
import sqlite3
import struct
import tempfile
import time
import urllib.parse

from autoloop.agent.durable import SQLITE_ENDS, copy_stream, space_of
from autoloop.agent.looking import describe_process

CHECK_DATABASE_S = 10  # for so long a database is looked through
MOST_TABLES = 500  # are looked at for rows
NO_DAMAGE = ("NULL value in", "CHECK constraint failed", "non-unique entry")  # wrong, but sound


class Damaged(Exception):
    """A page or a row that is not what the file format says."""


def read_sqlite_check(args):
    """Whether a database is sound: ``ok``, what is wrong with it, or why that cannot be told."""
    path = args["path"]
    if not os.path.exists(path):
        return {"sound": None, "says": "does not exist"}
    try:
        with reading(path) as connection:
            return checked(connection)
    except sqlite3.DatabaseError as error:
        return {"sound": False if is_damage(error) else None, "says": str(error)}


@contextlib.contextmanager
def reading(path):
    """A connection that only reads and leaves nothing behind; where a journal would have to be
    played first, to a copy.

    Raises:
        sqlite3.DatabaseError: it cannot be read, or not be copied for lack of room.
    """
    ends = [end for end in ("-journal", "-wal") if size_of(path + end)]
    live = os.path.exists(path + "-shm")
    with contextlib.ExitStack() as stack:
        if "-journal" in ends or ("-wal" in ends and not live):
            room = space_of(tempfile.gettempdir())["free"]
            if sum(map(size_of, [path + end for end in SQLITE_ENDS])) * 2 > room:
                raise sqlite3.OperationalError("has a journal, and is too large to be copied")
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=".autoloop-"))
            connection = sqlite3.connect(copy_with_journals(path, folder))
        else:
            option = "mode=ro" if live or not is_wal(path) else "immutable=1"
            connection = open_sqlite(path, option)
        yield stack.enter_context(contextlib.closing(connection))


def filled_tables(connection):
    """The tables that hold rows, of the first `MOST_TABLES`; SQLite's own among them."""
    found = []
    tables = connection.execute("select name from sqlite_master where type = 'table'")
    for (name,) in tables.fetchmany(MOST_TABLES):
        one = 'select 1 from "%s" limit 1' % name.replace('"', '""')
        with contextlib.suppress(sqlite3.DatabaseError):  # one of a module that is not here
            if connection.execute(one).fetchone():
                found.append(name)
    return found


def read_locks(args):
    """Who holds a lock on *path*: processes as `describe_process` tells them, with the ``kind`` of
    their lock (``READ``, ``WRITE``). From ``/proc/locks``, of this host's own processes."""
    found = os.stat(args["path"])
    wanted = "%02x:%02x:%d" % (os.major(found.st_dev), os.minor(found.st_dev), found.st_ino)
    with open("/proc/locks") as source:
        rows = [line.split() for line in source]
    held = {}
    for row in rows:
        if len(row) > 6 and row[5] == wanted and row[1] != "->" and row[4].isdigit():
            held[int(row[4])] = max(row[3], held.get(int(row[4]), ""))
    return [dict(describe_process(pid), kind=kind) for pid, kind in sorted(held.items()) if pid > 0]


def size_of(path):
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def is_wal(path):
    with open(path, "rb") as source:
        return source.read(20)[18:20] == b"\2\2"


def is_damage(error):
    return any(word in str(error) for word in ("malformed", "not a database", "corrupt"))


def open_sqlite(path, option):
    url = "file:%s?%s" % (urllib.parse.quote(path), option)
    return sqlite3.connect(url, uri=True, timeout=1)


def copy_with_journals(path, folder):
    """A copy of a database and of what belongs to it, all of one moment as far as can be told."""
    copy = os.path.join(folder, "copy.db")
    for _ in range(5):
        before = [stamp(path + end) for end in SQLITE_ENDS]
        for end in SQLITE_ENDS:
            with contextlib.suppress(FileNotFoundError):
                with open(path + end, "rb") as source, open(copy + end, "wb") as out:
                    copy_stream(source, out)
        if before == [stamp(path + end) for end in SQLITE_ENDS]:
            break
        time.sleep(0.1)
    return copy


def stamp(path):
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def checked(connection, deadline_s=CHECK_DATABASE_S):
    end = time.monotonic() + deadline_s
    connection.set_progress_handler(lambda: time.monotonic() > end, 10000)
    try:
        rows = [row[0] for row in connection.execute("pragma integrity_check(20)")]
    except sqlite3.DatabaseError as error:
        return {"sound": False if is_damage(error) else None, "says": str(error)}
    wrong = [row for row in rows if row != "ok" and not row.startswith(NO_DAMAGE)]
    return {"sound": not wrong, "says": "; ".join(wrong[:3])[:500] or "ok"}


class Pages:
    """A SQLite file read page by page. Where a page is not what it should be it is passed over.

    The file format is that of SQLite 3; all integers are big-endian.
    """

    def __init__(self, data):
        self.data = data
        size = struct.unpack(">H", data[16:18])[0]
        self.size = 65536 if size == 1 else size
        self.usable = self.size - data[20]
        self.count = len(data) // self.size
        kind = struct.unpack(">I", data[56:60])[0]
        self.encoding = {2: "utf-16-le", 3: "utf-16-be"}.get(kind, "utf-8")

    def page(self, number):
        if not 1 <= number <= self.count:
            raise Damaged("page %d" % number)
        return self.data[(number - 1) * self.size : number * self.size]

    def cells(self, number, kind):
        """The page and the offsets of its cells, if it is of *kind* (5: inner, 13: leaf)."""
        page, start = self.page(number), 100 if number == 1 else 0
        if page[start] != kind:
            raise Damaged("page %d" % number)
        head = start + (12 if kind == 5 else 8)
        count = struct.unpack(">H", page[start + 3 : start + 5])[0]
        if head + 2 * count > self.usable:
            raise Damaged("page %d" % number)
        return page, struct.unpack(">%dH" % count, page[head : head + 2 * count])

    def walk(self, root):
        """Pages of the table whose tree begins at *root*, its rows as far as they can be read (a
        dict of rowid to values), and whether nothing is amiss with any of them."""
        rows, seen, left, whole, last = {}, set(), [root], True, None
        while left:
            number = left.pop()
            whole = whole and number not in seen
            if number in seen:
                continue
            seen.add(number)
            try:
                left += reversed(self.children(number))
                continue
            except Damaged:
                pass
            found, sound = self.leaf(number)
            rows.update(found)
            if found:
                whole = whole and (last is None or min(found) > last)
                last = max(found)
            whole = whole and sound
        return seen, rows, whole

    def children(self, number):
        page, offsets = self.cells(number, 5)
        start = 100 if number == 1 else 0
        right = struct.unpack(">I", page[start + 8 : start + 12])[0]
        inner = [at for at in offsets if at + 4 <= self.usable]
        return [struct.unpack(">I", page[at : at + 4])[0] for at in inner] + [right]

    def leaf(self, number):
        """The rows of a leaf page that can be read, and whether these are all."""
        rows = {}
        try:
            page, offsets = self.cells(number, 13)
        except Damaged:
            return rows, False
        for at in offsets:
            with contextlib.suppress(Damaged, IndexError, ValueError, struct.error):
                size, at = varint(page, at)
                rowid, at = varint(page, at)
                rows[signed(rowid)] = self.record(self.payload(page, at, size))
        return rows, len(rows) == len(offsets)

    def payload(self, page, at, size):
        """The bytes of a row, collected over its overflow pages."""
        if size > len(self.data):
            raise Damaged("row")
        most, least = self.usable - 35, (self.usable - 12) * 32 // 255 - 23
        local = size
        if size > most:
            local = least + (size - least) % (self.usable - 4)
            local = local if local <= most else least
        data = bytes(page[at : at + local])
        if at + local > self.usable:
            raise Damaged("row")
        following = page[at + local : at + local + 4]
        while len(data) < size:
            more = self.page(struct.unpack(">I", following)[0])
            data += bytes(more[4 : min(self.usable, 4 + size - len(data))])
            following = more[:4]
        if size > local and following != b"\0\0\0\0":
            raise Damaged("row")
        return data

    def record(self, data):
        end, at = varint(data, 0)
        values, kinds = [], []
        while at < end:
            kind, at = varint(data, at)
            kinds.append(kind)
        for kind in kinds:
            size = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)[kind] if kind < 10 else (kind - 12) // 2
            if kind in (10, 11) or at + size > len(data):
                raise Damaged("row")
            values.append(self.value(kind, data[at : at + size]))
            at += size
        if at != len(data):
            raise Damaged("row")
        return values

    def value(self, kind, data):
        if kind in (0, 8, 9):
            return {0: None, 8: 0, 9: 1}[kind]
        if kind == 7:
            return struct.unpack(">d", data)[0]
        if kind < 7:
            return int.from_bytes(data, "big", signed=True)
        return data.decode(self.encoding) if kind % 2 else data

    def free(self):
        """The pages that belong to nothing: what is on them was deleted."""
        found, trunk = set(), struct.unpack(">I", self.data[32:36])[0]
        while trunk and trunk not in found and trunk <= self.count:
            found.add(trunk)
            page = self.page(trunk)
            following, count = struct.unpack(">II", page[:8])
            count = min(count, self.usable // 4 - 2)
            found.update(struct.unpack(">%dI" % count, page[8 : 8 + 4 * count]))
            trunk = following
        return found


def varint(data, at):
    value = 0
    for n in range(9):
        byte = data[at + n]
        if n == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 127
        if byte < 128:
            return value, at + n + 1
    raise Damaged("number")


def signed(number):
    return number - (1 << 64) if number >> 63 else number


def quoted(name):
    return '"%s"' % name.replace('"', '""')


class Salvage:
    """Makes a sound database of a damaged one and of its last good copy.

    Rows come from the damaged file wherever they can be read there: by SQLite, else page by page.
    A row that cannot is taken from the copy. Which rows there were is told by the table's indexes,
    which are trees of their own: with one of them whole, a salvage can be proved complete, and no
    row comes back that was deleted since the copy was made.
    """

    def __init__(self, path, good, folder):
        self.good = good
        self.made = os.path.join(folder, "made.db")
        self.copy = copy_with_journals(path, folder)
        self.mended = ""
        self.tables = {}
        self.open_copy()

    def open_copy(self):
        """Let SQLite play the journals; where it takes the file for none, mend its first page."""
        for part in ("", "header", "first page"):
            try:
                if part:
                    self.mend(part)
                with contextlib.closing(sqlite3.connect(self.copy)) as database:
                    database.execute("select * from sqlite_master").fetchall()
                    with contextlib.suppress(sqlite3.DatabaseError):
                        database.execute("pragma wal_checkpoint(truncate)").fetchall()
                    return
            except sqlite3.DatabaseError as error:
                if not is_damage(error) or not self.good or part == "first page":
                    raise

    def mend(self, part):
        """Take the header, or the whole first page, from the good copy: it is seldom written."""
        with open(self.good, "rb") as source:
            head = source.read(100)
            page = struct.unpack(">H", head[16:18])[0]
            page = 65536 if page == 1 else page
            rest = source.read(page - 100) if part == "first page" else b""
        count = struct.pack(">III", os.path.getsize(self.copy) // page, 0, 0)
        with open(self.copy, "r+b") as out:
            out.write(head[:28] + count + head[40:92] + head[24:28] + head[96:] + rest)
        self.mended = part

    def build(self):
        """Make it; returns what became of each table, and whether all of it is there.

        Without a transaction: in one, SQLite writes nothing more once it has read damage.
        """
        url = "file:%s?immutable=1"
        self.database = sqlite3.connect(self.made, isolation_level=None, uri=True)
        with contextlib.closing(self.database), open(self.copy, "rb") as source:
            self.pages = Pages(mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ))
            self.settle()
            self.run("attach ? as was", url % urllib.parse.quote(self.copy))
            if self.good:
                self.run("attach ? as good", url % urllib.parse.quote(self.good))
            self.rebuild()
            said = "; ".join(row[0] for row in self.run("pragma main.integrity_check(5)"))
            if is_wal(self.copy):
                self.run("pragma main.journal_mode = wal")
        if said != "ok":
            raise sqlite3.DatabaseError("what was salvaged is not sound: %s" % said[:300])
        whole = not self.mended and all(told["lost"] == 0 for told in self.tables.values())
        return {"tables": self.tables, "complete": whole, "mended": self.mended}

    def run(self, sql, *values):
        return self.database.execute(sql, values).fetchall()

    def settle(self):
        """Settings of the file that its content depends on; before there is any."""
        with contextlib.closing(sqlite3.connect(self.copy)) as copy:
            for name in ("encoding", "page_size", "auto_vacuum", "user_version", "application_id"):
                value = copy.execute("pragma %s" % name).fetchone()[0]
                self.run("pragma main.%s = '%s'" % (name, value))
        self.run("pragma main.journal_mode = memory")
        self.run("pragma main.synchronous = off")

    def rebuild(self):
        schema = self.run(
            "select type, name, rootpage, sql from was.sqlite_master"
            " where sql is not null and name not like 'sqlite\\_%' escape '\\' order by rowid"
        )
        self.roots = {name: root for kind, name, root, _ in schema if kind == "table"}
        if not all(self.roots.values()):
            raise sqlite3.DatabaseError("it has virtual tables, which cannot be salvaged")
        for kinds, step in (
            (("table",), self.read_rows),
            (("index",), self.fetch_rows),
            (("view", "trigger"), None),
        ):
            for kind, _, _, sql in schema:
                if kind in kinds:
                    self.run(sql)
            for name in self.roots if step else ():
                step(name)
        self.copy_sequences()

    # -- rows of the damaged file

    def read_rows(self, table):
        key, columns = self.columns(table)
        told = {"readable": 0, "from_backup": 0, "lost": 0, "damaged": False}
        self.tables[table] = told
        if key and not self.sound(table):
            self.read_pages(table, key)
        else:
            names = ", ".join([key] * bool(key) + [quoted(c) for c in columns])
            try:
                self.run(
                    "insert into main.%s (%s) select %s from was.%s"
                    % (quoted(table), names, names, quoted(table))
                )
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                told["damaged"] = True
        told["readable"] = self.count(table)

    def sound(self, table):
        """Whether SQLite finds nothing amiss; older ones look at all tables, whichever is asked."""
        try:
            rows = self.run("pragma was.integrity_check(%s)" % quoted(table))
        except sqlite3.DatabaseError:
            return False
        return all(row[0] == "ok" or row[0].startswith(NO_DAMAGE) for row in rows)

    def read_pages(self, table, key):
        """Rows of the table's own pages; then of pages that nothing leads to any more, as far as
        an index says that they are rows of this table."""
        _, rows, whole = self.pages.walk(self.roots[table])
        self.insert(table, key, rows)
        known = None if whole else self.known(table, key)
        self.tables[table]["damaged"] = not whole
        if known is None or known[1].keys() <= rows.keys():
            return
        names, wanted = known
        places = [self.stored(table).index(name) for name in names]
        for number in self.orphans():
            found = {
                rowid: values
                for rowid, values in self.pages.leaf(number)[0].items()
                if rowid not in rows
                and rowid in wanted
                and max(places) < len(values)
                and same_values([values[at] for at in places], wanted[rowid], rowid)
            }
            self.insert(table, key, found)

    def insert(self, table, key, rows):
        stored, (_, kept) = self.stored(table), self.columns(table)
        for rowid, values in rows.items():
            if len(values) > len(stored):
                continue
            pairs = [pair for pair in zip(stored, values) if pair[0] in kept]
            names = ", ".join([key] + [quoted(name) for name, _ in pairs])
            marks = ", ".join("?" * (len(pairs) + 1))
            self.run(
                "insert or ignore into main.%s (%s) values (%s)" % (quoted(table), names, marks),
                rowid,
                *[value for _, value in pairs],
            )

    def orphans(self):
        """Leaf pages of tables that no tree leads to, without those that were given up."""
        if not hasattr(self, "lonely"):
            roots = [row[0] for row in self.run("select rootpage from was.sqlite_master")]
            owned = self.pages.free()
            for root in [1] + [root for root in roots if root]:
                owned |= self.pages.walk(root)[0]
            everything = range(2, self.pages.count + 1)
            self.lonely = [n for n in everything if n not in owned]
        return self.lonely

    # -- rows of the good copy

    def fetch_rows(self, table):
        """What an index knows and could not be read; without an index, all that is not there."""
        key, columns = self.columns(table)
        told = self.tables[table]
        if not told["damaged"]:
            return
        known = self.known(table, key) if key else None
        gone = set()
        if known:
            have = self.run("select %s from main.%s" % (key, quoted(table)))
            gone = known[1].keys() - {row[0] for row in have}
        if self.good and self.run("select 1 from good.sqlite_master where name = ?", table):
            there = {row[1] for row in self.run("pragma good.table_info(%s)" % quoted(table))}
            common = [key] * bool(key) + [quoted(c) for c in columns if c in there]
            sql = "insert or ignore into main.{0} ({1}) select {1} from good.{0}"
            sql = sql.format(quoted(table), ", ".join(common))
            if known:
                for rowid in gone:
                    self.run("%s where %s = ?" % (sql, key), rowid)
            else:
                self.run(sql)
        told["from_backup"] = self.count(table) - told["readable"]
        told["lost"] = len(gone) - told["from_backup"] if known else None

    def known(self, table, key):
        """Names and values of the columns of one of its indexes, by rowid; None without one."""
        for _, name, _, _, partial in self.run("pragma was.index_list(%s)" % quoted(table)):
            names = [row[2] for row in self.run("pragma was.index_info(%s)" % quoted(name))]
            if partial or None in names:
                continue
            asked = ", ".join([key] + [quoted(n) for n in names])
            with contextlib.suppress(sqlite3.DatabaseError):
                rows = self.run(
                    "select %s from was.%s indexed by %s" % (asked, quoted(table), quoted(name))
                )
                return names, {row[0]: row[1:] for row in rows}
        return None

    # -- what is known of tables

    def stored(self, table):
        return [row[1] for row in self.run("pragma main.table_info(%s)" % quoted(table))]

    def columns(self, table):
        """The name of its rowid ("" without one), and its columns that are no other name of it."""
        rows = self.run("pragma main.table_info(%s)" % quoted(table))
        names = [row[1] for row in rows]
        taken = {name.lower() for name in names}
        key = next((k for k in ("rowid", "_rowid_", "oid") if k not in taken), "")
        if key:
            try:
                self.run("select %s from main.%s limit 1" % (key, quoted(table)))
            except sqlite3.OperationalError:
                return "", names
        made = {row[3] for row in self.run("pragma main.index_list(%s)" % quoted(table))}
        alias = [row[1] for row in rows if row[5] and row[2].upper() == "INTEGER"]
        if key and len([row for row in rows if row[5]]) == 1 and alias and "pk" not in made:
            names.remove(alias[0])
        return key, names

    def count(self, table):
        return self.run("select count(*) from main.%s" % quoted(table))[0][0]

    def copy_sequences(self):
        """So that no number is given twice."""
        for name, number in (
            self.run("select name, seq from was.sqlite_sequence")
            if self.run("select 1 from was.sqlite_master where name = 'sqlite_sequence'")
            else ()
        ):
            self.run("delete from main.sqlite_sequence where name = ?", name)
            self.run("insert into main.sqlite_sequence values (?, ?)", name, number)


def same_values(found, wanted, rowid):
    """Whether a row's values are those of an index; a rowid's other name is stored as nothing."""
    pairs = zip(found, wanted)
    return all(one == other or (one is None and other == rowid) for one, other in pairs)
