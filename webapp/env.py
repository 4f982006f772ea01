"""The one reader of the environment: `PATCHWAVE_*` variables, or a `.env` file beside manage.py.

Every field here stands in deploy/env.example; a test keeps it so.
"""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

BASE = Path(__file__).resolve().parent.parent


class Env(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="PATCHWAVE_", env_file=BASE / ".env", extra="ignore", env_ignore_empty=True
    )

    home: Path = Field(default=BASE / "var", description="where all state lives")
    database_url: str = Field(
        default="", description="postgresql://…; empty: SQLite below the home"
    )
    redis_url: str = Field(
        default="", description="redis://… or unix://…; empty: the embedded Valkey"
    )
    allowed_hosts: str = Field(
        default="", description="names this site answers to, separated by commas"
    )
    url: str = Field(default="http://127.0.0.1:8000", description="the address people use")
    debug: bool = False
    worker_threads: int = Field(
        default=64, ge=1, le=2000, description="host runs at a time per worker"
    )


env = Env()
