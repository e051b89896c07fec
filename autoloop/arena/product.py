"""The product under drill, used as any user does: its command line, its API, SSH to the hosts.

Nothing of it is imported: it is a program with an address.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from autoloop.arena.cluster import has_cluster
from autoloop.arena.errors import JudgeFailed
from autoloop.arena.hosts import Host
from autoloop.arena.image import REQUIREMENTS
from autoloop.arena.ports import free_port
from autoloop.arena.processes import wait_until
from autoloop.arena.recipe import Profile

READY_S = 180.0
STOP_S = 60.0


CLUSTER = "/etc/postgresql/15/main"
SERVERS: dict[Profile, dict[str, Any]] = {
    "postgres": {
        "name": "database",
        "unit": "postgresql@15-main.service",
        "port": 5432,
        "http": False,
        "config": [f"{CLUSTER}/{name}.conf" for name in ("postgresql", "pg_hba", "pg_ident")],
        "reloads": [f"{CLUSTER}/{name}.conf" for name in ("pg_hba", "pg_ident")],
        "logs": ["/var/log/postgresql/postgresql-15-main.log"],
    },
    "mysql": {
        "name": "database",
        "unit": "mariadb.service",
        "port": 3306,
        "http": False,
        "config": ["/etc/mysql/mariadb.conf.d/50-server.cnf"],
    },
}
"""The component of the database, on hosts where it is a server."""


def app_document(name: str, host: Host) -> dict[str, Any]:
    """The ``autoloop.toml`` of the managed app on *host*, as JSON."""
    site = "/etc/nginx/sites-available/lingzhi"
    profile = profile_of(host)
    server = SERVERS.get(profile)
    return {
        "name": name,
        "environment": "test",
        "host": {
            "address": host.ip,
            "user": "root",
            "identity_file": str(host.login_key),
            "known_hosts": host.known_hosts,
        },
        "code": {"path": "/srv/lingzhi/app", "runs": ["app"]},
        "data": {} if server else {"sqlite": ["/srv/lingzhi/data/lingzhi_ecosystem.db"]},
        "components": [
            *([server] if server else []),
            {
                "name": "app",
                "unit": "lingzhi.service",
                "port": 8080,
                "memory_mb": 300,
                "settings": "/etc/lingzhi/lingzhi.env",
                "config": [
                    "/srv/lingzhi/app/gunicorn.conf.py",
                    "/etc/systemd/system/lingzhi.service",
                ],
                "logs": ["/var/log/lingzhi/error.log", "/var/log/lingzhi/app.log"],
                "needs": ["database"] if server else [],
            },
            {
                "name": "front",
                "unit": "nginx.service",
                "port": 80,
                "tls": [443],
                "config": [site],
                "config_test": ["nginx", "-t"],
                "logs": ["/var/log/nginx/error.log"],
                "access_logs": ["/var/log/nginx/access.log"],
                "needs": ["app"],
            },
        ],
        "cases": cases("http://127.0.0.1"),
        "procedures": [*procedures(profile), *([role()] if profile == "postgres" else [])],
        "space": [
            {"glob": "/var/log/lingzhi/*.log.*", "what": "rotated logs", "keep": 3, "risk": "low"}
        ],
        "deploy": deployment(profile),
        "health": {"every_s": 5, "confirm": 3, "confirm_gap_s": 1.5, "ready_s": 20, "hold_s": 3},
    }


def profile_of(host: Host) -> Profile:
    """Which database the app on the host uses."""
    if has_cluster(host):
        return "postgres"
    is_mysql = any((layer / "etc/mysql/mariadb.conf.d").is_dir() for layer in host.layers)
    return "mysql" if is_mysql else "sqlite"


def role() -> dict[str, Any]:
    """How the database's role is made again, with its rights; the app needs no restart for it."""
    return {
        "name": "role",
        "cures": ["DATABASE.user_not_found", "DATABASE.auth_failed_db"],
        "component": "database",
        "check": ["/usr/local/sbin/lingzhi-role", "check"],
        "apply": ["/usr/local/sbin/lingzhi-role", "apply"],
        "restart": False,
    }


def install(profile: Profile) -> str:
    """How its packages are installed, in the app's folder: a host reaches no index."""
    words = "../venv/bin/python -m pip install --quiet --no-index"
    return f"{words} --find-links /var/cache/lingzhi/wheels -r {REQUIREMENTS[profile]}"


def deployment(profile: Profile) -> dict[str, Any]:
    """What belongs to a new release of the managed app. A server's database is in no backup yet, so
    its migrations are left to people."""
    return {
        "manifest": REQUIREMENTS[profile],
        "install": as_the_app(install(profile)),
        "environment": "/srv/lingzhi/venv",
        **({"migrate": "migrations"} if profile == "sqlite" else {}),
    }


def procedures(profile: Profile) -> list[dict[str, Any]]:
    """How the people of the managed app put four things right themselves."""
    rows = [
        ("packages", "CODE.import_error", install(profile), []),
        ("migrations", "DATABASE.schema_mismatch", "../venv/bin/alembic -q upgrade head", []),
        ("accounts", "DATABASE.user_not_found", "../venv/bin/python seed.py", ["users"]),
        ("passwords", "LOGIN.wrong_password", "../venv/bin/python seed.py --reset", ["users"]),
    ]
    return [
        {
            "name": name,
            "cures": cures,
            "component": "app",
            "check": as_the_app(f"../venv/bin/python checks.py {name}"),
            "apply": as_the_app(apply),
            "touches": touches,
        }
        for name, cures, apply, touches in rows
    ]


def as_the_app(command: str) -> list[str]:
    """A command in the app's folder, with its settings and its user's rights."""
    ready = "set -a; . /etc/lingzhi/lingzhi.env; set +a; cd /srv/lingzhi/app"
    return ["runuser", "-u", "lingzhi", "--", "sh", "-c", f"{ready}; exec {command}"]


def cases(url: str) -> list[dict[str, Any]]:
    """What the managed app at *url* must answer: to a stranger, to an admin and to a member."""
    admin = {"username": "admin", "password": "admin-lingzhi-demo"}
    member = {"username": "lan", "password": "user-lingzhi-demo"}
    as_admin = {"headers": {"Authorization": "Bearer {admin}"}}
    as_member = {"headers": {"Authorization": "Bearer {member}"}}
    login = {"url": f"{url}/api/login", "method": "POST", "safe": True}
    return [
        {"name": "health", "url": f"{url}/api/health", "json_equals": {"status": "ok"}},
        {"name": "login", **login, "body": admin, "capture": {"admin": "token"}},
        {"name": "check-in status", "url": f"{url}/api/checkin/status", **as_admin},
        {
            "name": "list of users",
            "url": f"{url}/api/admin/users",
            "contains": "admin@lingzhi.example",
            "min_length": 500,
            **as_admin,
        },
        {"name": "login of a member", **login, "body": member, "capture": {"member": "token"}},
        {
            "name": "conversations",
            "url": f"{url}/api/conversations",
            "min_length": 80,
            **as_member,
        },
        {
            "name": "earnings of a member",
            "url": f"{url}/api/checkin/status",
            "json_equals": {"lingzhi_total": 20},
            **as_member,
        },
        {"name": "not for members", "url": f"{url}/api/admin/users", "status": 403, **as_member},
    ]


class Product:
    """An isolated platform: own state folder, own ports; or a running one."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.api = f"http://127.0.0.1:{free_port()}"
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "AUTOLOOP_"))},
            "AUTOLOOP_HOME": str(home),
            "AUTOLOOP_API_PORT": self.api.rsplit(":", 1)[1],
            "AUTOLOOP_PREFECT_PORT": str(free_port()),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "platform.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "autoloop.platform"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if not wait_until(self.answers, READY_S, 0.3):
            self.stop()
            said = (self.home / "platform.log").read_text()[-500:]
            raise JudgeFailed("platform", f"does not answer: {said}", f"look into {self.home}")

    def stop(self) -> None:
        """Stop it, and everything that it started."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        self._process = None

    def answers(self) -> bool:
        """Whether the API is there, and the platform's state is written."""
        try:
            well = httpx.get(f"{self.api}/healthz", timeout=3).status_code == 200
        except httpx.HTTPError:
            return False
        return well and (self.home / "platform.json").exists()

    def pids(self) -> dict[str, Any]:
        """The platform's processes by name: server, node, and its own."""
        state: dict[str, Any] = json.loads((self.home / "platform.json").read_text())
        return state

    def register(
        self, name: str, host: Host, risk: str = "medium", watch: bool = True, **health: float
    ) -> None:
        """Put the app of *host* under care, by the command line.

        Args:
            risk: what may be done without a person.
            watch: whether its logs are watched.
            health: keys of ``[health]``.
        """
        path, document = self.home / f"{name}.json", app_document(name, host)
        document["health"] |= health
        document["limits"] = {"risk": risk}
        document["watch"] = {"logs": watch, "journal": watch}
        path.write_text(json.dumps(document))
        self.command("register", str(path))

    def unregister(self, name: str) -> None:
        """Let it out of care."""
        self.command("unregister", name)

    def apps(self) -> list[str]:
        """The names of what is under care."""
        return list(self._call("GET", "/api/apps")["apps"])

    def command(self, *words: str, timeout_s: float = 240) -> str:
        """One command of the product; what it printed."""
        argv = [sys.executable, "-m", "autoloop.doors.cli", *words]
        done = subprocess.run(
            argv,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if done.returncode:
            raise JudgeFailed(f"autoloop {words[0]}", done.stderr[-800:], f"look into {self.home}")
        return done.stdout

    def report(self, name: str, text: str) -> str:
        """Hand a text in; the incident's id."""
        done = self._call("POST", "/api/incidents", {"app": name, "text": text})
        return str(done["incident"])

    def incident(self, number: str) -> dict[str, Any]:
        """What the product has on record for one incident."""
        row: dict[str, Any] = self._call("GET", f"/api/incidents/{number}")
        return row

    def run(self, deployment: str, **parameters: Any) -> str:
        """Start a run; its id."""
        done = self._call("POST", f"/api/runs/{deployment}", {"parameters": parameters})
        return str(done["flow_run"])

    def incidents(self, name: str) -> list[dict[str, Any]]:
        """What the product has on record for one app, newest first."""
        rows: list[dict[str, Any]] = self._call("GET", f"/api/incidents?app={name}")["incidents"]
        return rows

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        token = (self.home / "token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        for _ in range(30):
            try:
                reply = httpx.request(
                    method, self.api + path, json=body, headers=headers, timeout=30
                )
                if reply.status_code < 500:
                    reply.raise_for_status()
                    return reply.json()
            except httpx.TransportError:
                pass
            time.sleep(1)
        raise JudgeFailed("platform", f"no answer to {path}", f"look into {self.home / 'logs'}")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
