"""The arena by hand: `python -m autoloop.arena build | up | run | down | check | sweep`."""

import json
import signal
import sys
from argparse import REMAINDER, ArgumentParser, Namespace
from pathlib import Path

from autoloop.arena import hosts
from autoloop.arena.check import LEFT_ALONE_S, as_json, check
from autoloop.arena.errors import ArenaError
from autoloop.arena.fault import load
from autoloop.arena.image import build
from autoloop.arena.progress import say


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
    verb.set_defaults(do=_build)

    verb = verbs.add_parser("up", help="a new host; it stays until it is taken down")
    verb.add_argument("name")
    verb.set_defaults(do=_up)

    verb = verbs.add_parser("list", help="the hosts that are there")
    verb.set_defaults(do=_list)

    verb = verbs.add_parser("run", help="run a command on a host over SSH, as root")
    verb.add_argument("name")
    verb.add_argument("command", nargs=REMAINDER)
    verb.set_defaults(do=_run)

    verb = verbs.add_parser("down", help="shut a host down and throw it away")
    verb.add_argument("name")
    verb.set_defaults(do=_down)

    verb = verbs.add_parser("sweep", help="throw away hosts whose owners were killed")
    verb.set_defaults(do=_sweep)

    verb = verbs.add_parser("check", help="check faults: red, green, red, each on a fresh host")
    verb.add_argument("name", nargs="*")
    verb.add_argument("--faults", type=Path, help="a folder of faults instead of the shipped ones")
    verb.add_argument("--jobs", type=int, default=2, help="hosts at a time (default 2)")
    verb.add_argument("--alone", type=float, default=LEFT_ALONE_S, help="seconds left alone")
    verb.add_argument("--json", type=Path, help="where the report goes")
    verb.set_defaults(do=_check)
    return parser


def _build(_asked: Namespace) -> int:
    image = build()
    print(*image.layers, sep="\n")
    return 0


def _up(asked: Namespace) -> int:
    host = hosts.up(asked.name, build(), stays=True)
    print(f"{host.name} {host.ip}\nlogin key: {host.login_key}\n{host.known_hosts}", end="")
    return 0


def _list(_asked: Namespace) -> int:
    for record in hosts.everybody():
        print(record.name, record.ip, "running" if record.running else "off")
    return 0


def _run(asked: Namespace) -> int:
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


def _check(asked: Namespace) -> int:
    report = as_json(check(load(asked.faults, asked.name), asked.jobs, asked.alone))
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    if asked.json:
        asked.json.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    summary = report["summary"]
    say(f"{summary['ok']} of {summary['faults']} faults are as they should be")
    return 0 if summary["ok"] == summary["faults"] else 1


if __name__ == "__main__":
    sys.exit(main())
