"""MySQL's and MariaDB's own words, as they were recorded from real servers (9.7.4, 10.11.19)."""

import socket
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from autoloop.agent import mysql, mysql_talk
from autoloop.agent.line import Failed

MARIADB = (
    "640000000a352e352e352d31302e31312e31392d4d6172696144422d302b6465623132753100c9000000617549"
    "4d26712b7e00fef7080200ff81150000000000001d0000005c32255f337c3b4d543e7558006d7973716c5f6e61"
    "746976655f70617373776f726400"
)
MARIADB_LOGIN = (
    "6c00000108a21800000010002d000000000000000000000000000000000000000000000073686f70001494c3e2"
    "818a6e9a1bf2aa76dbce4231fc3e673bfe73686f70006d7973716c5f6e61746976655f70617373776f72640016"
    "0c70726f6772616d5f6e616d65086175746f6c6f6f70"
)
MYSQL = (
    "4b0000000a392e372e342d3200db00000027093f143c4f6a1700ffffff0200ffdf1500000000000000000000747d"
    "2a0e27661f082e577c420063616368696e675f736861325f70617373776f726400"
)
MYSQL_LOGIN = (
    "7800000109a21800000010002d000000000000000000000000000000000000000000000073686f70002070a547a8"
    "a16915bf65c970de38f5f01738d28b6edf54bfb26b925c849566bdd873686f700063616368696e675f736861325f"
    "70617373776f726400160c70726f6772616d5f6e616d65086175746f6c6f6f70"
)
KNOWN, WANTED, IN = "020000020103", "020000020104", "0700000300000002000000"
DENIED = (
    "48000002ff15042332383030304163636573732064656e69656420666f722075736572202773686f702740276c6f"
    "63616c686f73742720287573696e672070617373776f72643a2059455329"
)
STATUS = (
    "01000001025e0000020364656612696e666f726d6174696f6e5f736368656d610e53455353494f4e5f5354415455"
    "530e53455353494f4e5f5354415455530d5661726961626c655f6e616d650d5641524941424c455f4e414d450c2d"
    "0000010000fd0110000000570000030364656612696e666f726d6174696f6e5f736368656d610e53455353494f4e"
    "5f5354415455530e53455353494f4e5f5354415455530556616c75650e5641524941424c455f56414c55450c2d00"
    "00400000fd011000000005000004fe00002320200000051d496e6e6f64625f726f775f6c6f636b5f63757272656e"
    "745f77616974730130120000060d536c6176655f72756e6e696e67034f4646110000070e536c617665735f72756e"
    "6e696e6701301400000811546872656164735f636f6e6e6563746564013105000009fe00000320"
)
ROW = {"user": "shop", "password": "good", "database": "shop", "sslmode": "disable"}


class Spoken:
    """A line on which a server says what was recorded, whatever it hears."""

    def __init__(self, *packets: str, family: int = socket.AF_INET) -> None:
        self.held, self.sent = bytes.fromhex("".join(packets)), list[bytes]()
        self.sock, self.end = socket.socket(family), 0.0
        self.sock.close()

    def take(self, size: int) -> bytes:
        if len(self.held) < size:
            raise Failed("login", "closed", "it closes the connection")
        data, self.held = self.held[:size], self.held[size:]
        return data

    def send(self, data: bytes) -> None:
        self.sent.append(data)


def packet(number: int, data: bytes) -> str:
    """As it is sent."""
    return (len(data).to_bytes(3, "little") + bytes([number]) + data).hex()


def failure(line: Spoken, **row: str) -> Failed:
    """How logging in fails."""
    with pytest.raises(Failed) as caught:
        mysql_talk.log_in(line, {**ROW, **row})
    return caught.value


@pytest.mark.parametrize(
    ("said", "login"),
    [((MARIADB, IN), MARIADB_LOGIN), ((MYSQL, KNOWN, IN), MYSQL_LOGIN)],
)
def test_the_proof_of_a_password(said: tuple[str, ...], login: str) -> None:
    """What the real servers took, to the last byte."""
    line = Spoken(*said)
    mysql_talk.log_in(line, ROW)
    assert [data.hex() for data in line.sent] == [login]


def test_a_server_that_wants_the_password_itself_gets_it_behind_a_socket() -> None:
    """Nobody is on the way there."""
    line = Spoken(MYSQL, WANTED, IN, family=socket.AF_UNIX)
    mysql_talk.log_in(line, ROW)
    assert line.sent[1:] == [b"\x05\0\0\x03good\0"]


def test_or_encrypted_with_its_key() -> None:
    """Only who has the other half of it reads the password, mixed with the salt."""
    key = rsa.generate_private_key(65537, 2048)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, form)
    line = Spoken(MYSQL, WANTED, packet(4, b"\x01" + pem), IN)
    mysql_talk.log_in(line, ROW)
    asked, told = line.sent[1:]
    assert asked == b"\x01\0\0\x03\x02"
    oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
    salt = bytes.fromhex("27093f143c4f6a17747d2a0e27661f082e577c42")
    salted = key.decrypt(told[4:], oaep)
    assert bytes(a ^ b for a, b in zip(salted, salt, strict=False)) == b"good\0"


@pytest.mark.parametrize("key", [b"", b"-----A-----AAAA-----", b"-----A-----MAYwBAMCAQI=-----"])
def test_a_key_that_is_none(key: bytes) -> None:
    """It fails as any nonsense does, and the password is not sent."""
    line = Spoken(MYSQL, WANTED, packet(4, b"\x01" + key))
    with pytest.raises((Failed, LookupError, ValueError)):
        mysql_talk.log_in(line, ROW)
    assert all(b"good" not in data for data in line.sent)


def test_a_refusal_has_its_number_and_words() -> None:
    """Also in the place of the greeting; the SQLSTATE is none of the words."""
    failed = failure(Spoken(MARIADB, DENIED))
    words = "Access denied for user 'shop'@'localhost' (using password: YES)"
    assert (failed.kind, failed.code, failed.says) == ("refused by server", "1045", words)
    full = packet(0, b"\xff\x10\x04#08004Too many connections")
    assert (failure(Spoken(full)).code, failure(Spoken(full)).says) == (
        "1040",
        "Too many connections",
    )
    old = packet(0, b"\xff\x69\x04Host '10.0.0.9' is blocked")
    assert failure(Spoken(old)).says == "Host '10.0.0.9' is blocked"


@pytest.mark.parametrize("plugin", [b"client_ed25519", b"mysql_clear_password", b""])
def test_what_cannot_be_tried_is_said(plugin: bytes) -> None:
    """It is left as one leaves who has no password; the password is not sent."""
    line = Spoken(MARIADB, packet(2, b"\xfe" + plugin + b"\0" + b"n" * 32), DENIED)
    failed = failure(line)
    assert failed.kind == "not asked"
    assert (plugin or b"mysql_old_password").decode() in failed.says
    assert line.sent[1:] == [b"\0\0\0\x03"]


def test_another_way_that_is_known() -> None:
    """With the salt that comes with it."""
    line = Spoken(MYSQL, packet(2, b"\xfemysql_native_password\0" + b"n" * 20 + b"\0"), IN)
    mysql_talk.log_in(line, ROW)
    assert line.sent[1][4:] == mysql_talk.native_proof(b"good", b"n" * 20)


def test_no_password_no_proof() -> None:
    """An account may have none."""
    assert mysql_talk.sha2_proof(b"", b"n" * 20) == b""
    line = Spoken(MYSQL, packet(2, b"\xfesha256_password\0" + b"n" * 20 + b"\0"), IN)
    mysql_talk.log_in(line, {**ROW, "password": ""})
    assert line.sent[1][4:] == b"\0"


def test_tls_is_wanted_and_not_offered() -> None:
    """The settings forbid to go on without."""
    assert failure(Spoken(MARIADB), sslmode="require").kind == "tls"


def talk(*packets: str) -> mysql_talk.Talk:
    """A server after the login."""
    return mysql_talk.Talk(Spoken(*packets))


def test_rows_as_they_come() -> None:
    """Text, null, and what is longer than a byte says."""
    assert dict(mysql_talk.rows_of(talk(STATUS), "show status")) == {
        "Innodb_row_lock_current_waits": "0",
        "Slave_running": "OFF",
        "Slaves_running": "0",
        "Threads_connected": "1",
    }
    long = b"\xfb\xfc\x00\x01" + b"x" * 256
    ends = packet(3, b"\xfe\0\0\0\0"), packet(5, b"\xfe\0\0\0\0")
    said = (packet(1, b"\2"), packet(2, b"a"), packet(2, b"b"), ends[0], packet(4, long), ends[1])
    assert mysql_talk.rows_of(talk(*said), "select 1") == [[None, "x" * 256]]


@pytest.mark.parametrize(
    "data",
    [b"\xfb/etc/shadow", b"\xfc\xff\xff", b"\x11", b""],
)
def test_an_answer_that_is_no_table(data: bytes) -> None:
    """Nor is a file of this host ever sent, which a server may ask for in that place."""
    line = Spoken(packet(1, data))
    with pytest.raises((Failed, LookupError)):
        mysql_talk.rows_of(mysql_talk.Talk(line), "select 1")
    assert len(line.sent) == 1


def test_a_server_cannot_fill_the_memory() -> None:
    """What it may say in all has an end, in one packet as in many."""
    with pytest.raises(Failed, match="does not speak"):
        talk("ffffff00").take()
    many = talk(packet(1, b"\1"), packet(2, b"a"), packet(3, b"\xfe\0\0\0\0"), "00fc0004" * 30)
    many.left = 100_000
    with pytest.raises(Failed):
        mysql_talk.rows_of(many, "select 1")


QUERIES = {
    "start": "start transaction",
    "variables": "global variables",
    "status": "global status",
    "grants": "show grants",
    "own": "left(info",
    "holders": "information_schema.innodb_lock_waits",
}


class Server:
    """Answers queries by the words in them; refuses what it has no answer to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **answers: Any) -> None:
        self.answers, self.line = answers, Spoken()
        monkeypatch.setattr(mysql, "rows_of", self.answer)

    def answer(self, _talk: Any, words: str) -> Any:
        for name, rows in self.answers.items():
            if QUERIES[name] in words:
                if isinstance(rows, Failed):
                    raise rows
                return rows
        raise Failed("login", "refused by server", "denied", "1142")


def session(
    state: str, statement: str, seconds: str = "7", number: str = "4"
) -> list[list[str | None]]:
    """The account's own session, as the list of processes has it."""
    return [[number, seconds, state, statement]]


STANDS = "Waiting for table metadata lock"
UPDATE = "update `shop`.`orders` set name = 'from secret' where id = 1"


@pytest.mark.parametrize(
    ("own", "row_waits", "what"),
    [
        (session(STANDS, "alter table users add x int"), "0", ["users"]),
        (session(STANDS, "select 'from secret', name from users"), "0", ["users"]),
        (session("Waiting for global read lock", UPDATE), "0", ["global read lock"]),
        (session("Waiting on empty queue", ""), "0", []),
        (session("Updating", UPDATE), "1", ["orders"]),
        (session("updating", UPDATE), "0", []),
        (session("update", "insert ignore into orders values ('x')"), "2", ["orders"]),
        (session("statistics", "select * from users where id = 1 for update"), "1", ["users"]),
        (session("Sending data", "select * from users"), "1", []),
        (session("Updating", UPDATE) + session("Updating", UPDATE, number="5"), "1", []),
        (session("Updating", "update"), "1", [""]),
        ([], "3", []),
    ],
)
def test_who_waits_for_what(
    monkeypatch: pytest.MonkeyPatch, own: Any, row_waits: str, what: list[str]
) -> None:
    """A session that is at a change is only counted where so many do wait for rows. Of its
    statement, the table leaves the host and nothing else."""
    status = [["Innodb_row_lock_current_waits", row_waits], ["Threads_connected", "5"]]
    server = Server(monkeypatch, start=[], status=status, own=own)
    waits = mysql.told(server)["waits"]
    assert [wait["what"] for wait in waits] == what
    assert all((wait["pid"], wait["user"], wait["seconds"]) == (0, "", 7) for wait in waits)


def test_who_is_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the account may know it; then it is known who waits for a row as well."""
    own = session("Updating", UPDATE) + session("Updating", "update users set x = 1", number="5")
    holder = [["4", "`shop`.`orders`", "9", "boss", "10.0.0.7:5123"]]
    status = [["Innodb_row_lock_current_waits", "1"]]
    server = Server(monkeypatch, start=[], status=status, own=own, holders=holder)
    (wait,) = mysql.told(server)["waits"]
    assert (wait["what"], wait["pid"], wait["user"]) == ("orders", 9, "boss@10.0.0.7")


GRANTS = "GRANT USAGE ON *.* TO `shop`@`%`", "GRANT ALL PRIVILEGES ON `shop`.* TO `shop`@`%`"


@pytest.mark.parametrize(
    ("variables", "grants", "read_only"),
    [
        ({"read_only": "OFF"}, GRANTS, ""),
        ({"read_only": "ON"}, GRANTS, "read_only"),
        ({"read_only": "ON"}, ("GRANT SELECT, SUPER ON *.* TO `shop`@`%`",), ""),
        ({"read_only": "ON"}, ("GRANT ALL PRIVILEGES ON *.* TO `shop`@`%`",), ""),
        ({"read_only": "ON"}, ("GRANT READ_ONLY ADMIN ON *.* TO `shop`@`%`",), ""),
        ({"read_only": "ON", "super_read_only": "ON"}, ("GRANT SUPER ON *.* TO `shop`@`%`",),
         "super_read_only"),
        ({"tx_read_only": "ON"}, GRANTS, "tx_read_only"),
        ({"innodb_read_only": "ON"}, GRANTS, "innodb_read_only"),
    ],
)  # fmt: skip
def test_by_what_it_takes_no_changes(
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    grants: tuple[str, ...],
    read_only: str,
) -> None:
    """Some accounts may change what others may not."""
    values = [[name, value] for name, value in variables.items()] + [["max_connections", "151"]]
    status = [["Slave_running", "ON"], ["Threads_connected", "149"]]
    rights = [[grant] for grant in grants]
    server = Server(monkeypatch, start=[], variables=values, status=status, grants=rights)
    told = mysql.told(server)
    assert (told["read_only"], told["replica"]) == (read_only, True)
    assert (told["connections"], told["most"]) == (149, 151)


def test_a_password_that_has_expired_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The account is let in, and may do nothing."""
    expired = Failed("login", "refused by server", "You must SET PASSWORD", "1820")
    with pytest.raises(Failed, match="SET PASSWORD"):
        mysql.told(Server(monkeypatch, start=expired))


@pytest.mark.parametrize(
    "broken", [[["a"]], [["Threads_connected", "many"]], [[None]], Failed("login", "timeout")]
)
def test_what_a_server_does_not_tell_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, broken: Any
) -> None:
    """It has let the account in; what it says after that may be late, or nonsense."""
    told = mysql.told(Server(monkeypatch, start=[], variables=broken))
    assert told["waits"] == []
