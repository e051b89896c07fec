"""GET /api/health: does the app reach its data?"""

import logging

from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from db import Session
from models import User

blueprint = Blueprint("health", __name__)
log = logging.getLogger(__name__)


@blueprint.get("/api/health")
def health() -> ResponseReturnValue:
    """200 when a user can be loaded with all columns, else 503."""
    try:
        with Session() as session:
            session.execute(select(User).limit(1)).first()
    except SQLAlchemyError:
        log.exception("health: the database does not answer")
        return {"status": "error", "database": "error"}, 503
    return {"status": "ok", "database": "ok"}
