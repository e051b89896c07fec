"""What a person types into a form is kept without secrets."""

import pytest

from autoloop.core.deployment import Comparison
from autoloop.core.errors import NotAllowed
from autoloop.core.redact import HIDDEN
from autoloop.core.work import Work
from flows.forms import Answer
from tasks.approval import note_decision

COMPARED = Comparison(app="shop", source="", release="r2", changes=())
SAID = "use postgresql://shop:hunter2@db/shop, the password=hunter3"


def test_an_answer_is_redacted_as_it_comes_in() -> None:
    """Its reason and its name, also in the form that a plan stands in."""
    form = Answer.with_initial_data(description="the plan")
    for answer in (Answer(reason=SAID, actor=SAID), form(reason=SAID, actor=SAID)):
        assert "hunter" not in answer.model_dump_json()
        assert HIDDEN in answer.reason
    assert Answer(reason="not tonight", actor="kim").reason == "not tonight"


def test_why_a_deployment_was_rejected_is_told_without_secrets() -> None:
    """Whatever door the words came through."""
    with pytest.raises(NotAllowed, match="was rejected by kim: use postgresql") as refused:
        note_decision.fn(Work(id="d-1", app="shop"), COMPARED, False, f"by kim: {SAID}")
    assert "hunter" not in str(refused.value)
