#!/usr/bin/env python3
"""Run lingzhi under one folder, without root and without systemd.

    python local.py up ROOT [--port 18080]    make what is missing, start, wait till healthy
    python local.py status ROOT               exit 0 when healthy, 1 when not
    python local.py down ROOT                 stop everything; the files stay

`up` keeps what it finds: ROOT/app, ROOT/etc/lingzhi.env and the data are made only when they
are missing. Progress goes to stderr; the last line on stdout is one JSON object.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import supervision
import tree
from supervision import DEFAULT_PORT, UNIT
from tree import CannotRun, say

Answer = tuple[dict[str, Any], int]


def facts(root: Path) -> dict[str, Any]:
    """What others need to reach the app and what belongs to it."""
    url = f"http://127.0.0.1:{supervision.configured_port(root)}"
    return {
        "root": str(root),
        "url": url,
        "health": f"{url}/api/health",
        "supervisorctl": supervision.supervisorctl(root),
        "unit": UNIT,
        "settings": str(root / tree.SETTINGS),
        "app": str(root / "app"),
        "venv": str(root / "venv"),
        "database": str(root / tree.DATABASE),
        "logs": {name: str(root / path) for name, path in tree.LOGS.items()},
    }


def up(root: Path, port: int | None) -> Answer:
    """Make what is missing, start and wait till the app is healthy."""
    port = port or supervision.configured_port(root)
    tree.make_folders(root)
    tree.make_venv(root)
    tree.make_settings(root)
    say("migrating and seeding the database")
    tree.make_database(root)
    supervision.start(root, port)
    supervision.wait_until_healthy(root, port)
    say(f"lingzhi is healthy on http://127.0.0.1:{port}")
    return facts(root), 0


def status(root: Path, _port: int | None) -> Answer:
    """Tell how the app is; exit code 0 when it is healthy."""
    code = supervision.health(supervision.configured_port(root))
    state = supervision.program_state(root)
    healthy = state == "RUNNING" and code == 200
    return facts(root) | {"state": state, "health_code": code}, 0 if healthy else 1


def down(root: Path, _port: int | None) -> Answer:
    """Stop everything."""
    pids = supervision.stop(root)
    say(f"stopped {len(pids)} processes" if pids else "nothing was running")
    return {"root": str(root), "stopped": pids}, 0


COMMANDS = {"up": up, "status": status, "down": down}


def asked_for() -> argparse.Namespace:
    """The command line: command, root, port."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("root", metavar="ROOT")
    parser.add_argument("--port", type=int, help=f"for up; at first {DEFAULT_PORT}, then kept")
    asked = parser.parse_args()
    if asked.port is not None and not 0 < asked.port < 65536:
        parser.error(f"--port {asked.port}: not a port - give 1 to 65535")
    return asked


def main() -> int:
    """Do what the command line asks; the exit code."""
    asked = asked_for()
    try:
        answer, code = COMMANDS[asked.command](tree.usable_root(asked.root), asked.port)
    except (CannotRun, OSError) as error:
        say(f"local.py: {error}")
        return 1
    print(json.dumps(answer), flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
