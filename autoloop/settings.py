"""Settings of the platform itself, read once from the environment (``AUTOLOOP_*``)."""

from functools import cache
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where the platform keeps its state, and the addresses it serves."""

    model_config = SettingsConfigDict(env_prefix="AUTOLOOP_", extra="ignore")

    home: Path = Field(default_factory=lambda: Path.home() / ".local/state/autoloop")
    host: str = "127.0.0.1"
    prefect_port: int = 4210
    api_port: int = 4211
    workers: int = Field(default=4, ge=1, le=64)
    crash_retries: int = Field(default=5, ge=0)
    crash_backoff_s: float = Field(default=1.0, ge=0)
    lock_wait_s: float = 300.0

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
    """The settings of this process."""
    found = Settings()
    found.home = found.home.expanduser().resolve()
    return found
