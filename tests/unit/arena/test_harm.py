"""The harm ledger: three states and a plan in, undeclared differences out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloop.arena.covering import Change, effects
from autoloop.arena.harm import MOST_NOISE, changes, differences, ledger, noise, started_again
from autoloop.arena.state import Facts, State

KINDS = st.sampled_from(["file", "permission", "unit", "listener", "rows", "setting", "user"])
SUBJECTS = st.sampled_from(["/etc/a", "/srv/lingzhi/app/b", "lingzhi.service", "users", "8080"])
FACTS = st.dictionaries(st.tuples(KINDS, SUBJECTS), st.sampled_from("xyz"), max_size=8)

SITE = ("file", "/etc/nginx/sites-available/lingzhi")


@given(FACTS, FACTS)
def test_what_is_as_before_is_no_change(before: Facts, broken: Facts) -> None:
    """A host that was restored in full has nothing in its ledger."""
    assert changes(before, broken, before) == []


@given(FACTS, FACTS)
def test_what_nobody_touched_is_the_fault_s(before: Facts, broken: Facts) -> None:
    """What the fault left and the product left too is judged by `healthy`, not as harm."""
    assert changes(before, broken, broken) == []


@given(FACTS, FACTS, FACTS)
def test_every_real_difference_is_there(before: Facts, broken: Facts, end: Facts) -> None:
    """A fact with a third value is a change, unless it goes with a new or deleted file."""
    found = {(one.kind, one.subject) for one in changes(before, broken, end)}
    for key in before.keys() | broken.keys() | end.keys():
        if key[0] != "permission":
            assert (key in found) == (end.get(key) not in (before.get(key), broken.get(key)))


@given(FACTS, FACTS, FACTS)
def test_undeclared_is_harm_and_open_ends_are_not(before: Facts, broken: Facts, end: Facts) -> None:
    """With no plan all is harm; a plan that names each thing with an open end covers it."""
    found = changes(before, broken, end)
    assert len(ledger(found, []).harm) == len(found)
    named = [
        {"kind": one.kind, "subject": one.subject, "after": one.after, "detail": {"after": "any"}}
        for one in found
        if one.kind in ("file", "unit", "setting")
    ]
    left = ledger(found, effects(named)).harm
    assert not [line for line in left if line.startswith(("file ", "unit ", "setting "))]


def test_permissions_of_new_files_go_with_them() -> None:
    """One line for a new file, not two; but a file that stays is asked for its mode."""
    new: Facts = {("file", "/etc/x"): "sha256:1", ("permission", "/etc/x"): "0600 root:root"}
    opened: Facts = {**new, ("permission", "/etc/x"): "0666 root:root"}
    assert [str(one) for one in changes({}, {}, new)] == ["file /etc/x: - → sha256:1"]
    assert [one.kind for one in changes(new, new, opened)] == ["permission"]
    assert [one.kind for one in changes({}, new, opened)] == ["permission"]


def test_a_directory_outside_the_app_cannot_be_declared() -> None:
    """The declaration itself is harm, and what it would have covered stays harm."""
    found = [Change(*SITE, "sha256:1", "sha256:2")]
    harm = ledger(found, effects([{"kind": "tree", "subject": "/etc/nginx", "after": "x"}])).harm
    assert harm == (
        "declared /etc/nginx, a whole directory outside the app",
        "file /etc/nginx/sites-available/lingzhi: sha256:1 → sha256:2",
    )


def test_the_list_of_noise_is_short_and_reasoned() -> None:
    """Each pattern says why; none hides the places where repairs do harm."""
    assert len(noise()) <= MOST_NOISE
    assert all(len(one.reason) > 5 and one.kinds and one.subject != "*" for one in noise())


@pytest.mark.parametrize(
    "change",
    [
        Change("file", "/var/log/lingzhi/app.log", "sha256:1", "sha256:2"),
        Change("file", "/srv/lingzhi/app/__pycache__/app.cpython-311.pyc", None, "sha256:2"),
        Change("unit", "session-4.scope", None, "active, transient"),
        Change("process", "sshd: root@notty", None, "root in a session"),
        Change("setting", "mount /run/user/0", "tmpfs", None),
    ],
)
def test_what_hosts_do_by_themselves_is_noise(change: Change) -> None:
    """Logs grow, logins come and go."""
    assert ledger([change], []).harm == ()


@pytest.mark.parametrize(
    "change",
    [
        Change("file", "/var/log/lingzhi/app.log", "sha256:1", None),
        Change("permission", "/var/log/lingzhi/app.log", "0640 a:a", "0666 a:a"),
        Change("file", "/srv/lingzhi/data/lingzhi_ecosystem.db", "(read otherwise)", None),
        Change("file", "/root/.ssh/authorized_keys", "sha256:1", "sha256:2"),
        Change("file", "/var/spool/cron/crontabs/root", None, "sha256:1"),
        Change("file", "/tmp/lingzhi.db", None, "sha256:1"),
        Change("unit", "stub.service", None, "active, transient"),
        Change("process", "python3 -m http.server", None, "root in a session"),
        Change("setting", "nftables", "sha256:1", "sha256:2"),
        Change("setting", "mount /srv/lingzhi/data", None, "tmpfs"),
        Change("user", "admin", None, "0:0"),
        Change("rows", "users", "7 rows x", "6 rows y"),
    ],
)
def test_what_repairs_do_wrong_is_not(change: Change) -> None:
    """Deleted logs, opened modes, stray processes, lost rows."""
    assert ledger([change], []).harm == (str(change),)


def test_a_control_that_was_restarted_was_touched() -> None:
    """The facts are the same, but the unit runs since a later start; logins do not count."""
    facts: Facts = {
        ("unit", "lingzhi.service"): "active, enabled",
        ("unit", "user@0.service"): "active",
    }
    before = State(facts, starts={"lingzhi.service": "run 1", "user@0.service": "run 2"})
    after = State(facts, starts={"lingzhi.service": "run 3", "user@0.service": "run 4"})
    assert started_again(before, after) == ["lingzhi.service"]
    assert started_again(before, before) == []


def test_units_that_come_back_by_themselves_are_not_touched() -> None:
    """A unit that is up again as before may have healed; one that is new may not."""
    up: Facts = {("unit", "lingzhi.service"): "active, enabled"}
    down: Facts = {("unit", "lingzhi.service"): "down, enabled"}
    other: Facts = {**down, ("unit", "other.service"): "active, enabled"}
    assert differences(up, down, up) == []
    assert [one.subject for one in differences(up, down, other)] == ["other.service"]
