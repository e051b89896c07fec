"""A release that was proved, and fails later, is gone back from on a real host."""

import io
import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoloop.arena.hosts import Host
from autoloop.arena.product import Product

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="throw-away hosts need root"),
]

APP = "shop"
CODE = "/srv/lingzhi/app"
SALE = """
    from pathlib import Path
    if Path("/srv/lingzhi/data/sale").exists():
        return {"status": "ok", "discount": 1 / len("")}
"""


@pytest.fixture
def care(host: Host, product: Product) -> Iterator[Product]:
    """The platform, with the host's application under care."""
    product.register(APP, host, every_s=3)
    yield product
    product.unregister(APP)


def test_a_release_that_fails_later_is_gone_back_from(
    care: Product, host: Host, tmp_path: Path
) -> None:
    """All cases passed when it was deployed. Then the sale begins, and health divides by zero."""
    script = f"tar -C {CODE} --exclude=__pycache__ -cf /tmp/code.tar ."
    assert host.inside(script).ok
    data = Path(f"{host.root}/tmp/code.tar").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    health = tmp_path / "source" / "routes" / "health.py"
    before = health.read_text()
    health.write_text(before.replace("    try:\n", f"{SALE}    try:\n", 1))
    (tmp_path / "source" / "NEW").write_text("of the same release\n")
    care.command("deploy", "--app", APP, "--from", str(tmp_path / "source"))
    assert host.inside("touch /srv/lingzhi/data/sale").ok
    end = time.monotonic() + 240
    rows = []
    while time.monotonic() < end and not (rows and rows[0]["ended"]):
        time.sleep(1)
        rows = care.incidents(APP)
    assert rows[0]["state"] == "closed", rows[0]
    assert rows[0]["diagnosis"]["causes"][0]["name"] == "CODE.runtime_error"
    assert [p["remedy"] for p in rows[0]["plan"]["proposals"]] == ["rollback_release"]
    assert Path(f"{host.root}{CODE}/routes/health.py").read_text() == before
    assert not Path(f"{host.root}{CODE}/NEW").exists()
    assert host.inside("curl -fsS -o /dev/null 127.0.0.1/api/health").ok
