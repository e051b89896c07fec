"""An application under care, as a Prefect block."""

from typing import Any

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import Field

from autoloop.core.app import AppSpec, parse_app
from blocks.host import Host


class App(Block):
    """The contents of an ``autoloop.toml`` (secret: cases may hold passwords), and its host."""

    _block_type_name = "autoloop app"
    _block_type_slug = "autoloop-app"

    document: SecretDict = Field(description="the autoloop.toml as JSON")
    host: Host

    @classmethod
    def of(cls, spec: AppSpec) -> "App":
        """The block for a checked spec."""
        document: dict[str, Any] = spec.model_dump(mode="json")
        return cls(document=SecretDict(document), host=Host.of(spec.host))

    @property
    def spec(self) -> AppSpec:
        """The application's spec."""
        return parse_app(dict(self.document.get_secret_value()), "block of the app")
