"""What can go wrong in the arena. Every message reads ``<where>: <what> - <what to do next>``.

::

    ArenaError
    ├── MissingPart (RuntimeError)         the machine lacks a program or a right
    ├── ImageNotBuilt (RuntimeError)       a layer of the image could not be made
    ├── NetworkTaken (RuntimeError)        no free addresses for hosts
    ├── NoSuchHost (LookupError)           nobody of that name is there
    ├── HostInTheWay (RuntimeError)        somebody of that name is there already
    ├── HostDidNotStart (RuntimeError)     no login within the time given
    ├── HostDidNotEnd (RuntimeError)       processes of a host survive SIGKILL
    ├── CommandTimedOut (TimeoutError)     a command in a host did not end
    ├── BadFault (ValueError)              a fault's file does not say what it must
    └── JudgeFailed (RuntimeError)         the judge could not judge: no verdict
"""


class ArenaError(Exception):
    """Something the arena can name: where it happened, what it is, and what to do next."""

    def __init__(self, place: str, what: str, next_step: str) -> None:
        super().__init__(f"{place}: {what} - {next_step}")
        self.place = place
        self.what = what
        self.next_step = next_step


class MissingPart(ArenaError, RuntimeError):
    """The machine lacks a program or a right that hosts need."""


class ImageNotBuilt(ArenaError, RuntimeError):
    """A layer of the root file system could not be made."""


class NetworkTaken(ArenaError, RuntimeError):
    """No network, or no address in it, is free for another host."""


class NoSuchHost(ArenaError, LookupError):
    """There is no host of that name."""


class HostInTheWay(ArenaError, RuntimeError):
    """There is a host of that name already."""


class HostDidNotStart(ArenaError, RuntimeError):
    """The host gave no login within its time."""


class HostDidNotEnd(ArenaError, RuntimeError):
    """Processes of a host are still there after they were killed."""


class CommandTimedOut(ArenaError, TimeoutError):
    """A command in a host did not end within its time."""


class BadFault(ArenaError, ValueError):
    """A fault's file does not say what it must."""


class JudgeFailed(ArenaError, RuntimeError):
    """The judge could not reach a verdict: the arena is at fault, not the product."""
