"""The faults of the demo: how each is made on the local application, and what should be found."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autoloop.core.words import Words

LISTENER = (
    "import socket,sys,time;s=socket.socket();"
    "s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1);"
    "s.bind(('127.0.0.1',int(sys.argv[1])));s.listen();time.sleep(600)"
)


@dataclass
class Broken:
    """The application of the demo, and what breaking it has left to clean up."""

    facts: dict[str, Any]
    strays: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def supervisor(self, *words: str) -> None:
        """One supervisorctl command; what it says does not matter here."""
        argv = [*self.facts["supervisorctl"], *words, self.facts["unit"]]
        subprocess.run(argv, capture_output=True, timeout=60, check=False)

    def stop(self) -> None:
        """Somebody stops the service and forgets it."""
        self.supervisor("stop")

    def lose_setting(self) -> None:
        """Somebody deletes a line of the settings file; the next restart fails."""
        path = Path(self.facts["settings"])
        lines = [line for line in path.read_text().splitlines() if "DATABASE_URL" not in line]
        path.write_text("\n".join(lines) + "\n")
        self.supervisor("restart")

    def take_port(self) -> None:
        """The service is down and a forgotten process sits on its port."""
        self.supervisor("stop")
        port = self.facts["url"].rsplit(":", 1)[1]
        argv = [sys.executable, "-c", LISTENER, port]
        self.strays.append(subprocess.Popen(argv, start_new_session=True))
        while socket.socket().connect_ex(("127.0.0.1", int(port))):
            os.sched_yield()
        self.supervisor("start")

    def clean(self) -> None:
        """End what was left running."""
        for stray in self.strays:
            with suppress(ProcessLookupError):
                os.kill(stray.pid, signal.SIGKILL)
            stray.wait(5)


@dataclass(frozen=True)
class Scene:
    """One fault: its name, what is done, and the class that is right."""

    name: str
    words: Words
    make: Callable[[Broken], None]
    right: str


SCENES = (
    Scene(
        "unit-stopped",
        Words(en="the service is stopped", zh="服务被停止"),
        Broken.stop,
        "SERVICE.service_down",
    ),
    Scene(
        "setting-missing",
        Words(en="a line is deleted from the settings", zh="配置中的一行被删除"),
        Broken.lose_setting,
        "CONFIG.env_missing",
    ),
    Scene(
        "port-taken",
        Words(en="a stray process takes the port", zh="端口被游离进程占用"),
        Broken.take_port,
        "SERVICE.port_blocked",
    ),
)
