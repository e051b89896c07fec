"""Fingerprints: the same trouble has the same one, whatever numbers, ids, times or locale it has.

Version 2. Where a record holds a stack trace, the type of its root exception and the functions on
the way to it count, those of the application before those of libraries; line numbers and the
message do not, but what kind of cause the text engine reads out of it (`joined`). Otherwise the
words of its message count, without all that may vary. A zero that says that nothing failed counts
too: an exit code of 0 is no trouble, one of 2 is.
"""

import hashlib
import re
from collections import OrderedDict

from autoloop.logs.target.fold import SHORT, WORDS, shape

VERSION = "v2"
READ = 32 << 10
"""Bytes of a record that are read for its fingerprint."""

FRAMES = 12
MESSAGE = SHORT
"""Bytes of a record without a trace that are read for it."""

REMEMBERED = 20_000

_FRAME = re.compile(
    rb'^[ \t|+]*File "(?P<python>[^"\n]+)", line \d+, in (?P<python_in>[^\n]+)'
    rb"|^[ \t]*at (?P<java>[\w.$/@<>-]+)\((?:[\w$]+\.\w+:\d+|(?:Native|Unknown) \w+|[\w$.]+)\)"
    rb"|^[ \t]*at (?P<node_in>[^(\n]{1,200}) \((?P<node>[^()\n]+?):\d+:\d+\)"
    rb"|^[ \t]*at (?P<node_bare>[^\s()]+?):\d+:\d+[ \t]*\{?$"
    rb"|^[ \t]*at (?P<dotnet>[\w.`<>\[\],+|]+)\("
    rb"|^(?P<go>[\w./*()-]+)\([^\n]*\)\n\t(?P<go_file>[^\s:]+\.go):\d+"
    rb"|^#\d+ (?P<php>[^\s(]+\.php)\(\d+\): (?P<php_in>[^\s(]+)"
    rb"|^[ \t]*(?:from )?(?P<ruby>[\w./-]+\.(?:rb|erb|rake|ru)):\d+:in [`'](?P<ruby_in>[^'\n]+)"
    rb"|^[ \t]*\d+: (?:0x[0-9a-f]+ - )?(?P<rust>[\w:<>{}&\[\], -]+)$",
    re.MULTILINE,
)
_FOREIGN = re.compile(
    rb"site-packages|dist-packages|/lib/python|<frozen|node_modules|^node:|internal/|/go/src/|"
    rb"/pkg/mod/|/vendor/|/rustc/|/gems/|/ruby/|^(?:java|javax|jdk|sun|com\.sun|jakarta|kotlin|scala|org\."
    rb"springframework|org\.apache|org\.hibernate|org\.eclipse|io\.netty|reactor)[./]|"
    rb"^(?:System|Microsoft)\.|^(?:core|std|alloc|__rustc|rust_|tokio)|^runtime\.|^net/http\."
)
_TYPE = re.compile(
    rb"^[ \t|+]*(?:Caused by: |\[cause\]: |---> |Unhandled exception\. |"
    rb'Exception in thread "[^"\n]*" |[^\n]*Uncaught )?'
    rb"(?P<type>[A-Za-z_][\w.$\\:]*(?:Error|Exception|Exit|Interrupt|Throwable|Warning|Group))\b",
    re.MULTILINE,
)
_INLINE = re.compile(rb"\b(?P<type>[A-Z][\w.$\\]*(?:Error|Exception))\b")
_ROOT_LAST = re.compile(rb"^\s*(?:Caused by: |\[cause\]: |---> )", re.MULTILINE)

_CALENDAR = frozenset(
    """
    jan feb mar apr may jun jul aug sep sept oct nov dec january february march april june july
    august september october november december mon tue wed thu fri sat sun monday tuesday wednesday
    thursday friday saturday sunday januar februar märz mrz mai juni juli oktober okt dezember dez
    mo di mi do fr sa so montag dienstag mittwoch donnerstag freitag samstag sonntag janv janvier
    févr février mars avr avril juin juil juillet août septembre octobre novembre déc décembre lun
    mer jeu ven sam dim enero ene febrero marzo abril abr mayo junio julio agosto ago septiembre
    octubre noviembre diciembre dic lunes martes jue jueves viernes dom domingo am pm utc gmt cet
    cest est edt pst pdt cst mst z t 年 月 日 上午 下午 周一 周二 周三 周四 周五 周六 周日
    """.encode().split()
)
"""Words of dates in the languages of usual locales; they tell nothing of the trouble."""

_QUERY = re.compile(rb"\?\S*")
_MAIL = re.compile(rb"\S+@\S+")
_ZEROS = re.compile(rb"0+")
_ADDRESS = re.compile(rb"0x[0-9a-f]+|::h[0-9a-f]{8,}")


class Fingerprints:
    """Makes fingerprints, and remembers those of shapes seen before."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, str] = OrderedDict()  # by checksums: shapes are long

    def of(self, text: bytes) -> str:
        """The fingerprint of a record: version and 16 hexadecimal digits."""
        said = shape(text[:READ])
        key = hashlib.blake2b(said, digest_size=16).digest()
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _of_shape(said)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return known


def fingerprint(text: bytes) -> str:
    """See the module; records of one `shape` have the same."""
    return _of_shape(shape(text[:READ]))


def _of_shape(text: bytes) -> str:
    frames = frames_of(text) if b"\n" in text[:-1] else []
    parts = [root_type(text), *frames] if frames else message(text)
    return f"{VERSION}:{hashlib.sha256(bytes(1).join(parts)).hexdigest()[:16]}"


def frames_of(text: bytes) -> list[bytes]:
    """File and function of each frame, the application's own if there are any; no line numbers."""
    rows = []
    for found in _FRAME.finditer(text):
        parts = [part for part in found.groups() if part]
        rows.append((parts[0], b" ".join(map(_frame, parts))))
    own = [row for place, row in rows if not _FOREIGN.search(place)]
    return list(dict.fromkeys(own or [row for _, row in rows]))[:FRAMES]


def _frame(part: bytes) -> bytes:
    """Of a path only its end counts: a release has its own folder, and may have its number."""
    part = part.rpartition(b"/")[2] if b"/" in part else part
    return _ADDRESS.sub(b"", part).replace(b"0", b"").strip()


def root_type(text: bytes) -> bytes:
    """The type of the exception that began it: the last cause, or the first of a chain."""
    found = _root(text)
    if found is None:
        return b"panic" if b"panic" in text else b""
    return found["type"].rpartition(b"$")[2]


def wording(text: bytes) -> bytes | None:
    """What the exception that began a trace says, without what may vary; None without a trace.

    Of a trace it is no part of the fingerprint, but it says what the trouble is: a database that
    refuses a password and one that is not there are met in the same function.
    """
    found = _root(text) if b"\n" in text[:-1] else None
    if found is None:
        return None
    end = text.find(b"\n", found.end("type"))
    return b" ".join(message(text[found.end("type") : end if end >= 0 else len(text)]))


def joined(mark: str, name: str) -> str:
    """The fingerprint of a trace whose cause is *name*."""
    return f"{VERSION}:{hashlib.sha256(f'{mark} {name}'.encode()).hexdigest()[:16]}"


def _root(text: bytes) -> re.Match[bytes] | None:
    causes = [found.end() for found in _ROOT_LAST.finditer(text)]
    place = text.rfind(b"\n", 0, causes[-1]) + 1 if causes else 0
    return _TYPE.search(text, place) or _INLINE.search(text)


def message(text: bytes) -> list[bytes]:
    """The words of the first lines: none with digits, none that may be an id, none of a date."""
    said = text[:MESSAGE].lower()
    if b"?" in said:
        said = _QUERY.sub(b" ", said)
    if b"@" in said:
        said = _MAIL.sub(b" ", said)
    words = said.translate(WORDS).split()
    if not said.isascii():
        words = [part for word in words for part in _between(word)]
    return [
        word
        for word in words
        if b"0" not in word and word not in _CALENDAR and word.strip(b"abcdef-_")
    ]


def _between(word: bytes) -> list[bytes]:
    """What stands around digits, where a language writes no spaces."""
    return [word] if word.isascii() or b"0" not in word else _ZEROS.split(word)
