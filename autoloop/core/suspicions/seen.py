"""What several suspicions ask of the facts."""

import re

from autoloop.core.app import AppSpec, Component
from autoloop.core.case import CaseResult
from autoloop.core.facts import Drift, Facts
from autoloop.core.target import FileState

_EXPIRED = re.compile(
    r"(?i)(?:token|session|signature|jwt|登录|令牌|会话)[^.\n]{0,40}(?:expired|过期|失效)"
)
TURNED_AWAY = (401, 403, 419, 440)


def drift_of(facts: Facts, part: Component) -> tuple[Drift, ...]:
    """The files of *part* that are not as they were when all was well."""
    return tuple(d for d in facts.drift if d.path in part.files())


def suffers(spec: AppSpec, facts: Facts, part: Component) -> bool:
    """Whether it is *part* that is in trouble: it does not serve, or the application is not well
    although every component seems to serve."""
    if not facts.serves(part):
        return True
    return not healthy(spec, facts) and all(facts.serves(each) for each in spec.components)


def healthy(spec: AppSpec, facts: Facts) -> bool:
    """Whether the first case got the status that it asks for, and no case failed."""
    return facts.health.status == spec.cases[0].status and not facts.failing


def expired(facts: Facts) -> CaseResult | None:
    """The first case that was turned away because its login was good no more."""
    return next(
        (c for c in facts.failing if c.status in TURNED_AWAY and _EXPIRED.search(c.said)), None
    )


def only_wrong(facts: Facts) -> bool:
    """Whether all that fails was answered as if nothing were wrong, only not with what is right."""
    answered = (200 <= c.status < 400 and not c.why.startswith("took ") for c in facts.failing)
    return bool(facts.failing) and all(answered)


def named_in(log: str, keys: tuple[str, ...]) -> str:
    """The first of *keys* that the log names; the first at all when it names none."""
    return next((key for key in keys if key in log), keys[0])


def last_line(log: str, word: str) -> str:
    """The newest line of *log* with *word* in it, or nothing."""
    return next((line.strip() for line in reversed(log.splitlines()) if word in line), "")[:300]


def tail(facts: Facts, part: Component) -> list[str]:
    """The newest lines of a component's log."""
    return facts.of(part).log.splitlines()[-6:]


def runs_code(spec: AppSpec, part: Component) -> bool:
    """Whether *part* runs the code that deployments change."""
    return spec.code is not None and (not spec.code.runs or part.name in spec.code.runs)


def in_code(spec: AppSpec, path: str) -> bool:
    """Whether *path* is in the tree that deployments change."""
    return spec.code is not None and path.startswith(f"{spec.code.path}/")


def owns(spec: AppSpec, part: Component, path: str) -> bool:
    """Whether *path* is one of *part*'s files, or of the code that it runs, or of its data."""
    own = in_code(spec, path) or path in spec.data.sqlite
    return path in part.files() or (runs_code(spec, part) and own)


def same_content(drift: Drift) -> bool:
    """Whether only owner, group or mode are different."""
    good, now = drift.good, drift.now
    return good != now and (good.kind, good.sha256, good.link) == (now.kind, now.sha256, now.link)


def access(state: FileState) -> str:
    """Mode, owner and group, as numbers."""
    return f"{state.mode & 0o7777:04o} {state.uid}:{state.gid}"
