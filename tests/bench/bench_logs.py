"""How fast logs are read, beside ripgrep and grep with the same marks, in the same run.

A log is made of access lines, application lines in four forms and ordinary lines with alarming
words; a share of its lines are errors, some with stack traces. The whole pipeline is measured:
found, put together, counted, fingerprinted, understood, redacted, and kept with how far was read.

    bench_logs.py [--mb N] [--rounds N] [--only latency]

``--mb`` is the size of each log, 1000 by default. Files are made in TMPDIR and removed. With
``--only latency`` nothing but the time from a write to its incident is measured.
"""

import argparse
import importlib.util
import itertools
import json
import os
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TRACES = ROOT / "tests" / "unit" / "logs" / "traces"
SHARES = {"0.02 %": 0.0002, "1 %": 0.01}
SAMPLES = 300

ACCESS = '%s - - [03/Mar/2026:%02d:%02d:%02d +0000] "GET %s HTTP/1.1" 200 %d "-" "%s"\n'
AGENTS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/124.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "curl/8.5.0",
    "kube-probe/1.29",
]
PATHS = ["/", "/api/cart/%d", "/api/orders/%d/items", "/static/app.%x.js", "/products?page=%d"]
PYTHON = "2026-03-03 %02d:%02d:%02d,%03d %s [%s] shop.%s: %s\n"
JSON = '{"ts":"2026-03-03T%02d:%02d:%02d.%03dZ","level":"%s","logger":"%s","msg":"%s"}\n'
SYSLOG = "Mar  3 %02d:%02d:%02d web%d shop[%d]: %s\n"
CALM = [
    "stored %d items for user %s in %d ms",
    "request %d of session %s served in %d ms",
    "cache hit ratio of %d keys in %s is %d percent",
    "scheduled job %d (%s) took %d ms",
    "connection %d from %s opened, %d in the pool",
]
SCARY = [
    "import finished: %d rows of %s, 0 errors, %d warnings",
    "health of %d backends in %s: 0 failed, %d passed",
    "retry of job %d (%s) succeeded after attempt %d",
    "using timeout %d s for %s, pool of %d",
]
ERRORS = [
    "connection to server %d (%s) failed: Connection refused after %d ms",
    "order %d of customer %s could not be stored: no space left on device (%d)",
    "deadlock detected in transaction %d of %s, waited %d ms",
    "user %d (%s): password authentication failed, attempt %d",
    "upstream %d for %s timed out after %d ms",
]


def write_log(path: Path, megabytes: int, share: float, seed: int) -> None:
    """A log of that size, of whose lines about *share* are errors."""
    chance, size = random.Random(seed), 0
    with path.open("wb") as out:
        while size < megabytes * 1_000_000:
            piece = "".join(line(chance, share) for _ in range(20_000)).encode()
            size += out.write(piece)


def line(chance: random.Random, share: float) -> str:
    """One line, or one stack trace with its line."""
    draw, number = chance.random(), chance.getrandbits(30)
    at = number % 24, number % 60, (number >> 6) % 60
    if draw < share:
        if chance.random() < 0.3:
            return trace(chance)
        words = chance.choice(ERRORS) % (number, name(number), number % 5000)
        return formed(chance, at, number, "ERROR", words)
    if draw < share + 0.0005:
        words = chance.choice(SCARY) % (number % 500, name(number), number % 9)
        return formed(chance, at, number, "INFO", words)
    if draw < 0.5:
        ip = f"10.{number & 255}.{number >> 8 & 255}.{number >> 16 & 255}"
        path = PATHS[number % len(PATHS)]
        path = path % (number >> 4) if "%" in path else path
        return ACCESS % (ip, *at, path, number % 90_000, AGENTS[number % 4])
    words = CALM[number % len(CALM)] % (number % 900, name(number), number % 3000)
    return formed(chance, at, number, "INFO", words)


def name(number: int) -> str:
    """An id as programs make them."""
    return f"{number * 2654435761 % (1 << 48):012x}"


def formed(
    chance: random.Random, at: tuple[int, int, int], number: int, level: str, words: str
) -> str:
    """*words* as one of three kinds of programs log them."""
    kind = number % 3
    if kind == 0:
        return PYTHON % (*at, number % 1000, level, f"worker-{number % 8}", "cart", words)
    if kind == 1:
        return JSON % (*at, number % 1000, level.lower(), "shop.orders", words)
    return SYSLOG % (*at, number % 9, number % 30_000, words)


_traces: list[str] = []


def trace(chance: random.Random) -> str:
    """A stack trace of one of eight languages, with other numbers than before."""
    if not _traces:
        _traces.extend(path.read_text() for path in sorted(TRACES.glob("*.log")))
    return re.sub(r"\d{2,}", lambda _: str(chance.randrange(10, 9999)), chance.choice(_traces))


def read_one(path: str, engine: str, folder: str) -> None:
    """In a process of its own: read *path* to its end, and print what it took."""
    from autoloop.ledger.logbook import Logbook
    from autoloop.ledger.store import Ledger
    from autoloop.logs import engines
    from autoloop.logs.findings import Understanding
    from autoloop.logs.reader import Keeper
    from autoloop.logs.target.globs import Files
    from autoloop.logs.target.watch import Watch

    book = Logbook(Ledger(f"sqlite:///{folder}/ledger.db"))
    keeper = Keeper(book, "files")
    chosen = engines.engine(engine)
    chosen.hits(b"x")
    Understanding().findings([])
    watch = Watch([Files(path, {})], chosen, keeper.deliver)
    began, worked = time.perf_counter(), time.process_time()
    watch.once()
    took, worked = time.perf_counter() - began, time.process_time() - worked
    found = book.found("files", 100_000)
    print(json.dumps({
        "seconds": took,
        "cpu_seconds": round(worked, 3),
        "records": sum(row["count"] for row in found),
        "fingerprints": len(found),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }))  # fmt: skip


def pipeline(path: Path, engine: str) -> dict[str, Any]:
    """`read_one` in a new process with a new ledger."""
    with tempfile.TemporaryDirectory() as folder:
        argv = [sys.executable, __file__, "--one", str(path), engine, folder]
        said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def searchers(folder: Path) -> dict[str, list[str]]:
    """Commands that count the lines with a mark, those that are installed."""
    from autoloop.logs.target.marks import MARKS

    marks, pattern = folder / "marks", folder / "pattern"
    marks.write_bytes(b"\n".join(MARKS) + b"\n")
    pattern.write_bytes(b"|".join(re.escape(m).replace(rb"\ ", b" ") for m in MARKS) + b"\n")
    known = {
        "ripgrep, words": ["rg", "-c", "-i", "-F", "-f", str(marks)],
        "ripgrep, pattern": ["rg", "-c", "-i", "-f", str(pattern)],
        "grep -E": ["grep", "-c", "-i", "-E", "-f", str(pattern)],
    }
    return {name: argv for name, argv in known.items() if shutil.which(argv[0])}


def search(argv: list[str], path: Path) -> dict[str, Any]:
    """The seconds a searcher takes, and the lines it counts."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*argv, str(path)], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"}
    )
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "seconds": took,
        "cpu_seconds": round(worked, 3),
        "lines": int(done.stdout or 0),
    }


def measured(path: Path, folder: Path, rounds: int) -> dict[str, dict[str, Any]]:
    """Each reader and searcher in turn, so often; of each the median of its seconds."""
    found: dict[str, list[dict[str, Any]]] = {}
    for _ in range(rounds):
        for engine in ENGINES:
            found.setdefault(engine, []).append(pipeline(path, engine))
        for label, argv in searchers(folder).items():
            found.setdefault(label, []).append(search(argv, path))
    size = path.stat().st_size / 1e6
    rows = {}
    for label, runs in found.items():
        seconds = statistics.median(run["seconds"] for run in runs)
        rows[label] = {**runs[-1], "seconds": round(seconds, 3), "mb_s": round(size / seconds)}
        rows[label]["all_seconds"] = [round(run["seconds"], 3) for run in runs]
    return rows


PACKAGES = {"hyperscan": "hyperscan", "re2": "re2"}
EXTRAS = {"hyperscan": "hyperscan", "re2": "google-re2"}
ENGINES = [name for name, package in PACKAGES.items() if importlib.util.find_spec(package)]

LATENCY = """
import sys, time
from autoloop.ledger.logbook import Logbook
from autoloop.ledger.store import Ledger
from autoloop.logs.reader import Here, Keeper
path, url = sys.argv[1:]
ledger = Ledger(url)
ledger.save_app("shop", {"environment": "test"})
def told(finding, total):
    at, worked = time.monotonic_ns(), time.process_time_ns()
    print(finding.text.split("mark ")[1].split()[0], at, worked, flush=True)
Here([{"kind": "file", "path": path}], Keeper(Logbook(ledger), "shop", told=told)).run()
"""


def latencies(folder: Path) -> dict[str, Any]:
    """Milliseconds from a write to the moment at which its incident is in the ledger.

    Beside them the processor's time that the reader took for each, which other work on the machine
    changes little.
    """
    path, url = folder / "live.log", f"sqlite:///{folder}/live.db"
    path.touch()
    argv = [sys.executable, "-c", LATENCY, str(path), url]
    reader = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert reader.stdout
    written, chance = {}, random.Random(5)
    try:
        with path.open("ab", buffering=0) as out:
            time.sleep(4)
            for number in range(SAMPLES + 20):
                word = "".join("ghjkmnpqrs"[int(digit)] for digit in str(number))
                text = f"2026-03-03 10:00:00 ERROR mark {word} database is locked\n"
                written[word] = time.monotonic_ns()
                out.write(text.encode())
                time.sleep(chance.uniform(0.01, 0.05))
        time.sleep(1)
    finally:
        reader.terminate()
    rows = [row.split() for row in reader.stdout.read().splitlines()]
    reader.wait()
    took = [(int(at) - written[word]) / 1e6 for word, at, _ in rows if word in written][:SAMPLES]
    cpu = [int(row[2]) / 1e6 for row in rows]
    worked = [after - before for before, after in itertools.pairwise(cpu)]
    return {**spread(took), "cpu": spread(worked), "samples": len(took)}


def spread(found: Sequence[float]) -> dict[str, float | None]:
    """The least, the middle and the late ones of what was measured."""
    rows = sorted(found)
    places = {"min": 0, "p50": len(rows) // 2, "p99": max(0, int(len(rows) * 0.99) - 1)}
    return {name: round(rows[at], 2) if rows else None for name, at in places.items()}


def target(what: str, goal: float, found: float | None, at_most: bool = False) -> dict[str, Any]:
    """One goal, and whether it was met; what could not be measured is not met."""
    met = found is not None and (found <= goal if at_most else found >= goal)
    return {"what": what, "goal": goal, "measured": found, "met": met}


def ratio(rows: dict[str, dict[str, Any]], engine: str) -> float | None:
    """How many times as fast as the quicker way of asking ripgrep."""
    others = [row["mb_s"] for label, row in rows.items() if label.startswith("ripgrep")]
    return round(rows[engine]["mb_s"] / max(others), 2) if engine in rows and others else None


def main() -> None:
    """Measure what was asked for, and print it."""
    options = argparse.ArgumentParser()
    options.add_argument("--mb", type=int, default=1000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--only", choices=["latency"])
    options.add_argument("--one", nargs=3)
    chosen = options.parse_args()
    if chosen.one:
        read_one(*chosen.one)
    elif chosen.only:
        with tempfile.TemporaryDirectory() as name:
            told({"latency_ms": latencies(Path(name))}, [])
    else:
        measure(chosen.mb, chosen.rounds)


def measure(megabytes: int, rounds: int) -> None:
    """Everything, with logs of that size."""
    for engine, package in PACKAGES.items():
        if engine not in ENGINES:
            how = f".venv/bin/python -m pip install {EXTRAS[engine]}"
            print(
                f"bench-logs: {engine} is not measured, {package} is not there - {how}", flush=True
            )
    figures: dict[str, Any] = {"mb": megabytes, "engines": ENGINES}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label, share in SHARES.items():
            path = folder / "shop.log"
            write_log(path, megabytes, share, seed=3)
            figures[label] = measured(path, folder, rounds)
            for reader, row in figures[label].items():
                print(f"{label:8} {reader:18} {row['mb_s']:>6} MB/s  {json.dumps(row)}", flush=True)
            path.unlink()
        small = folder / "small.log"
        write_log(small, min(megabytes, 100), SHARES["0.02 %"], seed=4)
        figures["standard library, 100 MB"] = pipeline(small, "standard")
        rate = small.stat().st_size / 1e6 / figures["standard library, 100 MB"]["seconds"]
        figures["standard library, 100 MB"]["mb_s"] = round(rate)
        figures["latency_ms"] = latencies(folder)
    rows = [row for label in SHARES for row in figures[label].values()]
    peaks = [row["peak_mb"] for row in rows if "peak_mb" in row]
    calm, dense = (figures[label] for label in SHARES)
    targets = [
        target("hyperscan by ripgrep, 0.02 %", 1.5, ratio(calm, "hyperscan")),
        target("hyperscan by ripgrep, 1 %", 0.8, ratio(dense, "hyperscan")),
        target("re2 by ripgrep, 0.02 %", 0.8, ratio(calm, "re2")),
        target("peak memory, MB", 200, round(max(peaks)) if peaks else None, at_most=True),
    ]
    told(figures, targets)


def told(figures: dict[str, Any], targets: list[dict[str, Any]]) -> None:
    """Print what was measured, and which goals were met."""
    late = figures["latency_ms"]
    targets = [
        *targets,
        target("write to incident, p50 ms", 5, late["p50"], at_most=True),
        target("write to incident, p99 ms", 50, late["p99"], at_most=True),
    ]
    figures["load"] = round(os.getloadavg()[0], 1)
    for row in targets:
        print("{what:32} {measured!s:>10} goal {goal:>6} met {met}".format(**row))
    print(json.dumps({"bench": "logs", "figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
