"""A component that keeps the database to itself is restarted; a stranger is left to a person."""

import json
import os
import time
from typing import Any

import pytest

from autoloop.arena.hosts import Host
from autoloop.arena.product import Product, app_document

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="throw-away hosts need root"),
]

DATA = "/srv/lingzhi/data/lingzhi_ecosystem.db"
HOLD = f"""
import os, sqlite3, time
while not os.path.exists("/run/hold"):
    time.sleep(0.1)
os.unlink("/run/hold")
held = sqlite3.connect("{DATA}", isolation_level=None, timeout=30)
held.execute("begin exclusive")
held.execute("delete from users")
open("/run/held", "w").close()
time.sleep(3600)
"""
PLACE = f"""
cat >/usr/local/lib/hold.py <<'END'
{HOLD}
END
cat >/etc/systemd/system/worker.service <<'END'
[Service]
ExecStart=/usr/bin/python3 /usr/local/lib/hold.py
END
systemctl daemon-reload; systemctl start worker
"""
TAKE = "rm -f /run/held; touch /run/hold; while [ ! -e /run/held ]; do sleep 0.1; done"
PEOPLE = f"sqlite3 {DATA} 'select count(*) from users'"


def ended(product: Product, name: str) -> dict[str, Any]:
    """Trouble that is handed in, at its end."""
    text = "sqlite3.OperationalError: database is locked"
    number, end = product.report(name, text), time.monotonic() + 250
    while not (row := product.incident(number))["ended"]:
        assert time.monotonic() < end, row["state"]
        time.sleep(0.5)
    return row


def test_who_holds_the_database_lets_go(host: Host, product: Product) -> None:
    """What it has not committed is gone; a process that is no component's goes on."""
    document = app_document("locked", host)
    document["health"] |= {"every_s": 86400, "hold_s": 0.5, "ready_s": 20}
    document["watch"] = {"logs": False, "journal": False}
    document["components"].append({"name": "worker", "unit": "worker.service"})
    assert host.inside(PLACE).ok
    people = host.inside(PEOPLE).stdout
    (product.home / "locked.json").write_text(json.dumps(document))
    product.command("register", str(product.home / "locked.json"))
    assert host.inside(TAKE).ok
    row = ended(product, "locked")
    assert row["state"] == "closed", row["timeline"]
    assert row["outcome"]["remedy"] == "release_lock"
    assert host.inside(PEOPLE).stdout == people
    assert host.inside("systemctl is-active worker").ok

    assert host.inside("systemd-run -q -u stranger python3 /usr/local/lib/hold.py").ok
    still = "s!=/usr.*!=/bin/sleep 3600!' /etc/systemd/system/worker.service"
    assert host.inside(f"sed -i '{still}; systemctl daemon-reload; systemctl restart worker").ok
    assert host.inside(TAKE).ok
    row = ended(product, "locked")
    assert row["state"] == "asked a person", row["timeline"]
    assert host.inside("systemctl is-active stranger").ok
    assert host.inside("systemctl stop stranger").ok
    product.unregister("locked")
