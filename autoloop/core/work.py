"""What one run works on, small enough to be a parameter of every step."""

from autoloop.core.words import Frozen


class Work(Frozen):
    """An incident (or a deployment) of an application, and the number of the attempt."""

    id: str
    app: str
    attempt: int = 1

    def op(self, step: str) -> str:
        """The operation id of *step*: the same whenever the step runs again."""
        return f"{self.id}/{self.attempt}/{step}"

    def next(self, attempt: int) -> "Work":
        """The same work, another attempt."""
        return self.model_copy(update={"attempt": attempt})
