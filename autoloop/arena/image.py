"""The root file system of hosts, made once, in layers: Debian, and the managed app on it.

On hosts of profile `postgres` or `mysql` a layer with the server lies between the two.

Layers lie in the cache folder and are named after what they are made of. Each is the upper
folder of an overlay, so a host's root is the layers with a folder of its own on top.
"""

import fnmatch
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from autoloop.arena import recipe
from autoloop.arena.cache import cache_folder, locked, made_once, remove
from autoloop.arena.errors import ImageNotBuilt, MissingPart
from autoloop.arena.progress import announced
from autoloop.arena.recipe import Profile
from autoloop.arena.records import records

APP = Path(__file__).parents[2] / "examples" / "lingzhi" / "app"
REQUIREMENTS: dict[Profile, str] = {
    "sqlite": "requirements.txt",
    "postgres": "requirements-postgres.txt",
    "mysql": "requirements-mysql.txt",
}
NOT_SOURCE = ["__pycache__", "*.pyc", ".*", "*.db"]

FORGET_S = 7 * 86400.0

# A private mount and process namespace, which ends with this process however it ends.
PRIVATE = [
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
]
CLEAN = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"]
# Words: folder of the new layer, layers below it, folder that becomes /mnt or nothing.
IN_ROOT = """
mount -t overlay arena -o "lowerdir=$2,upperdir=$1/up,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
[ ! -e /etc/resolv.conf ] || mount --bind /etc/resolv.conf "$1/root/etc/resolv.conf"
[ -z "$3" ] || mount --bind "$3" "$1/root/mnt"
root=$1/root
shift 3
exec "$@" chroot "$root" /bin/sh -eu
"""


@dataclass(frozen=True)
class Image:
    """Finished layers, the topmost first."""

    profile: Profile
    layers: tuple[Path, ...]

    @property
    def lowerdir(self) -> str:
        """The layers as an overlay mount names them."""
        return ":".join(str(layer) for layer in self.layers)


def build(profile: Profile = "sqlite", app: Path = APP) -> Image:
    """The image of hosts with the app from folder `app`; made now if it is not there yet.

    Several processes may ask at once: one makes a layer, the others wait for it. Raises
    `ImageNotBuilt`, `MissingPart`.
    """
    _need_parts(app)
    cache = cache_folder()
    below = [_debian(cache)]
    if profile in recipe.SERVERS:
        below.insert(0, _server(cache, below[0], profile))
    wheels = _wheels(cache, app, REQUIREMENTS[profile])
    with as_file(files("autoloop.arena")) as here:
        skeletons = [here / "skeleton"]
        own = here / f"skeleton-{profile}"
        skeletons += [own] if own.is_dir() else []
        steps = recipe.APP_STEPS + recipe.DATABASE_STEPS[profile]
        names = "".join(layer.name for layer in below)
        key = _key(names, steps, IN_ROOT, _contents([app, *skeletons]))
        layer = made_once(
            cache / f"{profile}-{key}",
            lambda part: _install(part, below, wheels, [*skeletons], app, steps),
        )
    for used in (*below, wheels, layer):
        os.utime(used)
    _forget_unused(cache)
    return Image(profile, (layer / "up", *(each / "up" for each in below)))


def images(profiles: Iterable[Profile]) -> dict[Profile, Image]:
    """An image for each of the profiles."""
    return {profile: build(profile) for profile in sorted(set(profiles))}


def _need_parts(app: Path) -> None:
    if os.geteuid() != 0:
        raise MissingPart("hosts", f"user {os.geteuid()} is not root", "run as root")
    for program in ("mmdebstrap", "systemd-nspawn", "ssh", "ip", "nft", "setpriv", "unshare"):
        if not shutil.which(program):
            raise MissingPart(
                "hosts",
                f"{program} was not found",
                "install systemd-container mmdebstrap openssh-client iproute2 nftables util-linux",
            )
    if not (app / "requirements.txt").is_file():
        raise MissingPart("image", f"no application in {app}", "run from a checkout of the project")


def _debian(cache: Path) -> Path:
    """The folder of the layer with Debian alone."""
    key = _key(*recipe.DEBOOTSTRAP, recipe.DEBIAN_STEPS)

    def make(part: Path) -> None:
        root = part / "up"
        with announced(f"Debian {recipe.SUITE}, {len(recipe.PACKAGES)} packages asked for"):
            _run([*PRIVATE, *recipe.DEBOOTSTRAP, str(root)], "", part)
            _run(
                [*PRIVATE, *CLEAN, "chroot", str(root), "/bin/sh", "-eu"], recipe.DEBIAN_STEPS, part
            )

    return made_once(cache / f"debian-{key}", make)


def _server(cache: Path, debian: Path, profile: Profile) -> Path:
    """The folder of the layer with the database's server, over Debian's."""
    steps = recipe.SERVERS[profile]

    def make(part: Path) -> None:
        with announced(f"the server of hosts of profile {profile}"):
            _in_layer(part, [debian], steps)

    return made_once(cache / f"server-{profile}-{_key(debian.name, steps, IN_ROOT)}", make)


def _wheels(cache: Path, app: Path, requirements: str) -> Path:
    """A folder of wheels for the host's Python, fetched here: a host reaches no index."""
    machine = platform.machine()
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(36, 16, -1)]
    words = ["download", "--quiet", "--only-binary=:all:", "--no-cache-dir"]
    words += ["--python-version", recipe.PYTHON, "--implementation", "cp"]
    for tag in [*tags, f"manylinux2014_{machine}", f"linux_{machine}"]:
        words += ["--platform", tag]

    def fetch(part: Path) -> None:
        with announced(f"wheels of {requirements}"):
            command = [sys.executable, "-m", "pip", *words, "-r", str(app / requirements)]
            _run([*command, "-d", str(part)], "", part)

    asked = {name: (app / name).read_text() for name in ("requirements.txt", requirements)}
    return made_once(cache / f"wheels-{_key(*words, *asked.values())}", fetch)


def _install(
    part: Path, below: list[Path], wheels: Path, skeletons: list[Path], app: Path, steps: str
) -> None:
    """Fill `part` with the layer of the app."""
    (part / "up").mkdir()
    for skeleton in skeletons:
        shutil.copytree(skeleton, part / "up", dirs_exist_ok=True)
    shutil.copytree(app, part / "up/srv/lingzhi/app", ignore=shutil.ignore_patterns(*NOT_SOURCE))
    with announced("the managed app"):
        _in_layer(part, below, steps, wheels)


def _in_layer(part: Path, below: list[Path], steps: str, mounted: Path | None = None) -> None:
    """Run the steps in a root of the layers `below`, so that what they write is in `part`."""
    for name in ("up", "work", "root"):
        (part / name).mkdir(exist_ok=True)
    (part / "up").chmod(0o755)
    lower = ":".join(str(layer / "up") for layer in below)
    words = [str(part), lower, str(mounted or "")]
    _run([*PRIVATE, "sh", "-euc", IN_ROOT, "sh", *words, *CLEAN], steps, part)


def _forget_unused(cache: Path) -> None:
    """Delete layers that nobody has asked for in a long time, and what killed builds left."""
    with locked(cache / "hosts.lock"):
        in_use = {
            layer for record in records(cache / "hosts") for layer in record.layers.split(":")
        }
        for folder in cache.glob("*-*"):
            is_old = time.time() - folder.stat().st_mtime > FORGET_S
            if folder.is_dir() and is_old and str(folder / "up") not in in_use:
                part = folder.with_name(f"{folder.name.removesuffix('.part')}.part")
                folder.rename(part)
                remove(part)


def _run(command: list[str], script: str, part: Path) -> None:
    """Run it with `script` on standard input; its last words are in the error when it fails."""
    done = subprocess.run(
        command,
        input=script,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        errors="replace",
    )
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-15:])
        raise ImageNotBuilt(
            f"layer {part.stem}", f"exit {done.returncode}:\n{last}\n", "correct that, build again"
        )


def _contents(folders: Iterable[Path]) -> str:
    """A digest of paths and contents of the source files below the folders."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if path.is_file() and not any(_ignored(part) for part in name.parts):
                digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _ignored(name: str) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in NOT_SOURCE)


def _key(*parts: str) -> str:
    """Twelve hexadecimal digits that stand for the parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
