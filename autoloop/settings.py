"""Settings of the platform itself, read once from the environment (``AUTOLOOP_*``)."""

from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from autoloop.core.errors import BadSpec
from autoloop.core.letter import addresses
from autoloop.core.words import Language


class Settings(BaseSettings):
    """Where the platform keeps its state, and the addresses it serves."""

    model_config = SettingsConfigDict(env_prefix="AUTOLOOP_", env_ignore_empty=True, extra="ignore")

    home: Path = Field(default_factory=lambda: Path.home() / ".local/state/autoloop")
    host: str = "127.0.0.1"
    prefect_port: int = 4210
    api_port: int = 4211
    workers: int = Field(default=4, ge=1, le=64)
    crash_retries: int = Field(default=5, ge=0)
    crash_backoff_s: float = Field(default=1.0, ge=0)
    lock_wait_s: float = 300.0
    language: Literal["en", "zh", "both"] = "both"
    smtp_host: str = ""
    smtp_port: int = Field(default=0, ge=0, le=65535)
    smtp_tls: Literal["starttls", "tls", "none"] = "starttls"
    smtp_ca: str = ""
    smtp_user: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_from: str = ""
    smtp_to: str = ""

    @field_validator("smtp_from", "smtp_to")
    @classmethod
    def _are_addresses(cls, text: str) -> str:
        return ", ".join(addresses(text))

    @model_validator(mode="after")
    def _mail_has_both_ends(self) -> Self:
        if self.smtp_host and not (self.smtp_to and (self.smtp_from or "@" in self.smtp_user)):
            raise ValueError("AUTOLOOP_SMTP_HOST needs AUTOLOOP_SMTP_FROM and AUTOLOOP_SMTP_TO")
        return self

    @property
    def languages(self) -> tuple[Language, ...]:
        """The languages that people are written to in, in this order."""
        return ("en", "zh") if self.language == "both" else (self.language,)

    @property
    def prefect_url(self) -> str:
        """The address of the Prefect API."""
        return f"http://{self.host}:{self.prefect_port}/api"

    @property
    def api_url(self) -> str:
        """The address of the product's own API."""
        return f"http://{self.host}:{self.api_port}"

    @property
    def database_url(self) -> str:
        """The ledger's database."""
        return f"sqlite:///{self.home / 'ledger.db'}"

    @property
    def reports(self) -> Path:
        """The folder of written reports."""
        return self.home / "reports"

    def prefect_environment(self) -> dict[str, str]:
        """What every Prefect process of this platform is started with."""
        return {
            "PREFECT_HOME": str(self.home / "prefect"),
            "PREFECT_API_URL": self.prefect_url,
            "PREFECT_LOCAL_STORAGE_PATH": str(self.home / "results"),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": (
                f"sqlite+aiosqlite:///{self.home / 'prefect' / 'prefect.db'}"
            ),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "PREFECT_LOGGING_EXTRA_LOGGERS": "autoloop",
            "PREFECT_CLIENT_MAX_RETRIES": "12",
            "DO_NOT_TRACK": "1",
        }


@cache
def settings() -> Settings:
    """The settings of this process.

    Raises:
        BadSpec: an environment variable has a value that cannot be; it is named, not shown.
    """
    try:
        found = Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "_".join(("AUTOLOOP", *(str(part).upper() for part in first["loc"])))
        raise BadSpec(name, str(first["msg"]), "correct that variable") from None
    found.home = found.home.expanduser().resolve()
    return found
