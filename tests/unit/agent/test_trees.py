"""Any tree into any other, and back: claims that hold for all pairs of trees."""

import shutil
import threading
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoloop.agent.files import ABSENT

NAMES = st.sampled_from("abc")
LEAVES = st.one_of(
    st.tuples(
        st.just("file"), st.sampled_from(["", "one", "two"]), st.sampled_from([0o600, 0o755])
    ),
    st.tuples(st.just("link"), st.sampled_from(["a", "../b", "nowhere"])),
)
TREES = st.recursive(
    st.dictionaries(NAMES, LEAVES, max_size=3),
    lambda below: st.dictionaries(NAMES, st.one_of(LEAVES, below), max_size=3),
    max_leaves=8,
)


def lay(folder: Path, tree: dict[str, Any]) -> None:
    """Write *tree* into *folder*."""
    folder.mkdir()
    for name, node in tree.items():
        path = folder / name
        if isinstance(node, dict):
            lay(path, node)
        elif node[0] == "link":
            path.symlink_to(node[1])
        else:
            path.write_text(node[1])
            path.chmod(node[2])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=TREES, new=TREES)
def test_any_tree_into_any_other(world: Any, old: dict[str, Any], new: dict[str, Any]) -> None:
    """After the change the tree is as wanted; twice is once; reverted it is as before."""
    for folder in (world.tree, world.state):
        shutil.rmtree(folder, ignore_errors=True)
    lay(world.tree, new)
    wanted, store, absent = world.states(), world.store(), ABSENT
    for path, state in wanted.items():
        if state["kind"] == "file":
            store.keep(path)
    shutil.rmtree(world.tree)
    lay(world.tree, old)
    before = world.states()
    changes = [
        {"path": p, "before": before.get(p, absent), "after": wanted.get(p, absent)}
        for p in sorted(set(before) | set(wanted))
    ]
    worker, action = world.worker(), {"kind": "files", "changes": changes}
    try:
        first = world.do(worker, "run/1", action)
        assert world.states() == wanted
        assert world.do(worker, "run/1", action) == dict(first, repeated=True)
        assert world.states() == wanted
        assert world.revert(worker, "run/1")["outcome"] == "reverted"
        assert world.states() == before
        assert world.do(worker, "run/2", action)["outcome"] == "done"
        assert world.states() == wanted
    finally:
        worker.unlock({"name": "t"}, threading.Event())
