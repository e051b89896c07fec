"""Pieces of words and of runs of letters, under which they are filed: those that are rare in texts,
and that few others have."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from operator import add

from autoloop.core.reading.patterns import RUN

EDGES = 3, 2
"""Characters of a run at its beginning or its end that are a piece."""

_KINDS = (
    (re.compile(r"[\u4e00-\u9fff]{2,40}"), 2),
    (re.compile(r"[a-z]{4,40}|[0-9]{4,40}"), 4),
    (re.compile(r"[a-z]{3}"), 3),
    (RUN, 2),
)
"""Runs of characters, and the size of the pieces of them under which words are filed.

What has no more than three letters must stand alone: "url" is not in "curl".
"""

Filed = dict[str, list[str]]
"""Words by the piece under which they are filed; under an empty one those that have none."""

DIGIT = re.compile("[0-9]")


def pieces_of(run: str) -> set[str]:
    """The pieces of a run: with a blank where it begins or ends."""
    first, second = EDGES
    return {
        run,
        f" {run} ",
        f" {run[:first]}",
        f" {run[:second]}",
        f"{run[-first:]} ",
        f"{run[-second:]} ",
        *[run[at : at + 2] for at in range(len(run) - 1)],
        *[run[at : at + 4] for at in range(len(run) - 3)],
    }


def _pieces_across(word: str) -> Iterator[str]:
    """Pieces of the runs of *word* that are at their ends wherever the word stands."""
    for run in RUN.finditer(word):
        begins, ends = run.start() > 0, run.end() < len(word)
        if begins and ends:
            yield f" {run[0]} "
        elif begins:
            yield f" {run[0][: EDGES[0]]}"
        elif ends:
            yield f"{run[0][-EDGES[0] :]} "


def filed_words(words: Iterable[str], texts: Iterable[str]) -> Filed:
    runs = chain.from_iterable(map(RUN.findall, texts))
    common = Counter(chain.from_iterable(map(pieces_of, runs)))
    left = sorted(set(words))
    filed: Filed = {}
    for run, size in _KINDS:
        pieces = {
            word: [part[at : at + size] for part in run.findall(word)
                   for at in range(len(part) - size + 1)]
            for word in left
        }  # fmt: skip
        left = [word for word in left if not pieces[word]]
        found = {
            word: [*of_word, *(_pieces_across(word) if size != 3 else ())]
            for word, of_word in pieces.items() if of_word
        }  # fmt: skip
        for piece, its in _by_rarest(found, common).items():
            filed.setdefault(piece, []).extend(its)
    return filed | {"": left}


def _by_rarest(pieces: dict[str, list[str]], common: Counter[str]) -> Filed:
    """Words by the rarest of their *pieces*, of those as rare in texts by the one that few have; by
    one of digits only for want of others, since there is no end to the numbers in logs."""
    shared = Counter(chain.from_iterable(pieces.values()))
    filed: dict[str, list[str]] = defaultdict(list)
    for word, of_word in pieces.items():
        keys = ((bool(DIGIT.search(each)), common[each], shared[each], each) for each in of_word)
        filed[min(keys)[3]].append(word)
    return dict(filed)


def by_rarest_pair(pieces: Collection[str]) -> Filed:
    """Pieces of runs by the rarest two characters in each, or by the end that it has in common with
    its run."""
    held = {piece: _ends(piece) or list(map(add, piece, piece[1:])) for piece in pieces}
    common = Counter(chain.from_iterable(held.values()))
    filed: dict[str, list[str]] = defaultdict(list)
    for piece, of_piece in held.items():
        filed[min(of_piece, key=common.__getitem__)].append(piece)
    return dict(filed)


def _ends(piece: str) -> list[str]:
    """The pieces of ends of a run, where *piece* has a blank there."""
    run, size = piece.strip(), EDGES[0]
    begins, ends = piece[:1] == " ", piece[-1:] == " "
    if begins and ends:
        return [piece]
    return [f" {run[:size]}"] * begins + [f"{run[-size:]} "] * ends
