"""Fill an empty, migrated database with demo data: `python seed.py`. A second run adds nothing."""

from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session as OpenSession

from db import Session
from models import Agent, Checkin, Conversation, Message, User
from replies import reply_to
from routes.checkin import reward_for
from security import hash_password

ADMIN_PASSWORD = "admin-lingzhi-demo"
USER_PASSWORD = "user-lingzhi-demo"
QUICK_COST = 4  # demo accounts are worth no more time
AGENT = {"model": "echo-1", "persona": "Lingzhi", "max_reply_chars": 400}

# Each user's streak of check-ins, the last of them yesterday.
STREAKS = {"lan": 6, "mei": 3, "tao": 1, "yun": 4, "bo": 2, "xin": 0}

# Who said what; the answers come from the agent.
CONVERSATIONS = [
    ("lan", ["Good morning", "Which mushroom grows on a plum tree?"]),
    ("mei", ["How long is my streak?"]),
    ("tao", ["What is for lunch?", "And for dinner?", "Thank you"]),
    ("yun", ["Tell me about the forest"]),
]


def add_user(session: OpenSession, username: str, password: str, role: str) -> User | None:
    """A new user of that name, or None when there is one already."""
    if session.scalar(select(User.id).where(User.username == username)):
        return None
    user = User(
        username=username,
        email=f"{username}@lingzhi.example",
        password_hash=hash_password(password, QUICK_COST),
        role=role,
    )
    session.add(user)
    session.flush()
    return user


def add_checkins(session: OpenSession, user: User, streak: int) -> None:
    """Check-ins of the user on `streak` days in a row up to yesterday."""
    today = datetime.now(UTC).date()
    session.add_all(
        Checkin(
            user_id=user.id,
            day=today - timedelta(days=streak - nth + 1),
            streak=nth,
            lingzhi_earned=reward_for(nth),
        )
        for nth in range(1, streak + 1)
    )


def add_conversation(session: OpenSession, user: User, messages: list[str]) -> None:
    """A conversation of the user's messages, each with its answer."""
    talk = Conversation(user_id=user.id, title=messages[0])
    session.add(talk)
    session.flush()
    for message in messages:
        reply = reply_to(message, AGENT)
        for role, content in (("user", message), ("assistant", reply)):
            session.add(Message(conversation_id=talk.id, role=role, content=content))
            session.flush()


def seed(admin_password: str = ADMIN_PASSWORD, user_password: str = USER_PASSWORD) -> list[str]:
    """Add what is missing, all or nothing; the names of what was added."""
    with Session.begin() as session:
        users = {"admin": add_user(session, "admin", admin_password, "admin")}
        for username, streak in STREAKS.items():
            users[username] = user = add_user(session, username, user_password, "user")
            if user:
                add_checkins(session, user, streak)
        for username, messages in CONVERSATIONS:
            if user := users[username]:
                add_conversation(session, user, messages)
        added = [username for username, user in users.items() if user]
        if not session.scalar(select(Agent.id).where(Agent.name == "lingzhi")):
            session.add(Agent(name="lingzhi", model_config=AGENT))
            added.append("agent")
    return added


def reset(username: str, password: str) -> list[str]:
    """Let the password open the account of that name again; the names of what was changed."""
    with Session.begin() as session:
        user = session.scalar(select(User).where(User.username == username))
        if user is None:
            return []
        user.password_hash = hash_password(password, QUICK_COST)
    return [username]


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--admin-password", default=ADMIN_PASSWORD)
    parser.add_argument("--user-password", default=USER_PASSWORD)
    parser.add_argument("--reset", action="store_true", help="only give admin its password again")
    asked = parser.parse_args()
    if asked.reset:
        print("reset:", ", ".join(reset("admin", asked.admin_password)) or "nothing")
        raise SystemExit
    print("seeded:", ", ".join(seed(asked.admin_password, asked.user_password)) or "nothing new")
