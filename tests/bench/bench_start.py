"""How long from an event to the first line of flow code? Stock process worker against warm worker.

Usage: python tests/bench/bench_start.py [--n 12]

One SQLite server, three workers at rest, runs in turn: one of each kind, then again. Measured from
just before the REST request that creates the run to the first line of the flow's function, by the
machine's clock. Before each request a random part of a second passes, so that polls are not met in
step. The last line is one JSON object.
"""

import argparse
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
FLOW = """
import os, time
from prefect import flow
from prefect.runtime import flow_run

@flow
def first_line():
    now = time.time()
    with open(os.environ["BENCH_NOTES"], "a") as notes:
        notes.write(f"{flow_run.id} {now}\\n")
"""
KINDS = {
    "stock": "process worker, QUERY_SECONDS=1",
    "polled": "warm worker, 1 s poll",
    "nudged": "warm worker, nudged",
}
GOAL = 5


class Bench:
    """A server, three workers, and the stopwatch."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self.home, self.stack = home, stack
        (home / "benched").mkdir()
        (home / "benched" / "__init__.py").write_text(FLOW)
        self.notes = home / "notes"
        self.notes.touch()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        path = [str(ROOT), str(home), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")},
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home}/prefect.db",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "BENCH_NOTES": str(self.notes),
            "PYTHONPATH": os.pathsep.join(path),
        }
        self.http = stack.enter_context(
            httpx.Client(base_url=self.env["PREFECT_API_URL"], timeout=30)
        )
        self.start("prefect", "server", "start", "--port", str(port))
        self.wait(lambda: self.http.get("/health").status_code == 200)
        prefect = ["prefect", "worker", "start", "--type", "process", "--pool", "stock"]
        warm = ["autoloop.worker", "--preload", "benched", "--limit", "2"]
        self.workers = {
            "stock": self.start(*prefect, "--limit", "2"),
            "polled": self.start(*warm, "--pool", "polled", "--name", "polled"),
            "nudged": self.start(*warm, "--pool", "nudged", "--name", "nudged", "--poll-s", "60"),
        }
        self.deployments = {kind: self.deploy(kind) for kind in self.workers}

    def start(self, *module: str) -> subprocess.Popen[bytes]:
        """Start ``python -m`` with this; it is ended with the bench."""
        with (self.home / f"{module[0]}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *module], env=self.env, cwd=self.home, stdout=log, stderr=log
            )
        self.stack.callback(process.wait)
        self.stack.callback(process.terminate)
        return process

    def call(self, path: str, body: Any) -> Any:
        """One POST; a busy server is asked again."""
        answer = self.http.post(path, json=body)
        while answer.status_code == 503:
            time.sleep(0.02)
            answer = self.http.post(path, json=body)
        return answer.raise_for_status().json()

    def deploy(self, kind: str) -> str:
        """Create the deployment, as soon as the worker has made its pool and is there."""
        self.wait(lambda: self.call(f"/work_pools/{kind}/workers/filter", {}))
        flow = self.call("/flows/", {"name": "first-line"})["id"]
        body = {"name": kind, "flow_id": flow, "work_pool_name": kind}
        deployment = self.call("/deployments/", {**body, "entrypoint": "benched.first_line"})
        return str(deployment["id"])

    def seconds(self, kind: str) -> float:
        """One run: seconds from just before the request to the first line."""
        time.sleep(random.uniform(0.5, 1.5))
        began = time.time()
        run = self.call(f"/deployments/{self.deployments[kind]}/create_flow_run", {})["id"]
        if kind == "nudged":
            self.workers[kind].send_signal(signal.SIGUSR1)
        self.wait(lambda: run in self.notes.read_text())
        line = next(each for each in self.notes.read_text().splitlines() if run in each)
        self.wait(lambda: self.http.get(f"/flow_runs/{run}").json()["state_type"] == "COMPLETED")
        return float(line.split()[1]) - began

    def wait(self, true: Any, seconds: float = 90) -> None:
        """Until it is true; a server that does not answer yet counts as false."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with suppress(httpx.HTTPError):
                if true():
                    return
            time.sleep(0.05)
        raise TimeoutError(f"bench: nothing within {seconds} s - read the logs in {self.home}")


def figures(samples: list[float]) -> dict[str, float]:
    """Median, 95th percentile and extremes of seconds."""
    ordered = sorted(samples)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    named = {"median": statistics.median(ordered), "p95": p95, "min": ordered[0]}
    return {name: round(value, 3) for name, value in {**named, "max": ordered[-1]}.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=12, help="runs of each kind")
    n = parser.parse_args().n
    samples: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home, ExitStack() as stack:
        bench = Bench(Path(home), stack)
        for kind in KINDS:
            bench.seconds(kind)  # not counted: caches, first imports
        for _ in range(n):
            for kind in KINDS:
                samples[kind].append(bench.seconds(kind))
    found: dict[str, Any] = {kind: figures(each) for kind, each in samples.items()}
    print(f"request to first line of the flow, seconds, n={n} each, load {os.getloadavg()[0]:.1f}")
    print(f"{'':34}{'median':>8}{'p95':>8}{'min':>8}{'max':>8}")
    for kind, words in KINDS.items():
        print(f"{words:34}" + "".join(f"{value:8.3f}" for value in found[kind].values()))
    ratio = round(found["stock"]["median"] / found["nudged"]["median"], 1)
    target = {
        "what": "warm start is at least 5x faster than the stock process worker (median)",
        "goal": GOAL,
        "measured": ratio,
        "met": ratio >= GOAL,
    }
    found |= {"n": n, "times_faster": ratio, "load": round(os.getloadavg()[0], 1)}
    print(json.dumps({"bench": "start", "figures": found, "targets": [target]}))


if __name__ == "__main__":
    main()
