"""POST /api/login and /api/register."""

import logging
import re

from flask import Blueprint, abort
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from bodies import json_object, text_of
from db import Session
from models import User
from security import LONGEST_PASSWORD, NOBODYS_HASH, hash_password, issue_token, password_matches

SHORTEST_PASSWORD = 8
_USERNAME = re.compile(r"[A-Za-z0-9_.-]{3,64}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")

blueprint = Blueprint("auth", __name__)
log = logging.getLogger(__name__)


@blueprint.post("/api/login")
def login() -> ResponseReturnValue:
    """Answer the right password with a token, a wrong one with 401; 403 when blocked."""
    body = json_object()
    username, password = text_of(body, "username", 64), text_of(body, "password", 256)
    user = _user_with(username, password)
    if user is None:
        log.warning("login refused for %r", username)
        abort(401, "wrong username or password")
    if user.blocked:
        log.warning("login of %r, who is blocked", username)
        abort(403, "this account is blocked")
    log.info("login of %r", username)
    return {"token": issue_token(user)}


@blueprint.post("/api/register")
def register() -> ResponseReturnValue:
    """Make a user of role `user`; 409 when the name is taken."""
    user = _user_asked_for()
    try:
        with Session.begin() as session:
            session.add(user)
    except IntegrityError:
        abort(409, "username: already taken")
    log.info("registered %r", user.username)
    shown = {"id": user.id, "username": user.username, "email": user.email, "role": user.role}
    return shown, 201


def _user_with(username: str, password: str) -> User | None:
    """The user of that name and password, if there is one."""
    with Session() as session:
        user = session.scalar(select(User).where(User.username == username))
    known_hash = user.password_hash if user else NOBODYS_HASH
    return user if password_matches(password, known_hash) else None


def _user_asked_for() -> User:
    """The user that the body describes; 400 when a field is not as it should be."""
    body = json_object()
    username, email = text_of(body, "username", 64), text_of(body, "email", 254)
    password = text_of(body, "password", LONGEST_PASSWORD)
    if not _USERNAME.fullmatch(username):
        abort(400, "username: 3 to 64 letters, digits, dots, dashes or underscores")
    if not _EMAIL.fullmatch(email):
        abort(400, "email: not an address")
    if len(password) < SHORTEST_PASSWORD or len(password.encode()) > LONGEST_PASSWORD:
        abort(400, f"password: {SHORTEST_PASSWORD} characters to {LONGEST_PASSWORD} bytes")
    return User(username=username, email=email, password_hash=hash_password(password))
