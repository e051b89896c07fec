"""Logging in, registering, and what a token opens."""

import jwt
import pytest
from sqlalchemy import text

import db
import settings


def login(client, username, password):
    """POST to /api/login."""
    return client.post("/api/login", json={"username": username, "password": password})


def test_the_right_password_gives_a_token_that_opens_the_app(client, as_user):
    """A token of a login is accepted by a protected endpoint."""
    assert client.get("/api/conversations", headers=as_user("lan")).status_code == 200


@pytest.mark.parametrize(
    ("username", "password"),
    [("lan", "wrong"), ("nobody", "user-lingzhi-demo"), ("lan", "x" * 100), ("LAN", "wrong")],
)
def test_a_wrong_name_or_password_is_refused(client, username, password):
    """The answer does not tell which of the two was wrong."""
    answer = login(client, username, password)
    assert (answer.status_code, answer.json) == (401, {"error": "wrong username or password"})


@pytest.mark.parametrize(
    "body", [None, [], {}, {"username": "lan"}, {"username": 1, "password": "x"}]
)
def test_a_login_without_both_texts_is_a_bad_request(client, body):
    """What is no JSON object with two texts never reaches the database."""
    assert client.post("/api/login", json=body).status_code == 400


def test_who_registers_can_log_in(client):
    """A new user has role user and a usable password."""
    new = {"username": "ping", "password": "long enough", "email": "ping@lingzhi.example"}
    answer = client.post("/api/register", json=new)
    assert answer.status_code == 201
    assert answer.json["role"] == "user"
    assert "password_hash" not in answer.json
    assert login(client, "ping", "long enough").status_code == 200


def test_a_username_is_taken_once(client):
    """The second user of a name is refused and the first keeps the password."""
    new = {"username": "lan", "password": "long enough", "email": "other@lingzhi.example"}
    assert client.post("/api/register", json=new).status_code == 409
    assert login(client, "lan", "user-lingzhi-demo").status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": "short"},
        {"password": "é" * 40},
        {"email": "nowhere"},
        {"username": "a b"},
        {"username": "a\x00b"},
    ],
)
def test_registering_with_a_bad_field_is_refused(client, wrong):
    """Names, addresses and passwords are checked before anything is stored."""
    new = {"username": "ping", "password": "long enough", "email": "ping@lingzhi.example"}
    assert client.post("/api/register", json=new | wrong).status_code == 400


@pytest.mark.parametrize(
    ("claims", "key"),
    [
        ({"sub": "1", "exp": 1}, settings.SECRET_KEY),
        ({"sub": "1"}, settings.SECRET_KEY),
        ({"sub": "1", "exp": 9_999_999_999}, "some other key that is long enough"),
        ({"sub": "999", "exp": 9_999_999_999}, settings.SECRET_KEY),
    ],
)
def test_expired_endless_forged_and_orphaned_tokens_are_refused(client, claims, key):
    """Only a token signed by us, with an end, of a living user is good."""
    headers = {"Authorization": f"Bearer {jwt.encode(claims, key, algorithm='HS256')}"}
    assert client.get("/api/checkin/status", headers=headers).status_code == 401


def test_who_is_blocked_is_let_in_neither_by_password_nor_by_token(client, as_user):
    """403, and only for the right password; the others still come in."""
    headers = as_user("bo")
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE users SET blocked = true WHERE username = 'bo'"))
    assert login(client, "bo", "user-lingzhi-demo").status_code == 403
    assert login(client, "bo", "wrong").status_code == 401
    assert client.get("/api/conversations", headers=headers).status_code == 403
    assert login(client, "lan", "user-lingzhi-demo").status_code == 200


@pytest.mark.parametrize("path", ["checkin/status", "conversations", "admin/users"])
def test_protected_endpoints_want_a_token(client, path):
    """Without a token the answer is 401 in JSON."""
    answer = client.get(f"/api/{path}")
    assert answer.status_code == 401
    assert "missing token" in answer.json["error"]


def test_only_admins_see_all_users(client, as_user):
    """403 for others; no answer shows a password hash."""
    assert client.get("/api/admin/users", headers=as_user("lan")).status_code == 403
    answer = client.get("/api/admin/users", headers=as_user("admin"))
    assert [user["username"] for user in answer.json["users"]][:2] == ["admin", "lan"]
    assert "$2b$" not in answer.text
