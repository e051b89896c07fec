"""Cassettes: what a host answered, kept as JSON, so that a diagnosis can be made again from it."""

import json
from collections.abc import Sequence

from autoloop.core.errors import BadRequest, NotFound
from autoloop.core.redact import redact
from autoloop.core.target import Answer, Observer, Read
from autoloop.core.words import Frozen


class Recorded(Frozen):
    """One read and its answer."""

    read: Read
    answer: Answer


class Cassette(Frozen):
    """Reads and answers in the order in which they were made."""

    records: tuple[Recorded, ...] = ()

    def to_json(self) -> str:
        """The form that `cassette_from` reads. Answers are as the host gave them: not redacted."""
        return self.model_dump_json(indent=1)


def cassette_from(text: str) -> Cassette:
    """The cassette that `Cassette.to_json` wrote.

    Raises:
        BadRequest: *text* is none.
    """
    try:
        return Cassette.model_validate_json(text)
    except ValueError as error:
        raise BadRequest("cassette", str(error)[:300], "record it again") from None


class Recorder:
    """An observer that passes reads on and keeps what was answered."""

    def __init__(self, host: Observer) -> None:
        self._host = host
        self._records: list[Recorded] = []

    def observe(self, reads: Sequence[Read], deadline_s: float = 20.0) -> tuple[Answer, ...]:
        """The host's answers."""
        answers = self._host.observe(reads, deadline_s)
        self._records += [
            Recorded(read=read, answer=answer) for read, answer in zip(reads, answers, strict=True)
        ]
        return answers

    @property
    def cassette(self) -> Cassette:
        """What was recorded so far."""
        return Cassette(records=tuple(self._records))


class Replay:
    """An observer that answers from a cassette: each read as often as it was asked, then as last.

    Raises:
        NotFound: a read that was never recorded.
    """

    def __init__(self, cassette: Cassette) -> None:
        self._answers: dict[str, list[Answer]] = {}
        for record in cassette.records:
            self._answers.setdefault(_key(record.read), []).append(record.answer)

    def observe(self, reads: Sequence[Read], deadline_s: float = 20.0) -> tuple[Answer, ...]:  # noqa: ARG002
        """The recorded answers."""
        return tuple(self._answer(read) for read in reads)

    def _answer(self, read: Read) -> Answer:
        left = self._answers.get(_key(read))
        if left is None:
            asked = redact(_key(read))[:300]
            raise NotFound("cassette", f"holds no answer to {asked}", "record it again")
        return left.pop(0) if len(left) > 1 else left[0]


def _key(read: Read) -> str:
    return json.dumps(read.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
