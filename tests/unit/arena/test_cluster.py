"""What of a PostgreSQL cluster is compared, and how."""

import pytest

from autoloop.arena.cluster import compared_otherwise, password_words
from autoloop.arena.recipe import POSTGRES_PASSWORD, POSTGRES_URL

# Made by PostgreSQL 15 for the password "pencil", twice.
PENCIL = [
    "SCRAM-SHA-256$4096:G9bnLD8JIXL5M31/DdyYHA==$tLg9gT96jd+KXubx"
    "KBvN+pR0azGYVh/j8ohC+PXynQw=:hGABQ/NyjWYmNNpX9otM/sfp9gjtKll4JDComCybQWI=",
    "SCRAM-SHA-256$4096:N6wb4oKIYeg5I0teLZoGHg==$8BRTB7BOklPc64Bx"
    "xQ5bHcGvPsfvLQ3qHsRAUwRl+BU=:Pr4mcfKnlYrBdGAOcI4wyZD7Eb1JGYF6ivkH/b881Hs=",
]


def test_a_password_is_the_same_however_it_is_salted() -> None:
    """A role that is made again gets another salt, and so another verifier."""
    assert {password_words(text, "pencil") for text in PENCIL} == {"the password of the image"}
    assert len({password_words(text, "pen") for text in PENCIL}) == 2


@pytest.mark.parametrize("verifier", [None, "md5abc", "SCRAM-SHA-256$nonsense"])
def test_any_other_is_another(verifier: str | None) -> None:
    """None at all, an older kind, and what is no verifier."""
    assert password_words(verifier) != "the password of the image"


def test_the_cluster_s_own_files_are_not_compared_but_what_people_change_is() -> None:
    """ALTER SYSTEM writes a file in its folder."""
    data = "/var/lib/postgresql/15/main"
    assert compared_otherwise(f"{data}/base/5/16384")
    assert not compared_otherwise(f"{data}/postgresql.auto.conf")
    assert not compared_otherwise(data)
    assert not compared_otherwise("/etc/postgresql/15/main/pg_hba.conf")


def test_the_scripts_of_faults_know_the_same_password() -> None:
    """It stands in the recipe and in the probes."""
    from autoloop.arena.cluster import probes

    assert f"database_password={POSTGRES_PASSWORD}\n" in probes()
    assert POSTGRES_PASSWORD in POSTGRES_URL
