"""``autoloop demo``: a real application is broken three times, noticed, repaired and proved.

Prefect server, worker and API run as in earnest; the application is gunicorn under supervisord on
this machine, in a folder of its own. The last line printed is one JSON object.
"""

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from autoloop.core.app import parse_app
from autoloop.core.errors import AutoloopError, HostUnreachable, NotFound
from autoloop.doors import client
from autoloop.platform.demo_app import document
from autoloop.platform.story import SCENES, Broken, Scene
from autoloop.platform.supervise import Platform
from autoloop.settings import settings

PATIENCE_S = 100.0
console = Console(stderr=True, highlight=False)


def say(line: str) -> None:
    """One line for a person, with the time since the start."""
    console.print(f"[dim]{time.monotonic() - BEGAN:6.1f} s[/dim]  {line}")


BEGAN = time.monotonic()


def script() -> Path:
    """The script that runs the demo application; it is part of the source tree.

    Raises:
        NotFound: this is an installation without the examples.
    """
    path = Path(__file__).parents[2] / "examples/lingzhi/local.py"
    if not path.is_file():
        raise NotFound(str(path), "the demo application is not installed", "use the source tree")
    return path


def application(verb: str, root: Path, *more: str) -> dict[str, Any]:
    """Start or stop the demo application; what it says of itself."""
    argv = [sys.executable, str(script()), verb, str(root), *more]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        raise HostUnreachable("demo application", done.stderr[-800:].strip(), f"look into {root}")
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts


def adopt(facts: dict[str, Any]) -> None:
    """Write the application's file and put it under care."""
    home = settings().home
    spec = document(facts, str(home / "demo-agent"))
    parse_app(spec, "demo")
    path = home / "demo-app.json"
    path.write_text(json.dumps(spec))
    client.register(path)


def play(scene: Scene, broken: Broken, tick: Callable[[], None]) -> dict[str, Any]:
    """Make one fault, wait until the platform has ended its incident, and say how."""
    before = {r["id"] for r in client.ledger().records("lingzhi")}
    say(f"[red]✘[/red] {scene.words.en}")
    began = datetime.now(UTC)
    scene.make(broken)
    told: set[str] = set()
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        tick()
        for record in client.ledger().records("lingzhi"):
            if record["id"] in before:
                continue
            for row in record["timeline"]:
                if row["at"] not in told:
                    told.add(row["at"])
                    say(f"    {row['state']:<14} {row['reason'][:90]}")
            if record["ended"] and (settings().reports / f"{record['id']}.json").exists():
                return ended(scene, record, began)
        time.sleep(0.2)
    return {"name": scene.name, "repaired": False, "why": f"not ended in {PATIENCE_S:g} s"}


def ended(scene: Scene, record: dict[str, Any], began: datetime) -> dict[str, Any]:
    """The row of one fault in the closing JSON."""
    outcome = record["outcome"] or {"kept": False, "remedy": "", "proof": {"at": 0, "checks": []}}
    cause = record["diagnosis"]["causes"][0]
    noticed = datetime.fromisoformat(record["opened"])
    recovered = outcome["proof"]["at"] - began.timestamp() if outcome["kept"] else None
    row = {
        "name": scene.name,
        "class": cause["name"],
        "class_right": cause["name"] == scene.right,
        "culprit": cause["culprit"],
        "remedy": outcome["remedy"],
        "repaired": outcome["kept"],
        "seconds_to_detect": round((noticed - began).total_seconds(), 2),
        "seconds_to_recover": round(recovered, 2) if recovered is not None else None,
        "proof": [check["name"] for check in outcome["proof"]["checks"] if check["passed"]],
        "incident": record["id"],
        "report": str(settings().reports / f"{record['id']}.html"),
    }
    if row["repaired"]:
        say(f"[green]✔[/green] {cause['name']}, {row['remedy']}, in {row['seconds_to_recover']} s")
    else:
        say(f"[red]✘ {record['state']}[/red]")
    return row


def stay(platform: Platform, broken: Broken) -> None:
    """Keep it running until interrupted."""
    say(f"Prefect UI {settings().prefect_url.removesuffix('/api')} · app {broken.facts['url']}")
    say("Ctrl-C ends it")
    while True:
        platform.watch()
        time.sleep(0.2)


def run(keep: bool) -> list[dict[str, Any]]:
    """Set everything up, tell the story, take everything down; a row for each fault it came to."""
    root, platform = settings().home / "demo", Platform(settings())
    rows: list[dict[str, Any]] = []
    with ExitStack() as ending:
        platform.take_folder()
        ending.callback(application, "down", root)
        ending.callback(platform.stop)
        try:
            say("the demo application is set up (gunicorn under supervisord)")
            broken = Broken(application("up", root))
            ending.callback(broken.clean)
            platform.start(say)
            say("the application is put under care: it is well, this state is the good one")
            adopt(broken.facts)
            for scene in SCENES:
                rows.append(play(scene, broken, platform.watch))
            if keep:
                stay(platform, broken)
        except KeyboardInterrupt:
            say("stopping")
        finally:
            heed(signal.SIG_IGN)
    return rows


def heed(how: Any) -> None:
    """What is done at Ctrl-C and at SIGTERM alike."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, how)


def main() -> int:
    """Exit 0 only when every fault was repaired and proved."""
    parser = argparse.ArgumentParser(prog="autoloop demo")
    parser.add_argument("--keep", action="store_true", help="stay up until Ctrl-C")
    keep = parser.parse_args().keep
    heed(signal.default_int_handler)
    try:
        rows = run(keep)
    except AutoloopError as error:
        print(f"autoloop: {error}", file=sys.stderr)
        return 1
    good = len(rows) == len(SCENES) and all(row["repaired"] for row in rows)
    print(json.dumps({"faults": rows, "ok": good, "seconds": round(time.monotonic() - BEGAN, 1)}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
