"""What the repository as a whole promises: nothing of a machine, every promise kept."""

import ast
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GENERATED = {"build", "dist", "__pycache__"}
MEGABYTE = 1_000_000
DECISIONS = ROOT / "docs" / "decisions"

REGISTRY_HOSTS = [
    ".".join(labels)
    for labels in (
        ("pypi", "org"),
        ("files", "python" + "hosted", "org"),
        ("registry", "npmjs", "org"),
        ("deb", "debian", "org"),
    )
]
# A path that starts here, not one that goes on: "$folder/work/x" and a URL's path are no matter.
MACHINE_PATH = re.compile(r"(?<![\w.})-])/(work|farm|Users)/")
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}")
DOCUMENT = re.compile(r"\b[A-Z]{3,}\.md\b")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


@cache
def house_files() -> tuple[Path, ...]:
    """Files of the repository; of the tree when git or its folder is not there."""
    command = ["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "-z"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        listed = ""
    paths = [ROOT / name for name in listed.split("\0") if name] or [
        path for path in ROOT.rglob("*") if _is_source(path.relative_to(ROOT))
    ]
    return tuple(path for path in paths if path.is_file())


def _is_source(path: Path) -> bool:
    """Whether no part of the path is hidden or generated; `.ci` is neither."""
    return not any(
        part in GENERATED or (part.startswith(".") and part != ".ci") or part.endswith(".egg-info")
        for part in path.parts
    )


@cache
def texts() -> dict[str, str]:
    """Text of each file that is text, by its path in the repository."""
    found = {}
    for path in house_files():
        content = path.read_bytes()
        if b"\0" not in content:
            found[str(path.relative_to(ROOT))] = content.decode(errors="replace")
    return found


def places(pattern: re.Pattern[str]) -> list[str]:
    """`file:line: text` of each match."""
    return [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]!r}"
        for name, text in texts().items()
        for match in pattern.finditer(text)
    ]


@cache
def dependencies() -> dict[str, list[str]]:
    """Names of what pyproject.toml asks for, for use (`run`) and for development (`dev`)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {"run": project["dependencies"], "dev": project["optional-dependencies"]["dev"]}
    return {
        kind: [re.split(r"[^\w.-]", line)[0].lower() for line in lines]
        for kind, lines in asked.items()
    }


@pytest.mark.parametrize("host", REGISTRY_HOSTS)
def test_no_file_names_a_package_registry(host: str) -> None:
    """Where packages come from is the machine's setting, never the project's."""
    assert places(re.compile(re.escape(host), re.IGNORECASE)) == []


def test_no_file_names_a_path_of_a_development_machine() -> None:
    """A checkout works wherever it lies."""
    assert places(MACHINE_PATH) == []


def test_no_file_is_larger_than_a_megabyte() -> None:
    """Large data is made or fetched, not kept here."""
    large = [path for path in house_files() if path.stat().st_size > MEGABYTE]
    assert large == []


def test_no_file_holds_a_private_key() -> None:
    """Keys are made where they are needed; a bare header line, as in a sample, is no key."""
    assert places(PRIVATE_KEY) == []


def test_no_file_has_a_name_that_says_nothing() -> None:
    """A file is named after what it is about."""
    vague = {"utils", "util", "helpers", "helper", "common", "manager"}
    assert [path for path in house_files() if path.stem.lower() in vague] == []


def test_tests_are_no_packages() -> None:
    """An `__init__.py` under tests would let tests/tasks hide the package tasks."""
    tests = ROOT / "tests"
    assert [
        path for path in house_files() if path.match("__init__.py") and tests in path.parents
    ] == []


def test_files_linked_from_the_readme_exist() -> None:
    """No link of the first page leads nowhere."""
    links = LINK.findall((ROOT / "README.md").read_text())
    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in local if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda p: p.stem)
def test_no_link_between_documents_leads_nowhere(page: Path) -> None:
    """Each is relative to the page that it stands on."""
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    local = [link for link in links if not link.startswith("mailto:")]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_documents_named_anywhere_exist() -> None:
    """A page in capitals, such as the changelog, is mentioned only when readers have it."""
    there = {path.name for path in house_files()} | {path.name for path in ROOT.glob("*.md")}
    missing = set(DOCUMENT.findall("\n".join(texts().values()))) - there
    assert [place for name in missing for place in places(re.compile(rf"\b{name}"))] == []


def test_each_decision_has_a_number_and_a_title() -> None:
    """A decision is found by its number and known by its first line."""
    decisions = sorted(DECISIONS.glob("*.md"))
    assert decisions
    for decision in decisions:
        assert re.match(r"\d{4}-[a-z0-9-]+\.md", decision.name), decision.name
        assert re.match(r"# \S+", decision.read_text()), f"{decision.name} has no title"
    numbers = [decision.name[:4] for decision in decisions]
    assert len(numbers) == len(set(numbers))


def test_each_change_is_in_the_changelog() -> None:
    """The changelog is its fragments, the newest first."""
    fragments = sorted((ROOT / "docs" / "changes").glob("*.md"), reverse=True)
    changelog = (ROOT / "CHANGELOG.md").read_text()
    positions = [changelog.find(fragment.read_text().strip()) for fragment in fragments]
    assert fragments
    assert -1 not in positions
    assert positions == sorted(positions)


def test_the_example_of_a_remedy_is_one_that_ships() -> None:
    """What the how-to says to write is what stands in the files that it names, test included."""
    text = (ROOT / "docs" / "how-to" / "add-a-remedy.md").read_text()
    examples = re.findall(r"`([a-z_/]+\.py)`:\n\n```python\n(.*?)```", text, re.DOTALL)
    assert len(examples) == 2
    for path, code in examples:
        assert (ROOT / path).read_text() == code


def test_each_dependency_is_justified() -> None:
    """What is asked for has a line of reason among the decisions."""
    reasons = (DECISIONS / "0002-dependencies.md").read_text().lower()
    asked = dependencies()["run"] + dependencies()["dev"]
    assert [name for name in asked if f"`{name}`" not in reasons] == []


@pytest.mark.parametrize(
    ("lock", "kinds"),
    [("requirements.lock", ["run"]), ("requirements-dev.lock", ["run", "dev"])],
)
def test_locks_pin_every_dependency_by_hash(lock: str, kinds: list[str]) -> None:
    """The same packages everywhere, from whatever index the machine has."""
    text = (ROOT / lock).read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    pinned = {entry.split("==")[0].lower() for entry in entries}
    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []
    assert {name for kind in kinds for name in dependencies()[kind]} <= pinned
    assert "://" not in text


def test_each_claim_here_has_its_sentence() -> None:
    """Every test of this file says in a sentence what it is for."""
    tree = ast.parse(Path(__file__).read_text())
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert [node.name for node in tests if not ast.get_docstring(node)] == []
