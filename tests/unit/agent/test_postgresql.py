"""PostgreSQL's way of logging in."""

from autoloop.agent.postgresql import Scram


def test_the_proof_of_a_password() -> None:
    """The exchange of RFC 7677, section 3."""
    client = Scram("pencil")
    client.bare = b"n=user,r=rOprNGfwEbeRWgbNEkqO"
    challenge = (
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    assert client.final(challenge).endswith(b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
