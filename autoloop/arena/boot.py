"""Start the systemd of a host in a container of its own, and find its process 1.

The overlay is mounted in a mount namespace that only the container has: when its processes
end, for whatever reason, the mount is gone.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from autoloop.arena.cgroups import groups_of
from autoloop.arena.errors import HostDidNotStart
from autoloop.arena.processes import ProcessId, children_of, is_init

# It says its number and waits for the word to go: nothing runs that nobody has recorded.
LAUNCH = """
echo $$
read -r go || exit 1
folder=$1 layers=$2
shift 2
while [ "$1" != -- ]; do
    mkdir -p "$1"
    echo $$ >"$1/cgroup.procs"
    shift
done
shift
rm -rf "$folder/work/work" "$folder/work/incompat"
options="lowerdir=$layers,upperdir=$folder/up,workdir=$folder/work"
mount -t overlay arena -o "$options,redirect_dir=off,metacopy=off,index=off,volatile" "$folder/root"
exec </dev/null >>"$folder/console.log" 2>&1
while "$@"; [ $? = 133 ]; do echo "the host reboots"; done
"""


def start(folder: Path, layers: str, machine: str, hostname: str, bridge: str) -> "Waiting":
    """A launcher that waits for the word to go, and its process."""
    container = [
        *("systemd-nspawn", "--quiet", "--boot", f"--directory={folder / 'root'}"),
        *(f"--machine={machine}", f"--hostname={hostname}", f"--network-bridge={bridge}"),
        # No systemd or D-Bus is needed on the machine itself.
        *("--register=no", "--keep-unit", "--link-journal=no", "--console=pipe"),
        *("--resolv-conf=off", "--timezone=off"),
    ]
    groups = [str(group) for group in groups_of(group_name(machine))]
    return Waiting([str(folder), layers, *groups, "--", *container], folder)


class Waiting:
    """A container about to start: `process` is known, `go()` lets it run."""

    def __init__(self, words: Sequence[str], folder: Path) -> None:
        with (folder / "console.log").open("ab") as console:
            self._launcher = subprocess.Popen(
                ["setsid", "--fork", "unshare", "--mount", "sh", "-euc", LAUNCH, "sh", *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=console,
                text=True,
            )
        assert self._launcher.stdout is not None
        said = self._launcher.stdout.readline().strip()
        process = ProcessId.of(int(said)) if said else None
        if process is None:
            self._launcher.communicate()
            raise HostDidNotStart(str(folder), "the launcher ended", f"read {folder}/console.log")
        self.process = process

    def go(self) -> None:
        """The process has been recorded: let it run."""
        self._launcher.communicate("go\n")


def group_name(machine: str) -> str:
    """The name of the control group of all processes of the host."""
    return f"autoloop-{machine}"


def leader_of(container: ProcessId) -> ProcessId | None:
    """The host's process 1 as the machine sees it, once it is there."""
    for supervisor in supervisors_of(container):
        for pid in children_of(supervisor.pid):
            if is_init(pid):
                return ProcessId.of(pid)
    return None


def supervisors_of(container: ProcessId) -> list[ProcessId]:
    """The systemd-nspawn under the shell that starts it again after a reboot."""
    found = [ProcessId.of(pid) for pid in children_of(container.pid) if container.alive()]
    return [process for process in found if process]
