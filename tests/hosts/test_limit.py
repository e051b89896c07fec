"""A service that leaks is recycled, and may take no more than is declared."""

import json
import os
import time
from typing import Any

import pytest

from autoloop.arena.fault import load
from autoloop.arena.hosts import Host
from autoloop.arena.product import Product, app_document

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="throw-away hosts need root"),
]

SHOWN = "systemctl show --value -p MemoryMax lingzhi"
DROP_IN = "/etc/systemd/system/lingzhi.service.d/autoloop-memory.conf"

LEAKS_ON = """
cat >/etc/systemd/system/lingzhi.service.d/leak.conf <<'END'
[Service]
ExecStartPost=/bin/sh -c 'python3 /usr/local/lib/lingzhi-worker.py >/dev/null 2>&1 &'
END
"""
"""The worker that the fault has made is started with the service, from its next start on."""


def under_care(product: Product, host: Host, name: str, **memory: int) -> None:
    """The application of *host*, with what is declared of its memory."""
    document = app_document(name, host)
    document["health"] |= {"every_s": 86400, "hold_s": 0.5, "ready_s": 8}
    document["watch"] = {"logs": False, "journal": False}
    next(part for part in document["components"] if part["name"] == "app").update(memory)
    (product.home / f"{name}.json").write_text(json.dumps(document))
    product.command("register", str(product.home / f"{name}.json"))


def ended(product: Product, name: str) -> dict[str, Any]:
    """Trouble that is handed in, at its end."""
    number, end = product.report(name, "lingzhi.service: out of memory"), time.monotonic() + 200
    while not (row := product.incident(number))["ended"]:
        assert time.monotonic() < end, row["state"]
        time.sleep(0.5)
    return row


def test_the_declared_limit_is_set_kept_and_taken_back(host: Host, product: Product) -> None:
    """Kept once the leak is gone; where the service leaks again at once, it goes with the rest."""
    under_care(product, host, "limited", memory_mb=300, memory_max_mb=400)
    assert host.inside(load(names=["memory-leak"])[0].inject).ok
    row = ended(product, "limited")
    assert row["state"] == "closed", row["timeline"]
    assert host.inside(SHOWN).stdout.strip() == "399998976"
    assert host.inside(f"cat {DROP_IN}").stdout == "[Service]\nMemoryMax=399998976\n"
    product.unregister("limited")

    assert host.inside(f"rm {DROP_IN}; systemctl daemon-reload; {LEAKS_ON}").ok
    under_care(product, host, "leaks-on", memory_mb=300, memory_max_mb=400)
    assert host.inside("systemctl daemon-reload; systemctl restart lingzhi; sleep 5").ok
    assert ended(product, "leaks-on")["state"] == "asked a person"
    assert host.inside(SHOWN).stdout.strip() == "infinity"
    assert not host.inside(f"ls {DROP_IN}").ok
    product.unregister("leaks-on")
