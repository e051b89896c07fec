"""``autoloop watch``: what the logs of files or of an application say, as it is found."""

import contextlib
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from autoloop.core.diagnosis import BENIGN
from autoloop.core.errors import AutoloopError, BadRequest, NotSettled
from autoloop.core.reading.lasting import seldom
from autoloop.doors import client
from autoloop.ledger.logbook import Logbook
from autoloop.logs.findings import Finding
from autoloop.logs.reader import Here, Keeper, There, only_reader, sources_for
from autoloop.logs.target.sources import Pipe
from autoloop.settings import settings

FILES = "files"
"""The owner of the places in files that are watched by name."""

LOOK_S = 0.5
AGAIN_S = (1, 2, 5, 10, 30)


def watch_files(paths: Sequence[str], as_json: bool, once: bool, calm: bool) -> None:
    """Watch files, or standard input, and print what is found; nothing becomes an incident.

    Raises:
        BadRequest: a file cannot be read.
        NotSettled: another process watches files for this state folder.
    """
    rows = [{"kind": "file", "path": _readable(p), "from_start": True} for p in paths if p != "-"]
    pipes = [Pipe(sys.stdin.fileno())] if "-" in paths else []
    keeper = Keeper(Logbook(client.ledger()), FILES, told=_printer(as_json, calm))
    with only_reader(settings().home, FILES) if rows else contextlib.nullcontext():
        here = Here(rows, keeper, pipes)
        with seldom():
            if once:
                here.once()
            else:
                with _until_stopped(here.close):
                    _run_to_end(here, pipes, bool(rows))


def _run_to_end(here: Here, pipes: Sequence[Pipe], files: bool) -> None:
    """Files go on for ever; a pipe has an end."""
    if files or not pipes:
        here.run()
        return
    try:
        here.watch.run(lambda: here.going and not pipes[0].ended)
    finally:
        here.once()


def watch_app(app: str, as_json: bool, calm: bool) -> None:
    """Watch the logs of an application on its host, and hand in what is found.

    Where the platform does so already, what it finds is shown.
    """
    show, logbook = _printer(as_json, calm), Logbook(client.ledger())
    try:
        with only_reader(settings().home, app), seldom():
            _read_app(app, Keeper(logbook, app, told=show))
    except NotSettled:
        _follow_logbook(logbook, app, show)


def _read_app(app: str, keeper: Keeper) -> None:
    client.use_prefect()
    from blocks.app import App

    block = App.load(app)
    assert isinstance(block, App)
    sources = sources_for(block.spec)
    if not sources:
        raise BadRequest(f"app {app}", "names no logs", "add logs to a component of its file")
    local = block.spec.host.address == "local"
    losses = 0
    while True:
        reader = Here(sources, keeper) if local else There(sources, keeper, block.host.channel)
        stopped = False
        with _until_stopped(reader.close) as asked:
            try:
                reader.run()
            except AutoloopError as error:
                typer.echo(f"autoloop: {error}", err=True)
                time.sleep(AGAIN_S[min(losses, len(AGAIN_S) - 1)])
                losses += 1
            stopped = asked()
        if stopped or local:
            return


def _follow_logbook(logbook: Logbook, app: str, show: Callable[[Finding, int], None]) -> None:
    seen = {row["fingerprint"]: row["count"] for row in logbook.found(app)}
    typer.echo(f"autoloop: the platform watches {app}; this is what it finds", err=True)
    going = True

    def stop() -> None:
        nonlocal going
        going = False

    with _until_stopped(stop):
        while going:
            time.sleep(LOOK_S)
            for row in reversed(logbook.found(app)):
                before = seen.get(row["fingerprint"], 0)
                if row["count"] != before:
                    fields = {name: row[name] for name in Finding.model_fields if name in row}
                    fields["count"] = row["count"] - before
                    show(Finding.model_validate(fields), row["count"])
                    seen[row["fingerprint"]] = row["count"]


@contextlib.contextmanager
def _until_stopped(stop: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM ask for the end; what was read so far is kept."""
    asked = False

    def ask(*_: object) -> None:
        nonlocal asked
        asked = True
        stop()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, ask) for number in numbers]
    try:
        yield lambda: asked
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _readable(path: str) -> str:
    full = Path(path).absolute()
    if any(letter in path for letter in "*?["):
        return str(full)
    try:
        with full.open("rb"):
            return str(full)
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise BadRequest(path, what, "name a file, a pattern in quotes, or -") from None


def _printer(as_json: bool, calm: bool) -> Callable[[Finding, int], None]:
    coloured = sys.stdout.isatty() and not as_json

    def show(finding: Finding, total: int) -> None:
        if finding.name == BENIGN and not calm:
            return
        row = _json(finding, total) if as_json else _text(finding, total, coloured)
        with contextlib.suppress(BrokenPipeError):
            print(row, flush=True)

    return show


def _json(finding: Finding, total: int) -> str:
    row: dict[str, Any] = finding.model_dump(mode="json")
    row["class"], _, row["subtype"] = row.pop("name").partition(".")
    return json.dumps({**row, "total": total}, ensure_ascii=False)


def _text(finding: Finding, total: int, coloured: bool) -> str:
    head = f"{finding.name}  {finding.culprit}".rstrip()
    if coloured:
        head = typer.style(head, fg="red", bold=True)
    times = f"  {finding.count} times" if finding.count > 1 else ""
    in_all = f", {total} in all" if total > finding.count else ""
    where = finding.source.removeprefix("file:")
    lines = [f"{head}  {where}  {finding.fingerprint}{times}{in_all}"]
    return "\n".join([*lines, *(f"    {line}" for line in finding.text.split("\n"))])
