"""Daily check-ins: GET /api/checkin/status and POST /api/checkin.

A day is a day of UTC. The reward grows with the streak of days in a row: 1, 1, 2, 3, 5, 8, …
"""

import logging
from datetime import UTC, date, datetime, timedelta

from flask import Blueprint, abort, g
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session as OpenSession

from db import Session
from models import Checkin
from security import login_required

LONGEST_PAID_STREAK = 40  # its reward still fits a 32-bit column

blueprint = Blueprint("checkin", __name__)
log = logging.getLogger(__name__)


def reward_for(streak: int) -> int:
    """The Fibonacci number of the streak, from 1, 1, 2, 3, …; level from day 40 on."""
    previous, current = 0, 1
    for _ in range(min(streak, LONGEST_PAID_STREAK) - 1):
        previous, current = current, previous + current
    return current


def today() -> date:
    """The present day in UTC."""
    return datetime.now(UTC).date()


def last_checkin(session: OpenSession, user_id: int) -> Checkin | None:
    """The newest check-in of the user."""
    newest = select(Checkin).where(Checkin.user_id == user_id).order_by(Checkin.day.desc())
    return session.scalar(newest.limit(1))


def streak_after(last: Checkin | None, day: date) -> int:
    """How long the streak is with a check-in on `day`, which follows `last`."""
    return last.streak + 1 if last and last.day == day - timedelta(days=1) else 1


@blueprint.get("/api/checkin/status")
@login_required
def status() -> ResponseReturnValue:
    """The streak, what was earned so far and what the next check-in earns."""
    day = today()
    with Session() as session:
        last = last_checkin(session, g.user.id)
        earned = select(func.coalesce(func.sum(Checkin.lingzhi_earned), 0))
        total = session.scalar(earned.where(Checkin.user_id == g.user.id))
    done = last is not None and last.day == day
    alive = last is not None and last.day >= day - timedelta(days=1)
    next_streak = streak_after(last, day + timedelta(days=1) if done else day)
    return {
        "checked_in_today": done,
        "streak": last.streak if last and alive else 0,
        "next_reward": reward_for(next_streak),
        "lingzhi_total": int(total or 0),
        "last_checkin": last.day.isoformat() if last else None,
    }


@blueprint.post("/api/checkin")
@login_required
def checkin() -> ResponseReturnValue:
    """Check in for today; a second time on the same day is answered with 409."""
    day = today()
    try:
        with Session.begin() as session:
            streak = streak_after(last_checkin(session, g.user.id), day)
            reward = reward_for(streak)
            session.add(Checkin(user_id=g.user.id, day=day, streak=streak, lingzhi_earned=reward))
    except IntegrityError:
        abort(409, "already checked in today")
    log.info("check-in of %r: streak %d, %d earned", g.user.username, streak, reward)
    return {"day": day.isoformat(), "streak": streak, "lingzhi_earned": reward}
