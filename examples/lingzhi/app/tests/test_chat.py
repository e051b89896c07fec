"""Chatting, and whose conversations one sees."""

import pytest
from sqlalchemy import delete, update

import settings
from db import Session
from models import Agent


def say(client, headers, message, **more):
    """POST to /api/chat."""
    return client.post("/api/chat", json={"message": message, **more}, headers=headers)


def test_a_message_is_answered_and_both_are_kept(client, as_user):
    """The conversation shows the message and the answer in order."""
    headers = as_user("xin")
    answer = say(client, headers, "hello  forest").json
    assert answer["reply"] == "Lingzhi: I heard you say: hello forest"
    shown = client.get(f"/api/conversations/{answer['conversation_id']}", headers=headers).json
    assert [message["role"] for message in shown["messages"]] == ["user", "assistant"]
    assert shown["messages"][0]["content"] == "hello  forest"
    assert shown["messages"][1]["id"] == answer["message_id"]


def test_a_conversation_goes_on(client, as_user):
    """With its id a message joins the conversation instead of beginning another."""
    headers = as_user("xin")
    first = say(client, headers, "one").json["conversation_id"]
    assert say(client, headers, "two", conversation_id=first).json["conversation_id"] == first
    listed = client.get("/api/conversations", headers=headers).json["conversations"]
    assert [(item["id"], item["title"], item["messages"]) for item in listed] == [(first, "one", 4)]


def test_nobody_reads_or_joins_the_conversations_of_others(client, as_user):
    """Another user's conversation looks as if it were not there."""
    lans = client.get("/api/conversations", headers=as_user("lan")).json["conversations"][0]["id"]
    headers = as_user("mei")
    assert client.get(f"/api/conversations/{lans}", headers=headers).status_code == 404
    assert say(client, headers, "hi", conversation_id=lans).status_code == 404


@pytest.mark.parametrize("asked", ["1", True, 0, -1, 2**70, 1.5])
def test_what_is_no_conversation_id_is_refused(client, as_user, asked):
    """Only whole numbers in the range of the column are looked up."""
    assert say(client, as_user("lan"), "hi", conversation_id=asked).status_code == 400


@pytest.mark.parametrize("path", ["999", str(2**70), "x"])
def test_an_unknown_conversation_is_not_found(client, as_user, path):
    """404 in JSON."""
    answer = client.get(f"/api/conversations/{path}", headers=as_user("lan"))
    assert answer.status_code == 404
    assert answer.json["error"]


@pytest.mark.parametrize("message", ["", "   ", None, 5, "x" * 4001, "a\x00b", "\ud800"])
def test_what_is_no_message_is_refused(client, as_user, message):
    """Empty, too long or not storable."""
    assert say(client, as_user("lan"), message).status_code == 400


def test_without_an_agent_the_chat_is_unavailable_and_stores_nothing(client, as_user):
    """503, and no half conversation."""
    headers = as_user("xin")
    with Session.begin() as session:
        session.execute(delete(Agent))
    assert say(client, headers, "hi").status_code == 503
    assert client.get("/api/conversations", headers=headers).json == {"conversations": []}


def test_an_unknown_model_is_told_in_the_log(client, as_user, log_file):
    """503 outside, the traceback with the model's name in app.log."""
    with Session.begin() as session:
        session.execute(update(Agent).values(model_config={"model": "nope-9"}))
    assert say(client, as_user("xin"), "hi").status_code == 503
    assert "UnknownModel: model 'nope-9' is not known" in log_file.read_text()


def test_settings_of_the_environment_win_over_the_row(client, as_user, monkeypatch):
    """AGENT_MODEL_CONFIG overrides single keys."""
    monkeypatch.setattr(settings, "AGENT_MODEL_CONFIG", {"persona": "Ling", "max_reply_chars": 8})
    assert say(client, as_user("xin"), "hi").json["reply"] == "Ling: I "
