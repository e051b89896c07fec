"""lingzhi: check in daily, chat with the agent. `app` is what gunicorn serves."""

from flask import Flask
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

import logs
import settings
from routes import admin, auth, chat, checkin, health

LARGEST_BODY = 64 * 1024


def answer_error(error: HTTPException) -> ResponseReturnValue:
    """Every error is answered in JSON, as everything else is."""
    return {"error": error.description}, error.code or 500


def create_app() -> Flask:
    """The application with all its endpoints, logging to LINGZHI_LOG_DIR."""
    logs.write_to(settings.LOG_DIR)
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.json.sort_keys = False  # type: ignore[attr-defined]
    for module in (health, auth, checkin, chat, admin):
        app.register_blueprint(module.blueprint)
    app.register_error_handler(HTTPException, answer_error)
    app.logger.info("lingzhi started")
    return app


app = create_app()
