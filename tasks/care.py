"""Taking an application into care."""

from autoloop.core.care import about, refuse_shared
from autoloop.core.work import Work
from tasks.step import step
from tasks.target import ledger, spec_of


@step()
def check_alone(work: Work) -> None:
    """No other application under care may own what this one does.

    Raises:
        NotAllowed: one does.
    """
    refuse_shared(spec_of(work), ledger().apps())


@step()
def take_into_care(work: Work) -> None:
    """From now on it is looked at; the forms of a running platform offer it."""
    spec = spec_of(work)
    ledger().save_app(spec.name, about(spec))
