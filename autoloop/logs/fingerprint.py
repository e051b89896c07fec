"""Fingerprints: the same trouble has the same one, whatever numbers, ids, times or locale it has.

Version 1. Where a record holds a stack trace, the type of its root exception and the functions on
the way to it count, those of the application before those of libraries; line numbers and the
message do not. Otherwise its message counts, with everything that varies left out.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Iterable

VERSION = "v1"
READ = 32 << 10
"""Bytes of a record that are read for its fingerprint."""

FRAMES = 12
REMEMBERED = 20_000

_DIGITS = bytes(48 if 48 <= c <= 57 else c for c in range(256))

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

_MONTHS = (
    rb"jan(?:uary|uar|vier|eiro)?|feb(?:ruary|ruar|rero)?|f\xc3\xa9vr?(?:ier)?|m(?:ar(?:ch|s|zo)?|"
    rb"\xc3\xa4rz|rz)|apr(?:il)?|avr(?:il)?|abr(?:il)?|ma[iy]o?|jun[ei]?o?|juin|jul[yi]?o?|juil(?:let)?|"
    rb"aug(?:ust)?|ao\xc3\xbbt|ago(?:sto)?|sep(?:t(?:ember|embre|iembre)?)?|o[ck]t(?:ober|obre|ubre)?|"
    rb"nov(?:ember|embre|iembre)?|de[cz](?:ember)?|d\xc3\xa9c(?:embre)?|dic(?:iembre)?"
)
_DAYS = (
    rb"mon|tue|wed|thu|fri|sat|sun|mo|di|mi|do|fr|sa|so|lun|mar|mer|jeu|ven|sam|dim|"
    rb"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
)
_VARIES = re.compile(
    rb"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
    rb"|0x[0-9a-f]+"
    rb"|[\w.+-]+@[\w-]+\.[\w.-]+"  # an address of mail
    rb"|\b(?:(?:" + _DAYS + rb")[.,]? +)?(?:\d{1,2}\.? +)?(?:" + _MONTHS + rb")\b\.?(?=[ /-]+\d)"
    rb"|\b(?:[0-9a-f]{1,4}:){2,7}(?::?[0-9a-f]{1,4})+\b"  # an address of version 6, of hardware
    rb"|\b(?=[a-z-]*\d)[0-9a-f]{7,}\b"  # an id
    rb"|\b(?=[a-z_-]*\d[a-z_-]*\d)[\w-]{16,}\b"  # a token
    rb"|\?[^\s\"']*"  # what follows the path of an address
    rb"|\b[ap]\.?m\b\.?|\xe4\xb8\x8a\xe5\x8d\x88|\xe4\xb8\x8b\xe5\x8d\x88|\b(?:utc|gmt|ces?t|[ecmp][sd]t)\b"
    rb"|\d+(?:[.,:'\xc2\xa0/ _+-]*\d+)*",
    re.IGNORECASE,
)
_SPACE = re.compile(rb"[#\s]+")


class Fingerprints:
    """Makes fingerprints, and remembers those of shapes seen before."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, str] = OrderedDict()

    def of(self, text: bytes) -> str:
        """The fingerprint of a record: version and 16 hexadecimal digits."""
        shape = text[:READ].translate(_DIGITS)
        known = self._known.get(shape)
        if known is None:
            known = fingerprint(shape)
            self._known[shape] = known
            if len(self._known) > REMEMBERED or len(shape) > 4096:
                self._known.popitem(last=False)
        return known


def fingerprint(text: bytes) -> str:
    """See the module; for the same digits or others the answer is the same."""
    text = text[:READ].translate(_DIGITS)
    frames = frames_of(text)
    parts = [root_type(text), *frames] if frames else [message(text)]
    return f"{VERSION}:{hashlib.sha256(bytes(1).join(parts)).hexdigest()[:16]}"


def frames_of(text: bytes) -> list[bytes]:
    """File and function of each frame, the application's own if there are any; no line numbers."""
    rows = []
    for found in _FRAME.finditer(text):
        named = {name: value for name, value in found.groupdict().items() if value}
        rows.append((next(iter(named.values())), _frame(named.values())))
    own = [row for place, row in rows if not _FOREIGN.search(place)]
    chosen = own or [row for _, row in rows]
    return list(dict.fromkeys(chosen))[:FRAMES]


def _frame(parts: Iterable[bytes]) -> bytes:
    """Of paths only the last part counts: a release has its own folder, and may have its number."""
    return b" ".join(
        _VARIES.sub(b"#", part.rpartition(b"/")[2] if b"/" in part else part) for part in parts
    )


def root_type(text: bytes) -> bytes:
    """The type of the exception that began it: the last cause, or the first of a chain."""
    causes = [found.end() for found in _ROOT_LAST.finditer(text)]
    place = text.rfind(b"\n", 0, causes[-1]) + 1 if causes else 0
    found = _TYPE.search(text, place) or _INLINE.search(text)
    if found is None:
        return b"panic" if b"panic" in text else b""
    return found["type"].rpartition(b"$")[2]


def message(text: bytes) -> bytes:
    """The first lines without what varies, in lower case."""
    lines = [line for line in text.split(b"\n") if line.strip()][:3]
    return _SPACE.sub(b" ", _VARIES.sub(b"#", b"\n".join(lines)[:2000])).strip().lower()
