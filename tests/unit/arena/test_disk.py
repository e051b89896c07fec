"""A host's disk: what was written, over the image's layers. (Deletions: see the host tests.)"""

import stat
from pathlib import Path

import pytest

from autoloop.arena.disk import Disk
from autoloop.arena.packages import files_of

SITE = "/srv/lingzhi/venv/lib/python3.11/site-packages"


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """Two layers below what was written."""
    for layer, text in (("base", "from base"), ("app", "from app")):
        (tmp_path / layer / "etc").mkdir(parents=True)
        (tmp_path / layer / "etc/both").write_text(text)
    (tmp_path / "base/etc/below").write_text("only base")
    (tmp_path / "written/etc").mkdir(parents=True)
    (tmp_path / "written/etc/new").write_text("new")
    (tmp_path / "written/etc/new").chmod(0o640)
    (tmp_path / "written/etc/link").symlink_to("/etc/new")
    return Disk(tmp_path / "written", [tmp_path / "app", tmp_path / "base"])


def test_only_what_was_written_is_touched(disk: Disk) -> None:
    """Folders on the way are touched too; files of the image are not."""
    touched = disk.touched()
    assert touched.keys() == {"/etc", "/etc/new", "/etc/link"}
    new, link = touched["/etc/new"], touched["/etc/link"]
    assert new is not None
    assert (
        new.content
        == f"sha256:{'11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437'}"
    )
    assert new.permission.startswith("0640 ")
    assert link is not None
    assert link.content == "-> /etc/new"


def test_the_upper_layer_hides_the_lower(disk: Disk) -> None:
    """Each path is read from the topmost layer that has it."""
    assert disk.read("/etc/both") == "from app"
    assert disk.read("/etc/below") == "only base"
    assert disk.read("/etc/new") == "new"
    assert disk.read_below("/etc/new") == ""
    assert disk.below("/etc/nothing") is None
    below = disk.below("/etc/below")
    assert below is not None
    assert below.content.startswith("sha256:")


def test_special_files_are_no_text(disk: Disk, tmp_path: Path) -> None:
    """A link or folder reads as empty."""
    assert disk.read("/etc/link") == ""
    assert disk.read("/etc") == ""
    assert stat.S_ISLNK((tmp_path / "written/etc/link").lstat().st_mode)


def test_a_package_is_what_its_own_list_says(tmp_path: Path) -> None:
    """Files, scripts and folders of the list, before and after; not those of other packages."""
    for layer, version, module in (("image", "1.0", "old.py"), ("written", "2.0", "new.py")):
        folder = tmp_path / layer / SITE.lstrip("/") / f"My_Package-{version}.dist-info"
        folder.mkdir(parents=True)
        (folder / "RECORD").write_text(f"my/{module},sha256=x,3\n../../../bin/my,,\n")
    disk = Disk(tmp_path / "written", [tmp_path / "image"])
    changed = [f"{SITE}/My_Package-{version}.dist-info" for version in ("1.0", "2.0")]
    found = files_of(disk, [*changed, f"{SITE}/flask"], "my-package", "/srv/lingzhi/venv")
    assert found == {
        f"{SITE}/my/old.py",
        f"{SITE}/my/new.py",
        f"{SITE}/my",
        "/srv/lingzhi/venv/bin/my",
        *changed,
    }
    assert files_of(disk, changed, "other", "/srv/lingzhi/venv") == set()
