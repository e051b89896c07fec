"""Signatures: every one knows its own examples, and none can be held up."""

import importlib.util
import re
import sys
from collections.abc import Callable, Sequence
from subprocess import run
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloop.core.reading import text_engine
from autoloop.core.reading.beforehand import TABLES, beforehand
from autoloop.core.reading.excerpt import Excerpt
from autoloop.core.reading.patterns import bounded, compiled, faults, needs
from autoloop.core.reading.signatures import FILES, begins, book
from autoloop.core.reading.tables import BEFOREHAND, made

TAXONOMY = {
    "DATABASE": "connection_error data_corruption schema_mismatch user_not_found auth_failed_db "
    "too_many_connections deadlock_or_lock_timeout disk_full_db read_only_db slow_query_timeout",
    "CODE": "syntax_error import_error runtime_error logic_error encoding_error",
    "CONFIG": "env_missing wrong_port auth_failed invalid_config_file permission_denied "
    "missing_file cors_or_host_not_allowed",
    "SERVICE": "service_down port_blocked memory_leak timeout disk_full cpu_overload "
    "too_many_open_files upstream_unreachable dns_failure tls_certificate rate_limited crash_loop",
    "LOGIN": "wrong_password user_not_exist token_expired token_invalid account_locked "
    "permission_role",
    "NONE": "benign",
}
NAMES = {f"{k}.{sub}" for k, subs in TAXONOMY.items() for sub in subs.split()}
PATTERNS = [pattern for signature in book().signatures for pattern in signature.patterns]


def test_every_name_of_the_taxonomy_has_signatures() -> None:
    """And there is no other name."""
    contexts = {name for s in book().signatures for name in s.context.values()}
    assert {s.name for s in book().signatures} == NAMES
    assert contexts <= NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_examples_are_read_as_their_signatures_say(name: str) -> None:
    """By the whole engine, with the culprit; a context may give one its other name."""
    wrong = []
    for signature in book().signatures:
        for text, culprit in signature.examples if signature.name == name else ():
            top = text_engine().read(text)[0]
            named = top.name in {signature.name, *signature.context.values()}
            if not named or (culprit and top.culprit != culprit):
                wrong.append((text, culprit, top.name, top.culprit))
    assert wrong == []


def test_every_signature_speaks_two_languages() -> None:
    """A sentence for people, in English and Chinese."""
    assert [s.name for s in book().signatures if not (s.words.en and s.words.zh)] == []


def test_every_pattern_is_safe() -> None:
    """No nested repetition, no looking around, no unbounded wildcard; a word to look for first."""
    assert [(pattern, faults(pattern)) for pattern in PATTERNS if faults(pattern)] == []
    assert [pattern for pattern in PATTERNS if needs(pattern) == ()] == []
    plain = [re.sub(r"\\.|\(\?P<\w+>", "", pattern) for pattern in PATTERNS]
    assert [pattern for pattern in plain if pattern != pattern.lower()] == []


@pytest.mark.parametrize(
    "pattern", ["(a+)+", "(?:a*b)*", "(a{2,3}){4}", "a.*b", "(?=a)b", r"(a)\1"]
)
def test_an_unsafe_pattern_is_refused(pattern: str) -> None:
    """What would take exponential time, or what the two engines read differently."""
    assert faults(pattern) != []


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("deadlock detected", ("deadlock detected",)),
        (r"a|too many \w+", ()),
        (r"(?:disk|volume) is full", (" is full",)),
        (r"x?(?:enospc|errno 28\b)", ("enospc", "errno 28")),
        (r"errors?: \d", ("error: ", "errors: ")),
        (r"errors?$", ("error",)),
        (r"time-?out \d", ("timeout ", "time-out ")),
        (r"urls? \d", ("url ", "urls ")),
    ],
)
def test_the_words_that_a_pattern_needs(pattern: str, words: tuple[str, ...]) -> None:
    """One of them is in every text that it matches; without any it would always be tried."""
    assert needs(pattern) == words


def with_re2(test: Callable[..., None]) -> Callable[..., None]:
    """Run by `make test` with the extra `fast`, which the environment of the tests is without."""
    there = importlib.util.find_spec("re2")
    return pytest.mark.engines(pytest.mark.skipif(not there, reason="RE2 is not there")(test))


@with_re2
def test_both_engines_find_the_same_places() -> None:
    """RE2 and the standard library: in the examples of a signature, and in those of all."""
    import re2

    def found(pattern: str, text: str, engine: ModuleType) -> list[object]:
        return [(m.span(), m.groups()) for m in compiled(pattern, engine).finditer(text)]

    every = "\n".join(Excerpt(text).low for s in book().signatures for text, _ in s.examples)
    for signature in book().signatures:
        texts = [every, *(Excerpt(text).low for text, _ in signature.examples)]
        for pattern in map(bounded, signature.patterns):
            for text in texts:
                assert found(pattern, text, re) == found(pattern, text, re2), pattern


ANSWERS = """
from autoloop.core.reading import text_engine
from autoloop.core.reading.beforehand import TABLES, beforehand
from autoloop.core.reading.signatures import book
for signature in book().signatures:
    for text, _ in signature.examples:
        print(repr([c.model_dump() for c in text_engine().read(text)]))
"""


@with_re2
def test_both_engines_give_the_same_answers() -> None:
    """To every example: causes, culprits, evidence; RE2, and the library that is always there."""
    without = "import sys; sys.modules['re2'] = None"
    one, other = (
        run([sys.executable, "-c", first + ANSWERS], capture_output=True, check=True).stdout
        for first in ("import re2", without)
    )
    assert one.count(b"\n") > 500
    assert one == other


@pytest.mark.parametrize(
    ("name", "cause"),
    [("SHOP_TOKEN", "CONFIG.env_missing"), ("shop_token", "CODE.runtime_error")],
)
def test_capitals_tell_a_variable_of_the_environment(name: str, cause: str) -> None:
    """Of the same wording: what stands in capitals is one, what does not is any key."""
    assert text_engine().read(f"KeyError: key not found: '{name}'")[0].name == cause


@pytest.mark.matrix
def test_what_is_made_beforehand_is_fresh() -> None:
    """Else every start makes it again. `make signatures` makes it."""
    for name, contents in beforehand():
        assert (BEFOREHAND / name).read_text(encoding="utf-8") == contents, name


@pytest.mark.parametrize(
    ("what", "of"),
    [
        *((name, [name]) for name in TABLES),
        ("patterns", [*FILES, "contexts"]),
        ("filed", [*FILES, "contexts"]),
        ("alternatives", ["grammar"]),
    ],
)
def test_what_is_made_beforehand_is_of_these_tables(what: str, of: Sequence[str]) -> None:
    """Sooner told than whether it is the same, so with every change."""
    assert made(what, *of) is not None, "run make signatures"


LED = r"\b\w{0,40}(?:errors?|failures?|failed)\w{0,24} (?:is|=|:) ?(?:\d{1,9}|on)\b"
"""A wording as one would write it, with all of its first word: slow, since it begins anywhere."""

UNLED = r"(?:error|failure|failed)\w{0,24} (?:is|=|:) ?(?:\d{1,9}|on)\b"
"""The same as it is written in ``benign.toml``."""

PIECES = ["error", "failures", "max", "_", "s", " ", " is ", " = ", "7", "on", ".", "failed", "x"]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_a_wording_that_begins_within_a_word_is_found_where_the_word_begins(text: str) -> None:
    """So it speaks as far as one that is written with the whole word."""
    led, unled = re.search(LED, text), re.search(UNLED, text)
    assert (led is None) == (unled is None)
    if led and unled:
        assert begins(text, unled.start()) == led.start()
        assert unled.end() == led.end()
