"""Private keys in logs: they go over many lines, of which a record and its context hold some.

So a record is looked at together with what stands around it, before each is redacted for itself.
"""

import re

LINE = 64
"""Characters of a line of a key, at least; the last may have fewer."""

_END = re.compile(rb"-----END [A-Z ]{0,40}PRIVATE KEY-----")
_KEY = re.compile(
    rb"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)"
)
_KEY_LINE = re.compile(
    rb"(?<![A-Za-z0-9+/=])(?![0-9a-f]{64}\r?$)"  # a checksum
    rb"(?:[A-Za-z0-9+/]{64}|[A-Za-z0-9+/]{70}|[A-Za-z0-9+/]{76})\r?$",
    re.MULTILINE,
)
_STARS = bytes(c if c == 10 else 42 for c in range(256))


def starred(before: bytes, text: bytes, after: bytes) -> tuple[bytes, bytes, bytes]:
    """A record and what stands around it, with stars for private keys; of the same lengths."""
    whole = before + text + after
    if b"PRIVATE KEY-----" in whole:
        whole = _KEY.sub(_stars, whole)
        ends = [found.end() for found in _END.finditer(whole)]
        if ends:  # a key that began before
            whole = whole[: ends[-1]].translate(_STARS) + whole[ends[-1] :]
    if max(map(len, whole.split()), default=0) >= LINE:
        whole = _KEY_LINE.sub(_stars, whole)
    first, last = len(before), len(before) + len(text)
    return whole[:first], whole[first:last], whole[last:]


def _stars(found: re.Match[bytes]) -> bytes:
    return found[0].translate(_STARS)
