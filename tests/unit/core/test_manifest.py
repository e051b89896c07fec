"""Manifests: exactly what differs is changed."""

from hypothesis import given
from hypothesis import strategies as st

from autoloop.core.manifest import Entry, changes_between, release_id
from autoloop.core.target import FileState

ROOT = "/srv/app"
TOP = FileState(kind="dir", mode=0o750, uid=33, gid=33)
ENTRIES = st.one_of(
    st.builds(Entry, kind=st.just("file"), sha256=st.sampled_from("ab"), executable=st.booleans()),
    st.builds(Entry, kind=st.just("link"), link=st.sampled_from("xy")),
    st.just(Entry(kind="dir")),
)
MANIFESTS = st.dictionaries(st.sampled_from(["a", "b", "c/d"]), ENTRIES)


def laid(manifest: dict[str, Entry], now: dict[str, FileState]) -> dict[str, FileState]:
    """The tree after the changes."""
    tree = dict(now)
    for change in changes_between(ROOT, manifest, now):
        assert tree.get(change.path, FileState()) == change.before
        tree[change.path] = change.after
    return {path: state for path, state in tree.items() if state.kind != "absent"}


@given(old=MANIFESTS, new=MANIFESTS)
def test_any_tree_becomes_any_other_and_then_nothing_is_left_to_do(
    old: dict[str, Entry], new: dict[str, Entry]
) -> None:
    """What is there afterwards is what was wanted; a second comparison is empty."""
    tree = laid(new, laid(old, {ROOT: TOP}))
    assert {path.removeprefix(f"{ROOT}/") for path in tree} - {ROOT} == set(new)
    assert changes_between(ROOT, new, tree) == ()


def test_owner_and_mode_of_what_exists_stay() -> None:
    """Only the content and the executable bit come from the source."""
    now = {ROOT: TOP, f"{ROOT}/a": FileState(kind="file", sha256="x", mode=0o640, uid=7, gid=8)}
    entry = Entry(kind="file", sha256="y", executable=True)
    after = changes_between(ROOT, {"a": entry}, now)[0].after
    assert (oct(after.mode), after.uid, after.gid, after.sha256) == ("0o750", 7, 8, "y")


def test_what_is_new_belongs_to_the_owner_of_the_root() -> None:
    """A folder has its mode as well."""
    changes = changes_between(ROOT, {"d": Entry(kind="dir"), "f": Entry(kind="file")}, {ROOT: TOP})
    assert [(oct(c.after.mode), c.after.uid) for c in changes] == [("0o750", 33), ("0o644", 33)]


@given(MANIFESTS, MANIFESTS)
def test_a_release_is_named_by_its_content(one: dict[str, Entry], other: dict[str, Entry]) -> None:
    """Same tree, same name; the order of paths does not count."""
    assert (release_id(one) == release_id(other)) is (one == other)
    assert release_id(dict(reversed(one.items()))) == release_id(one)
