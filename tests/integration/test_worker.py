"""The warm worker against a real Prefect server: start, crash, recovery, cancel, limit, outage."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]
FLOWS = """
    import os, signal, time
    from pathlib import Path
    from prefect import flow, get_run_logger, task
    from prefect.runtime import flow_run

    def note(line):
        with open(os.environ["TRIAL_NOTES"], "a") as notes:
            notes.write(f"{time.time()} {flow_run.id} {line}\\n")

    def key(context, given):
        return f"{flow_run.root_flow_run_id}/{given['n']}"

    @task(persist_result=True, cache_key_fn=key)
    def step(n, seconds):
        note(f"step {n} begins")
        time.sleep(seconds)
        note(f"step {n} ends")
        return n

    @flow
    def steps(count=3, seconds=0.0):
        note(f"begins in {os.getpid()} with {os.environ.get('TRIAL_WORD', 'nothing')}")
        get_run_logger().info("a line of the flow")
        for n in range(count):
            step(n, seconds)
        note("ends")

    @flow
    async def later():
        note("async")

    @flow
    def outer(seconds=0.0):
        note(f"outer in {os.getpid()}")
        steps(count=3, seconds=seconds)

    @flow
    def suicide():
        note("suicide")
        os.kill(os.getpid(), signal.SIGKILL)

    @flow(retries=1, retry_delay_seconds=3)
    def again():
        note(f"again in {os.getpid()}")
        if flow_run.run_count == 1:
            raise ValueError("once")
        time.sleep(1.5)
        note("again ends")

    @flow
    def fails():
        raise ValueError("as it should")

    @flow
    def stubborn(seconds=30.0):
        note(f"stubborn in {os.getpid()}")
        end = time.time() + seconds
        while time.time() < end:
            try:
                time.sleep(end - time.time())
            except BaseException:
                pass
"""


class Server:
    """A Prefect server of its own, and what tests ask of its API."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.notes = home / "notes"
        self.notes.touch()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/api"
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")},
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": self.url,
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home}/prefect.db",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_LOCAL_STORAGE_PATH": str(home / "results"),
            "DO_NOT_TRACK": "1",
            "TRIAL_NOTES": str(self.notes),
            "PYTHONPATH": os.pathsep.join(
                [str(ROOT), str(home), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
        }
        self.http = httpx.Client(base_url=self.url, timeout=90)

    def start(self) -> None:
        command = [sys.executable, "-m", "autoloop.platform.server", "--port", str(self.port)]
        with (self.home / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self.env, stdout=log, stderr=log, cwd=self.home
            )
        until(self.healthy, 60)

    def healthy(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return self.http.get("/health").status_code == 200
        return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Keep it from answering; connections stay open."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request; a busy SQLite server is asked again."""
        for _ in range(20):
            answer = self.http.request(method, path, json=body)
            if answer.status_code != 503:
                break
            time.sleep(0.1)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def deploy(self, flow: str, pool: str, **more: Any) -> str:
        """Create a deployment of a trial flow; returns its id."""
        module, _, name = flow.rpartition(".")
        flow_id = self.call("POST", "/flows/", {"name": name})["id"]
        body = {"name": f"{pool}-{time.time_ns()}", "flow_id": flow_id, "work_pool_name": pool}
        body["entrypoint"] = f"trial.{module}.{name}"
        return str(self.call("POST", "/deployments/", {**body, **more})["id"])

    def run(self, deployment: str, **parameters: Any) -> str:
        """Create a flow run; returns its id."""
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        path = f"/deployments/{deployment}/create_flow_run"
        return str(self.call("POST", path, body)["id"])

    def read(self, run: str) -> dict[str, Any]:
        return dict(self.call("GET", f"/flow_runs/{run}"))

    def state(self, run: str) -> str:
        return str(self.read(run)["state_type"])

    def await_state(self, run: str, *states: str, seconds: float = 40) -> dict[str, Any]:
        until(lambda: self.state(run) in states, seconds, lambda: self.story(run))
        return self.read(run)

    def owner(self, run: str) -> str:
        """Name of the worker that has the run."""
        return str(self.read(run)["labels"]["prefect.worker.name"])

    def task_states(self, run: str) -> list[str]:
        """States of the run's tasks."""
        body = {"flow_runs": {"id": {"any_": [run]}}}
        return [each["state_type"] for each in self.call("POST", "/task_runs/filter", body)]

    def cancel(self, run: str) -> None:
        self.call("POST", f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING"}})

    def story(self, run: str) -> str:
        """All states of a run, in words."""
        states = self.http.get("/flow_run_states/", params={"flow_run_id": run}).json()
        return " > ".join(f"{each['name']} ({each['message']})" for each in states)

    def noted(self, run: str, text: str = "") -> list[str]:
        """Lines that flow code wrote, of one run and with a text in them."""
        lines = self.notes.read_text().splitlines()
        return [line for line in lines if run in line and text in line]

    def pid(self, run: str) -> int:
        """Process of the run's flow code, once it runs."""
        until(lambda: self.noted(run, " in "), 30, lambda: self.story(run))
        return int(self.noted(run, " in ")[-1].split(" in ")[1].split()[0])


class Worker:
    """``python -m autoloop.worker`` as a process."""

    def __init__(self, server: Server, name: str, *options: str, pool: str | None = None) -> None:
        self.server, self.name, self.options = server, name, options
        self.pool = pool or f"pool-{name}"

    def start(self) -> "Worker":
        command = [sys.executable, "-m", "autoloop.worker", "--pool", self.pool]
        command += ["--name", self.name, "--preload", "trial", *self.options]
        quick = {"PREFECT_WORKER_HEARTBEAT_SECONDS": "2"} if "--fence-s" in self.options else {}
        self.log = self.server.home / f"{self.name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self.server.env | quick, stdout=log, stderr=log, cwd=self.server.home
            )
        until(self.polls, 40, lambda: self.log.read_text())
        return self

    def polls(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        workers = self.server.http.post(f"/work_pools/{self.pool}/workers/filter", json={})
        return workers.status_code == 200 and any(
            each["name"] == self.name and each["status"] == "ONLINE" for each in workers.json()
        )

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Signal it and wait; returns the seconds that took."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(60)
        return time.monotonic() - began


def until(true: Callable[[], Any], seconds: float, story: Callable[[], str] = lambda: "") -> None:
    """Wait until it is true, or fail with the story."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s; {story()}"
        time.sleep(0.1)


def inside(folder: Path) -> list[str]:
    """Processes that have the folder as their own: servers, workers, children."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and (entry / "cwd").readlink() == folder:
                found.append((entry / "cmdline").read_text().replace("\0", " "))
    return found


def parent(pid: int) -> int:
    """Of a process of the worker: the fork server."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def alive(pid: int) -> bool:
    """Whether a process runs."""
    with contextlib.suppress(OSError):
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    return False


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Server]:
    """One server for the whole module: it takes long to start. Leaves no process, and no file
    unless a test failed."""
    home = tmp_path_factory.mktemp("prefect")
    (home / "trial").mkdir()
    (home / "trial" / "__init__.py").touch()
    (home / "trial" / "good.py").write_text(textwrap.dedent(FLOWS))
    (home / "trial" / "broken.py").write_text("this is no Python\n")
    server = Server(home)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        server.http.close()
    until(lambda: not inside(home), 10, lambda: f"still there: {inside(home)}")
    if not request.session.testsfailed:
        shutil.rmtree(home)


@pytest.fixture(scope="module")
def worker(server: Server) -> Iterator[Worker]:
    """One worker for the tests that do not end it: two runs at a time, one crash forgiven."""
    options = ("--limit", "2", "--crash-retries", "1", "--grace-s", "2", "--drain-s", "1")
    worker = Worker(server, "shared", *options)
    try:
        yield worker.start()
    finally:
        worker.stop()


@pytest.fixture
def own_worker(server: Server) -> Iterator[Callable[..., Worker]]:
    """Start workers that the test may end as it likes."""
    made: list[Worker] = []

    def start(name: str, *options: str, pool: str | None = None) -> Worker:
        made.append(Worker(server, name, "--limit", "2", "--grace-s", "2", *options, pool=pool))
        return made[-1].start()

    yield start
    for each in made:
        each.stop(signal.SIGKILL)


def test_a_run_completes_with_its_logs_and_its_environment(server: Server, worker: Worker) -> None:
    """The pool was missing and is there; env of the deployment arrives; log lines arrive."""
    pool = server.call("GET", f"/work_pools/{worker.pool}")
    assert pool["type"] == "warm"
    deployment = server.deploy(
        "good.steps", worker.pool, job_variables={"env": {"TRIAL_WORD": "hello"}}
    )
    run = server.run(deployment)
    read = server.await_state(run, "COMPLETED", "FAILED", "CRASHED")
    assert read["state_type"] == "COMPLETED", server.story(run)
    assert read["run_count"] == 1
    assert server.noted(run, "with hello")

    def logs() -> str:
        body = {"logs": {"flow_run_id": {"any_": [run]}}}
        return " ".join(line["message"] for line in server.call("POST", "/logs/filter", body))

    until(lambda: "a line of the flow" in logs(), 15, logs)


def test_async_flows_run_and_failing_ones_fail(server: Server, worker: Worker) -> None:
    """A flow that raises is Failed, not Crashed, and is not resumed."""
    later = server.run(server.deploy("good.later", worker.pool))
    fails = server.run(server.deploy("good.fails", worker.pool))
    assert server.await_state(later, "COMPLETED", "CRASHED")["state_type"] == "COMPLETED"
    assert server.await_state(fails, "FAILED", "CRASHED")["state_type"] == "FAILED"


def test_a_broken_file_spoils_its_own_flow_only(server: Server, worker: Worker) -> None:
    """Other flows of the package were preloaded; this one crashes and its log says why."""
    run = server.run(server.deploy("broken.flow", worker.pool))
    server.await_state(run, "CRASHED", "FAILED")
    assert "not preloaded: trial.broken" in worker.log.read_text()


def test_a_killed_child_is_resumed_where_it_was(server: Server, worker: Worker) -> None:
    """Same id, second attempt, finished steps not executed again, the interrupted one is."""
    run = server.run(server.deploy("good.steps", worker.pool), count=3, seconds=0.7)
    pid = server.pid(run)
    until(lambda: server.noted(run, "step 1 begins"), 15)
    os.kill(pid, signal.SIGKILL)
    read = server.await_state(run, "COMPLETED", "CRASHED")
    assert (read["state_type"], read["run_count"]) == ("COMPLETED", 2), server.story(run)
    counts = [len(server.noted(run, f"step {n} begins")) for n in range(3)]
    assert counts == [1, 2, 1]
    assert "RUNNING" not in server.task_states(run)


def test_a_run_is_resumed_when_the_fork_server_is_killed(server: Server, worker: Worker) -> None:
    """Its children die with it, and the next children come from a new one."""
    run = server.run(server.deploy("good.steps", worker.pool), count=2, seconds=0.7)
    pid = server.pid(run)
    os.kill(parent(pid), signal.SIGKILL)
    until(lambda: not alive(pid), 1.5)
    read = server.await_state(run, "COMPLETED", "CRASHED")
    assert (read["state_type"], read["run_count"]) == ("COMPLETED", 2), server.story(run)


def test_a_flow_that_is_killed_while_it_retries_is_resumed(server: Server, worker: Worker) -> None:
    """Before and after its second attempt begins: Prefect leaves such runs to their process."""
    deployment = server.deploy("good.again", worker.pool)
    waiting, working = server.run(deployment), server.run(deployment)
    pid = server.pid(waiting)
    until(lambda: server.read(waiting)["state_name"] == "AwaitingRetry", 20)
    os.kill(pid, signal.SIGKILL)
    until(lambda: len(server.noted(working, "again in")) == 2, 20)
    os.kill(server.pid(working), signal.SIGKILL)
    for run in (waiting, working):
        read = server.await_state(run, "COMPLETED", "CRASHED", "FAILED")
        assert read["state_type"] == "COMPLETED", server.story(run)
        assert len(server.noted(run, "again ends")) == 1


def test_a_run_that_kills_its_process_each_time_ends_as_crashed(
    server: Server, worker: Worker
) -> None:
    """One resumption is allowed here, and counted."""
    run = server.run(server.deploy("good.suicide", worker.pool))
    server.await_state(run, "CRASHED")
    until(lambda: server.read(run)["state_type"] == "CRASHED", 20)
    until(lambda: len(server.noted(run)) == 2, 20, lambda: server.story(run))
    read = server.await_state(run, "CRASHED")
    assert "1 of 1 resumptions used" in read["state"]["message"], server.story(run)


def test_cancelling_ends_the_process(server: Server, worker: Worker) -> None:
    """A polite flow ends by SIGTERM, a stubborn one by SIGKILL after the grace."""
    deployments = [server.deploy(f"good.{name}", worker.pool) for name in ("steps", "stubborn")]
    polite = server.run(deployments[0], count=1, seconds=30)
    stubborn = server.run(deployments[1])
    pids = [server.pid(polite), server.pid(stubborn)]
    for run in (polite, stubborn):
        server.await_state(run, "RUNNING")
        server.cancel(run)
    for run in (polite, stubborn):
        server.await_state(run, "CANCELLED", seconds=15)
    until(lambda: not any(map(alive, pids)), 5)
    assert "Cancelled" in server.story(polite)


def test_the_limit_is_kept(server: Server, worker: Worker) -> None:
    """Five runs, two at a time."""
    deployment = server.deploy("good.steps", worker.pool)
    runs = [server.run(deployment, count=1, seconds=0.8) for _ in range(5)]
    for run in runs:
        assert server.await_state(run, "COMPLETED", "CRASHED")["state_type"] == "COMPLETED"
    moments = []
    for run in runs:
        for line in server.noted(run):
            words = line.split()
            if words[2] in ("begins", "ends"):
                moments.append((float(words[0]), 1 if words[2] == "begins" else -1))
    now = most = 0
    for _, change in sorted(moments):
        now += change
        most = max(most, now)
    assert most == 2


EMBEDDED = """
    import asyncio, sys
    from autoloop.worker.policy import Policy
    from autoloop.worker.warm import work

    async def main(pool):
        stop, nudge = asyncio.Event(), asyncio.Event()
        rarely = Policy(poll_s=60)
        working = asyncio.create_task(work("nudged", pool, 2, ["trial"], stop, nudge, rarely))
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, sys.stdin.readline):
            nudge.set()
        stop.set()
        await working

    asyncio.run(main(*sys.argv[1:]))
"""


def test_another_program_runs_the_worker_and_nudges_it(server: Server) -> None:
    """In one event loop with it; the worker polls once in a minute, yet the run starts at once."""
    command = [sys.executable, "-c", textwrap.dedent(EMBEDDED), "pool-nudged"]
    with subprocess.Popen(
        command,
        env=server.env,
        cwd=server.home,
        stdin=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdin
        workers = "/work_pools/pool-nudged/workers/filter"
        until(lambda: server.http.post(workers, json={}).status_code == 200, 30)
        deployment = server.deploy("good.steps", "pool-nudged")
        time.sleep(1.5)
        run = server.run(deployment)
        print("nudge", file=program.stdin, flush=True)
        server.await_state(run, "COMPLETED", seconds=15)
        program.stdin.close()
        assert program.wait(15) == 0


def test_the_next_worker_takes_up_what_a_killed_one_left(
    server: Server, own_worker: Callable[..., Worker]
) -> None:
    """The child dies with its worker; run and finished steps survive; the old subflow is closed."""
    worker = own_worker("killed")
    run = server.run(server.deploy("good.outer", worker.pool), seconds=1.0)
    pid = server.pid(run)
    until(lambda: "step 1 begins" in server.notes.read_text().partition(f"outer in {pid}")[2], 15)
    worker.stop(signal.SIGKILL)
    until(lambda: not alive(pid), 1.5)
    assert server.state(run) == "RUNNING"
    worker.start()
    read = server.await_state(run, "COMPLETED", "CRASHED")
    assert (read["state_type"], read["run_count"]) == ("COMPLETED", 2), server.story(run)
    body = {"flow_runs": {"parent_flow_run_id": {"any_": [run]}}}
    nested = [each["state_type"] for each in server.call("POST", "/flow_runs/filter", body)]
    assert sorted(nested) == ["COMPLETED", "CRASHED"]
    text = server.notes.read_text().partition(f"outer in {pid}")[2]
    assert [text.count(f"step {n} begins") for n in range(3)] == [1, 2, 1]


def test_a_stopping_worker_gives_its_runs_back(
    server: Server, own_worker: Callable[..., Worker]
) -> None:
    """SIGTERM: short work ends, long work goes back; the next worker completes it."""
    worker = own_worker("drained", "--drain-s", "2")
    deployment = server.deploy("good.steps", worker.pool)
    long = server.run(deployment, count=15, seconds=0.9)
    until(lambda: server.noted(long, "step 0 ends"), 20)
    short = server.run(deployment, count=1, seconds=1)
    pids = [server.pid(short), server.pid(long)]
    assert worker.stop() < 15
    assert server.state(short) == "COMPLETED"
    assert server.state(long) == "SCHEDULED", server.story(long)
    assert not any(map(alive, pids))
    worker.start()
    assert server.await_state(long, "COMPLETED", "CRASHED")["run_count"] == 2
    assert len(server.noted(long, "step 0 begins")) == 1


def test_two_nodes_share_a_pool(
    server: Server, worker: Worker, own_worker: Callable[..., Worker]
) -> None:
    """Both take work, and no run starts twice."""
    own_worker("second", pool=worker.pool)
    deployment = server.deploy("good.steps", worker.pool)
    runs = [server.run(deployment, count=1, seconds=1) for _ in range(4)]
    for run in runs:
        assert server.await_state(run, "COMPLETED", "CRASHED")["run_count"] == 1, server.story(run)
        assert len(server.noted(run, "begins in")) == 1
    assert {server.owner(run) for run in runs} == {"shared", "second"}


@pytest.mark.slow
def test_a_node_that_is_killed_for_good_loses_its_runs_to_another(
    server: Server, own_worker: Callable[..., Worker]
) -> None:
    """Its finished steps stay finished."""
    options = ("--fence-s", "8", "--sweep-s", "1")
    nodes = {name: own_worker(name, *options, pool="pool-both") for name in ("left", "right")}
    deployment = server.deploy("good.steps", "pool-both")
    long = server.run(deployment, count=3, seconds=1)
    pid = server.pid(long)
    lost = server.owner(long)
    until(lambda: server.noted(long, "step 0 ends"), 20)
    nodes.pop(lost).stop(signal.SIGKILL)
    until(lambda: not alive(pid), 1.5)
    read = server.await_state(long, "COMPLETED", "CRASHED")
    assert (read["state_type"], read["run_count"]) == ("COMPLETED", 2), server.story(long)
    assert [server.owner(long)] == list(nodes)
    assert len(server.noted(long, "step 0 begins")) == 1


@pytest.mark.slow
def test_a_node_without_heartbeats_ends_its_children(
    server: Server, own_worker: Callable[..., Worker]
) -> None:
    """Cut off, it must not go on with runs that another node takes over; then it resumes them."""
    worker = own_worker("cut-off", "--fence-s", "8")
    run = server.run(server.deploy("good.steps", worker.pool), count=1, seconds=30)
    pid = server.pid(run)
    with server.frozen():
        until(lambda: not alive(pid), 20)
    read = server.await_state(run, "COMPLETED", "CRASHED", seconds=60)
    assert (read["state_type"], read["run_count"]) == ("COMPLETED", 2), server.story(run)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_child_may_be_killed_at_any_moment(
    server: Server, own_worker: Callable[..., Worker]
) -> None:
    """From before the run's first line to after its last: each run ends well, each step once."""
    worker = own_worker("unlucky", "--limit", "1", "--crash-retries", "3")
    deployment = server.deploy("good.steps", worker.pool)
    for number in range(25):
        run = server.run(deployment, count=2, seconds=0.15)
        process = until_known(server, run)
        time.sleep(number * 0.04)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        read = server.await_state(run, "COMPLETED", "CRASHED", "FAILED")
        assert read["state_type"] == "COMPLETED", f"{number}: {server.story(run)}"
        ends = [len(server.noted(run, f"step {n} ends")) for n in range(2)]
        assert ends in ([1, 1], [2, 1], [1, 2]), (number, ends)  # 2: killed before it was stored


def until_known(server: Server, run: str) -> int:
    """The run's process, as soon as the API knows it."""
    until(lambda: server.read(run)["infrastructure_pid"], 20, lambda: server.story(run))
    return int(server.read(run)["infrastructure_pid"].split(":")[1])


@pytest.mark.slow
def test_a_worker_stops_in_time_without_its_server(
    server: Server, own_worker: Callable[..., Worker]
) -> None:
    """Its run stays as it was and is taken up by the next worker."""
    worker = own_worker("lonely", "--drain-s", "1")
    run = server.run(server.deploy("good.steps", worker.pool), count=2, seconds=3)
    pid = server.pid(run)
    server.kill()
    try:
        seconds = worker.stop()
    finally:
        server.start()
    assert seconds < 1 + 2 + 5 + 12  # drain, grace, settling, what Prefect has to say at its exit
    assert not alive(pid)
    worker.start()
    assert server.await_state(run, "COMPLETED", "CRASHED")["run_count"] == 2, server.story(run)


@pytest.mark.slow
def test_half_a_minute_without_a_server_loses_nothing(server: Server, worker: Worker) -> None:
    """The run waits with its next report until somebody answers."""
    run = server.run(server.deploy("good.steps", worker.pool), count=4, seconds=1)
    until(lambda: server.noted(run, "step 1 begins"), 20)
    server.kill()
    time.sleep(30)
    server.start()
    read = server.await_state(run, "COMPLETED", "CRASHED", "FAILED", seconds=60)
    assert (read["state_type"], read["run_count"]) == ("COMPLETED", 1), server.story(run)
    assert worker.process.poll() is None


def test_two_workers_of_one_name_are_refused(server: Server, worker: Worker) -> None:
    """The second says what to do and ends."""
    command = [sys.executable, "-m", "autoloop.worker", "--name", worker.name]
    done = subprocess.run(command, env=server.env, capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    assert "give this worker another name" in done.stderr


def test_a_server_that_is_killed_and_comes_back_loses_nothing(
    server: Server, worker: Worker
) -> None:
    """Killed in the middle of a run, back some seconds later: the run ends, the next one starts."""
    deployment = server.deploy("good.steps", worker.pool)
    run = server.run(deployment, count=4, seconds=1)
    until(lambda: server.noted(run, "step 1 begins"), 20)
    server.kill()
    time.sleep(3)
    server.start()
    read = server.await_state(run, "COMPLETED", "CRASHED")
    assert (read["state_type"], read["run_count"]) == ("COMPLETED", 1), server.story(run)
    until(lambda: server.task_states(run) == ["COMPLETED"] * 4, 15, lambda: server.story(run))
    again = server.run(deployment)
    began = time.monotonic()
    server.await_state(again, "COMPLETED", seconds=20)
    assert time.monotonic() - began < 15
    assert worker.process.poll() is None
