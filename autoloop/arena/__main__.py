"""The arena by hand: `python -m autoloop.arena build | up | run | down | check | sweep`."""

import json
import signal
import sys
from argparse import REMAINDER, ArgumentParser, Namespace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from autoloop.arena import drill, hosts
from autoloop.arena.check import LEFT_ALONE_S, as_json, check
from autoloop.arena.errors import ArenaError
from autoloop.arena.fault import load
from autoloop.arena.image import build
from autoloop.arena.product import Product
from autoloop.arena.progress import say
from autoloop.arena.recipe import Profile

PROFILES = get_args(Profile)
DATABASE = "the database that the app on it uses"
FOLDER = "a folder of faults instead of the shipped ones"
RESULT = "file for the result, which is JSON; without it, it goes to standard output"


def main(words: list[str] | None = None) -> int:
    """Do what the command line says; 0 when it worked, 1 when not, 2 when it was not understood."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    asked = _parser().parse_args(words)
    try:
        return int(asked.do(asked))
    except ArenaError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m autoloop.arena", description=__doc__)
    verbs = parser.add_subparsers(required=True)

    verb = verbs.add_parser("build", help="make the image of hosts, if it is not there yet")
    verb.add_argument("--profile", choices=PROFILES, default="sqlite", help=DATABASE)
    verb.set_defaults(do=_build)

    verb = verbs.add_parser("up", help="a new host; it stays until it is taken down")
    verb.add_argument("name")
    verb.add_argument("--profile", choices=PROFILES, default="sqlite", help=DATABASE)
    verb.set_defaults(do=_up)

    verb = verbs.add_parser("hosts", help="the hosts that are there")
    verb.set_defaults(do=_hosts)

    verb = verbs.add_parser("exec", help="run a command on a host over SSH, as root")
    verb.add_argument("name")
    verb.add_argument("command", nargs=REMAINDER)
    verb.set_defaults(do=_exec)

    verb = verbs.add_parser("list", help="the faults there are")
    verb.add_argument("--faults", type=Path, help=FOLDER)
    verb.add_argument("--json", action="store_true", help="print one JSON document")
    verb.set_defaults(do=_list)

    verb = verbs.add_parser("run", help="drill faults: the product at work, and the score card")
    verb.add_argument("name", nargs="*")
    verb.add_argument("--faults", type=Path, help=FOLDER)
    verb.add_argument("--jobs", type=int, default=2, help="hosts at a time (default 2)")
    verb.add_argument("--repeat", type=int, default=1, help="how often each fault is made")
    verb.add_argument("--baselines", action="store_true", help="what naive repairs would score")
    verb.add_argument("--home", type=Path, help="state folder of the platform under drill")
    verb.add_argument("--json", type=Path, nargs="?", metavar="FILE", help=RESULT)
    verb.set_defaults(do=_run)

    verb = verbs.add_parser("down", help="shut a host down and throw it away")
    verb.add_argument("name")
    verb.set_defaults(do=_down)

    verb = verbs.add_parser("sweep", help="throw away hosts whose owners were killed")
    verb.set_defaults(do=_sweep)

    verb = verbs.add_parser("check", help="check faults: red, green, red, each on a fresh host")
    verb.add_argument("name", nargs="*")
    verb.add_argument("--faults", type=Path, help=FOLDER)
    verb.add_argument("--jobs", type=int, default=2, help="hosts at a time (default 2)")
    verb.add_argument("--alone", type=float, default=LEFT_ALONE_S, help="seconds left alone")
    verb.add_argument("--json", type=Path, nargs="?", metavar="FILE", help=RESULT)
    verb.set_defaults(do=_check)
    return parser


def _build(asked: Namespace) -> int:
    image = build(asked.profile)
    print(*image.layers, sep="\n")
    return 0


def _up(asked: Namespace) -> int:
    host = hosts.up(asked.name, build(asked.profile), stays=True)
    print(f"{host.name} {host.ip}\nlogin key: {host.login_key}\n{host.known_hosts}", end="")
    return 0


def _hosts(_asked: Namespace) -> int:
    for record in hosts.everybody():
        print(record.name, record.ip, "running" if record.running else "off")
    return 0


def _exec(asked: Namespace) -> int:
    done = hosts.find(asked.name).run(" ".join(asked.command))
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


def _down(asked: Namespace) -> int:
    hosts.find(asked.name).down()
    return 0


def _sweep(_asked: Namespace) -> int:
    print(*hosts.sweep(), sep="\n")
    return 0


def _list(asked: Namespace) -> int:
    rows = [
        {"name": fault.name, "class": f"{fault.error_class}.{fault.subtype}", "auto": fault.auto}
        for fault in load(asked.faults)
    ]
    if asked.json:
        _put(rows)
        return 0
    for row in rows:
        asks = "" if row["auto"] else "a person must be asked"
        print(f"{row['name']:24} {row['class']:32} {asks}".rstrip())
    return 0


def _run(asked: Namespace) -> int:
    """Exit 0 when the drill itself worked, whatever the score."""
    names, file = _meant(asked)
    faults = load(asked.faults, names)
    with (
        TemporaryDirectory(prefix="autoloop-drill-") as folder,
        Product(asked.home or Path(folder)) as product,
    ):
        card = drill.run(faults, product, asked.jobs, asked.repeat, asked.baselines)
    _put(card, file)
    say(json.dumps(card["summary"]))
    return 0


def _check(asked: Namespace) -> int:
    names, file = _meant(asked)
    report = as_json(check(load(asked.faults, names), asked.jobs, asked.alone))
    _put(report, file)
    summary = report["summary"]
    say(f"{summary['ok']} of {summary['faults']} faults are as they should be")
    return 0 if summary["ok"] == summary["faults"] else 1


def _meant(asked: Namespace) -> tuple[list[str], Path | None]:
    """The names of faults, and the file of the result: a fault's name after --json is no file."""
    if asked.json and str(asked.json) in {fault.name for fault in load(asked.faults)}:
        return [*asked.name, str(asked.json)], None
    return asked.name, asked.json


def _put(document: object, file: Path | None = None) -> None:
    """One JSON document, into a file or to standard output."""
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if file:
        file.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    sys.exit(main())
