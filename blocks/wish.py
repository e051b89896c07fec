"""What a change asks for, as a Prefect block: settings may be secrets, so no run's parameter."""

from typing import Any

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import Field


class Wish(Block):
    """Settings by name. It lives as long as the change that it belongs to."""

    _block_type_name = "autoloop wish"
    _block_type_slug = "autoloop-wish"

    settings: SecretDict = Field(description="values by the names of the settings")

    @classmethod
    def of(cls, settings: dict[str, str]) -> "Wish":
        """The block for *settings*."""
        values: dict[str, Any] = dict(settings)
        return cls(settings=SecretDict(values))

    def values(self) -> dict[str, str]:
        """The settings."""
        return {key: str(value) for key, value in self.settings.get_secret_value().items()}
