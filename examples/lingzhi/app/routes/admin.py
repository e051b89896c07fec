"""GET /api/admin/users, for admins."""

from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from db import Session
from models import User
from security import admin_required

blueprint = Blueprint("admin", __name__)


@blueprint.get("/api/admin/users")
@admin_required
def users() -> ResponseReturnValue:
    """All users, without their password hashes."""
    with Session() as session:
        found = session.scalars(select(User).order_by(User.id)).all()
    return {
        "users": [
            {
                "id": user.id,
                "username": user.username,
                "email": user.email,
                "role": user.role,
                "created_at": f"{user.created_at.isoformat()}Z",
            }
            for user in found
        ]
    }
