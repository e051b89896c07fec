"""Chat with the agent: POST /api/chat, GET /api/conversations[/<id>]."""

import logging
from typing import Any

from flask import Blueprint, abort, g
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select
from sqlalchemy.orm import Session as OpenSession

import settings
from bodies import json_object, text_of
from db import Session
from models import Agent, Conversation, Message
from replies import UnknownModel, reply_to
from security import login_required

AGENT = "lingzhi"
LARGEST_ID = 2**31 - 1
LONGEST_MESSAGE = 4000
LONGEST_TITLE = 60

blueprint = Blueprint("chat", __name__)
log = logging.getLogger(__name__)


@blueprint.post("/api/chat")
@login_required
def chat() -> ResponseReturnValue:
    """Answer a message and keep both; without `conversation_id` a conversation begins."""
    body = json_object()
    message = text_of(body, "message", LONGEST_MESSAGE)
    with Session.begin() as session:
        conversation = _conversation_asked_for(session, body.get("conversation_id"), message)
        reply = _reply(session, message)
        session.add(conversation)
        session.flush()
        said = Message(conversation_id=conversation.id, role="user", content=message)
        answered = Message(conversation_id=conversation.id, role="assistant", content=reply)
        session.add_all([said, answered])
    log.info("chat of %r in conversation %d", g.user.username, conversation.id)
    return {"conversation_id": conversation.id, "message_id": answered.id, "reply": reply}


@blueprint.get("/api/conversations")
@login_required
def conversations() -> ResponseReturnValue:
    """The user's conversations, newest first."""
    counted = (
        select(Conversation, func.count(Message.id))
        .outerjoin(Message)
        .where(Conversation.user_id == g.user.id)
        .group_by(Conversation.id)
        .order_by(Conversation.id.desc())
    )
    with Session() as session:
        rows = session.execute(counted).all()
    return {"conversations": [_shown(found) | {"messages": count} for found, count in rows]}


@blueprint.get(f"/api/conversations/<int(max={LARGEST_ID}):conversation_id>")
@login_required
def conversation(conversation_id: int) -> ResponseReturnValue:
    """One conversation of the user with all its messages."""
    with Session() as session:
        found = _own_conversation(session, conversation_id)
        messages = [
            {
                "id": message.id,
                "role": message.role,
                "content": message.content,
                "created_at": f"{message.created_at.isoformat()}Z",
            }
            for message in found.messages
        ]
        return _shown(found) | {"messages": messages}


def _shown(found: Conversation) -> dict[str, Any]:
    """What every answer tells of a conversation."""
    created_at = f"{found.created_at.isoformat()}Z"
    return {"id": found.id, "title": found.title, "created_at": created_at}


def _own_conversation(session: OpenSession, conversation_id: int) -> Conversation:
    """The conversation when it is the user's; 404 else, whoever's it is."""
    found = session.get(Conversation, conversation_id)
    if found is None or found.user_id != g.user.id:
        abort(404, f"no conversation {conversation_id}")
    return found


def _conversation_asked_for(session: OpenSession, asked: Any, message: str) -> Conversation:
    """The conversation of id `asked`, or a new one titled by the message when None."""
    if asked is None:
        title = " ".join(message.split())[:LONGEST_TITLE]
        return Conversation(user_id=g.user.id, title=title)
    if type(asked) is not int or not 0 < asked <= LARGEST_ID:
        abort(400, "conversation_id: not the id of a conversation")
    return _own_conversation(session, asked)


def _reply(session: OpenSession, message: str) -> str:
    """The agent's answer; 503 when no usable agent is set up."""
    agent = session.scalar(select(Agent).where(Agent.name == AGENT))
    if agent is None:
        log.error("chat: no row %r in table agents", AGENT)
        abort(503, "the agent is not available")
    try:
        return reply_to(message, agent.model_config | settings.AGENT_MODEL_CONFIG)
    except UnknownModel:
        log.exception("chat: agent %r cannot answer", AGENT)
        abort(503, "the agent is not available")
