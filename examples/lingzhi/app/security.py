"""Passwords (bcrypt), tokens (JWT) and who may call a view."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import bcrypt
import jwt
from flask import abort, g, request

import settings
from db import Session
from models import User

LONGEST_PASSWORD = 72  # bytes; bcrypt takes no more
_ALGORITHM = "HS256"
# Compared with when there is no such user, so that the answer takes as long.
NOBODYS_HASH = "$2b$10$druCLMHcQNUv5VImj8aphu5QxbuX8jkk8yPJUdgOTA3IYPbx53Tni"

View = Callable[..., Any]


def hash_password(password: str, cost: int = 10) -> str:
    """The bcrypt hash of a password of at most 72 bytes; `cost` is log2 of the rounds."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


def password_matches(password: str, password_hash: str) -> bool:
    """Whether the password is the one that was hashed."""
    given = password.encode()
    return len(given) <= LONGEST_PASSWORD and bcrypt.checkpw(given, password_hash.encode())


def issue_token(user: User) -> str:
    """A signed token for the user, good for JWT_TTL_S seconds."""
    now = int(time.time())
    claims = {
        "sub": str(user.id),
        "username": user.username,
        "role": user.role,
        "iat": now,
        "exp": now + settings.JWT_TTL_S,
    }
    return jwt.encode(claims, settings.SECRET_KEY, algorithm=_ALGORITHM)


def _user_of_request() -> User:
    """The user whose token came with the request; aborts when there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        abort(401, "missing token: send 'Authorization: Bearer <token>'")
    try:
        claims = jwt.decode(
            token.strip(),
            settings.SECRET_KEY,
            algorithms=[_ALGORITHM],
            options={"require": ["sub", "exp"]},
        )
    except jwt.ExpiredSignatureError:
        abort(401, "token expired: log in again")
    except jwt.InvalidTokenError:
        abort(401, "invalid token: log in again")
    with Session() as session:
        user = session.get(User, int(claims["sub"]))
    if user is None:
        abort(401, "unknown user: log in again")
    if user.blocked:
        abort(403, "this account is blocked")
    return user


def login_required(view: View) -> View:
    """Let only callers with a valid token through; the view finds them in `g.user`."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        g.user = _user_of_request()
        return view(*args, **kwargs)

    return guarded


def admin_required(view: View) -> View:
    """Let only users of role admin through; 403 for the others."""

    @login_required
    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if g.user.role != "admin":
            abort(403, "only for admins")
        return view(*args, **kwargs)

    return guarded
