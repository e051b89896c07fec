"""Streaks and rewards."""

from datetime import date, timedelta

import pytest

from routes import checkin
from routes.checkin import reward_for


def test_rewards_are_fibonacci_numbers():
    """The first eight rewards."""
    assert [reward_for(streak) for streak in range(1, 9)] == [1, 1, 2, 3, 5, 8, 13, 21]


def test_rewards_fit_the_column_however_long_the_streak():
    """After day 40 the reward stays level."""
    assert reward_for(10_000) == reward_for(40) < 2**31


@pytest.mark.parametrize(
    ("username", "streak", "earned"), [("lan", 7, 13), ("mei", 4, 3), ("tao", 2, 1), ("xin", 1, 1)]
)
def test_a_checkin_continues_the_streak(client, as_user, username, streak, earned):
    """The seeded streaks end yesterday; today is the next day."""
    answer = client.post("/api/checkin", headers=as_user(username))
    assert answer.status_code == 200
    assert (answer.json["streak"], answer.json["lingzhi_earned"]) == (streak, earned)


def test_a_second_checkin_on_a_day_is_a_conflict(client, as_user):
    """It earns nothing either."""
    headers = as_user("lan")
    client.post("/api/checkin", headers=headers)
    before = client.get("/api/checkin/status", headers=headers).json
    assert client.post("/api/checkin", headers=headers).status_code == 409
    assert client.get("/api/checkin/status", headers=headers).json == before


def test_the_status_tells_what_comes_next(client, as_user):
    """Before and after today's check-in; the reward told is the reward given."""
    headers = as_user("mei")
    before = client.get("/api/checkin/status", headers=headers).json
    earned = client.post("/api/checkin", headers=headers).json["lingzhi_earned"]
    after = client.get("/api/checkin/status", headers=headers).json
    assert before | {"last_checkin": ""} == {
        "checked_in_today": False,
        "streak": 3,
        "next_reward": earned,
        "lingzhi_total": 4,
        "last_checkin": "",
    }
    assert (after["checked_in_today"], after["streak"], after["next_reward"]) == (True, 4, 5)
    assert after["lingzhi_total"] == 4 + earned


def test_a_missed_day_ends_the_streak(client, as_user, monkeypatch):
    """Two days later the streak is gone and the reward is the first one."""
    headers = as_user("lan")
    later = checkin.today() + timedelta(days=2)
    monkeypatch.setattr(checkin, "today", lambda: later)
    status = client.get("/api/checkin/status", headers=headers).json
    assert (status["streak"], status["next_reward"]) == (0, 1)
    assert client.post("/api/checkin", headers=headers).json["lingzhi_earned"] == 1


def test_a_user_who_never_came_has_no_streak(client, as_user):
    """The status of a new user is all zero."""
    status = client.get("/api/checkin/status", headers=as_user("xin")).json
    assert (status["streak"], status["lingzhi_total"], status["last_checkin"]) == (0, 0, None)


def test_the_day_is_a_date():
    """`today` has no time in it, so that a day compares equal to itself."""
    assert type(checkin.today()) is date
