"""What can go wrong, as types. Every message reads ``<where>: <what> - <what to do next>``.

::

    AutoloopError
    ├── BadRequest (ValueError)             1000
    ├── NotFound (LookupError)              1004
    ├── NotAllowed (PermissionError)        1003
    ├── NotSettled (RuntimeError)           1009
    ├── BadSpec (ValueError)                3000
    ├── HostUnreachable (ConnectionError)   5000
    ├── HostKeyChanged (ConnectionError)    5001
    ├── AgentLost (ConnectionError)         5002
    ├── AgentRefused (RuntimeError)         5003
    ├── DeadlineExceeded (TimeoutError)     5004
    ├── TargetBusy (RuntimeError)           5005
    ├── StaleFence (RuntimeError)           5006
    ├── HostNotReady (RuntimeError)         5007
    ├── Drifted (RuntimeError)              6000
    ├── OperationFailed (RuntimeError)      6001
    ├── RuleBroken (ValueError)             6002
    ├── BackupUnusable (RuntimeError)       8000
    └── MailNotSent (ConnectionError)       9000
"""

from typing import Any, ClassVar


class AutoloopError(Exception):
    """Something the product can name: where it happened, what it is, and what to do next."""

    code: ClassVar[int] = 1999

    def __init__(self, place: str, what: str, next_step: str = "read the log") -> None:
        super().__init__(f"{place}: {what} - {next_step}")
        self.place = place
        self.what = what
        self.next_step = next_step

    def as_json(self) -> dict[str, Any]:
        """The form in which doors hand an error out."""
        return {
            "code": self.code,
            "error": type(self).__name__,
            "place": self.place,
            "what": self.what,
            "next": self.next_step,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.place, self.what, self.next_step)


class BadRequest(AutoloopError, ValueError):
    """A request that cannot be taken as it is."""

    code = 1000


class NotAllowed(AutoloopError, PermissionError):
    """The actor may not do this."""

    code = 1003


class NotFound(AutoloopError, LookupError):
    """The thing that was named does not exist."""

    code = 1004


class NotSettled(AutoloopError, RuntimeError):
    """A step was asked for that the incident's state does not allow."""

    code = 1009


class BadSpec(AutoloopError, ValueError):
    """An application's file does not say what it must."""

    code = 3000


class HostUnreachable(AutoloopError, ConnectionError):
    """No connection to the host could be made."""

    code = 5000


class HostKeyChanged(AutoloopError, ConnectionError):
    """The host answers with another key than the one it was registered with."""

    code = 5001


class AgentLost(AutoloopError, ConnectionError):
    """The connection ended before the answer came: the outcome is unknown, ask the journal."""

    code = 5002


class AgentRefused(AutoloopError, RuntimeError):
    """The agent on the target would not, or could not, do what was asked."""

    code = 5003


class DeadlineExceeded(AutoloopError, TimeoutError):
    """No answer within the time that the call was given."""

    code = 5004


class TargetBusy(AutoloopError, RuntimeError):
    """Another run holds the target's lock."""

    code = 5005


class StaleFence(AutoloopError, RuntimeError):
    """A later holder of the lock has been here: this run must not change anything more."""

    code = 5006


class HostNotReady(AutoloopError, RuntimeError):
    """Something on the host is in the way, or is missing, that only a person may change."""

    code = 5007


class Drifted(AutoloopError, RuntimeError):
    """What is on the target is not what the plan was made for."""

    code = 6000


class OperationFailed(AutoloopError, RuntimeError):
    """A step on the target ended with an error."""

    code = 6001


class RuleBroken(AutoloopError, ValueError):
    """What was to be deployed is not as the application's rules say."""

    code = 6002


class BackupUnusable(AutoloopError, RuntimeError):
    """A backup is missing, incomplete, or does not match its own checksums."""

    code = 8000


class MailNotSent(AutoloopError, ConnectionError):
    """The mail server took a letter for nobody."""

    code = 9000
