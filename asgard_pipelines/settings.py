"""Settings from the environment. The defaults are the embedded profile: everything in one folder."""

from __future__ import annotations

import ipaddress
import os
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from asgard_pipelines.errors import InvalidSettings

CATALOG = "iceberg"
"""The catalog's name, in SQL and in PyIceberg: `SqlCatalog` rows are keyed by it."""


def _default_repo() -> Path:
    """`feature_repo` in the working directory; that directory itself when it is a repo.

    Feast's own commands run inside the repo (`cd feature_repo && feast plan`), and there the same
    settings must come out as one folder above.
    """
    return Path(".") if Path("feature_store.yaml").is_file() else Path("feature_repo")


def is_loopback(host: str | None) -> bool:
    """True for `localhost` and the addresses that only this machine can reach."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


class Settings(BaseSettings):
    """One immutable reading of the environment. `Settings.read()` gives typed errors."""

    model_config = SettingsConfigDict(
        env_prefix="ASGARD_", frozen=True, extra="ignore", validate_default=True
    )

    repo: Path = Field(
        default_factory=_default_repo,
        validation_alias=AliasChoices("ASGARD_REPO", "FEAST_REPO_PATH"),
        description="The folder of declarations.",
    )
    home: Path | None = Field(
        default=None,
        description="Where all embedded state lives. Default: `.asgard` in the project.",
    )
    catalog_uri: str | None = Field(
        default=None, description="SQL catalog's database URL. Default: SQLite in the home."
    )
    warehouse: str | None = Field(
        default=None, description="Warehouse location. Default: a folder in the home."
    )
    gold_schema: str = Field(
        default="gold",
        validation_alias=AliasChoices("ASGARD_GOLD_SCHEMA", "GOLD_SCHEMA"),
        description="The schema in which a bare table name is looked up.",
    )
    sql_engine: str = Field(default="duckdb", description="What runs SQL: `duckdb`.")
    registry_url: str | None = Field(
        default=None, description="Feast's SQL registry. Default: SQLite in the home."
    )
    online_store: str | None = Field(
        default=None,
        description="The online store: `sqlite:///PATH`, `redis://HOST:PORT/DB` (`rediss://` with TLS) or "
        "`dynamodb://REGION?endpoint=URL`. Default: SQLite in the home.",
    )
    state_url: str | None = Field(
        default=None, description="Database of Asgard's own records. Default: SQLite in the home."
    )
    mlflow_tracking_uri: str | None = Field(
        default=None,
        validation_alias=AliasChoices("ASGARD_MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_URI"),
        description="MLflow's store. Default: SQLite in the home.",
    )
    model_storage: str | None = Field(
        default=None,
        validation_alias=AliasChoices("ASGARD_MODEL_STORAGE", "MODEL_STORAGE_PATH"),
        description="Where artefacts are stored. Default: a folder in the home.",
    )
    api_host: str = Field(
        default="127.0.0.1",
        description="Address that the REST API binds to. Another than loopback needs `ASGARD_AUTH=on`.",
    )
    api_port: int = Field(default=8000, ge=1, le=65535, description="Port of the REST API.")
    auth: Literal["on", "off"] = Field(
        default="off",
        description="Whether the REST API asks for tokens. `off` is for a server bound to loopback.",
    )
    body_limit: int = Field(
        default=10_000_000, ge=1_000, description="Longest body of a request to the REST API, in bytes."
    )
    rate_limit: str = Field(
        default="6000/minute",
        pattern=r"^[1-9][0-9]{0,8}/(second|minute|hour)$",
        description="How many requests one token may send to the REST API, such as `600/minute`.",
    )
    storage_roots: str = Field(
        default="",
        description="Where `POST /api/v1/features/apply` may read Parquet: folders and addresses such as "
        "`s3://data-lake`, separated by commas; `s3://data-lake=/srv/lake` reads the one from the other.",
    )
    dagster_port: int = Field(default=3000, ge=1, le=65535, description="Port of Dagster's UI.")
    mlflow_port: int = Field(default=5000, ge=1, le=65535, description="Port of MLflow's UI.")
    online_since: date = Field(
        default=date(1990, 1, 1),
        description="First day (UTC) of the partitions by which online views are backfilled in Dagster.",
    )
    push_flush_seconds: float = Field(
        default=300,
        gt=0,
        description="How long pushed rows wait, at most, until they are appended to their table, in seconds.",
    )
    scripts: Literal["token", "open"] = Field(
        default="token",
        description="Who may upload scripts: `token`, who has one with the scope `scripts:run`, even with "
        "`ASGARD_AUTH=off`; `open`, then anybody.",
    )
    scripts_seconds: float = Field(
        default=3600, gt=0, description="How long an uploaded script may run, in seconds."
    )
    scripts_cpu_seconds: int = Field(
        default=3600, ge=1, description="Processor time that each process of a script may take, in seconds."
    )
    scripts_memory: int = Field(
        default=4_000_000_000,
        ge=100_000_000,
        description="Memory that all processes of a script may hold together, in bytes.",
    )
    scripts_disk: int = Field(
        default=1_000_000_000,
        ge=1_000_000,
        description="Size of a script's own folder, which is in memory, and of what it logs, in bytes.",
    )
    scripts_processes: int = Field(
        default=256, ge=8, description="How many processes and threads a script may have at once."
    )
    scripts_user: int = Field(
        default=64_321,
        ge=1,
        lt=2**32 - 1,
        description="The uid of scripts' processes, where Asgard runs as root; nobody else should have it.",
    )
    scripts_packages: str = Field(
        default="numpy,scipy,pandas,polars,pyarrow,duckdb,scikit-learn,xgboost,lightgbm,mlflow,feast,skops,"
        "matplotlib,pyyaml,pydantic,requests,sqlglot,joblib,threadpoolctl",
        description="What a script's `requirements` may name, separated by commas; it has to be installed.",
    )
    client_url: str = Field(
        default="",
        pattern=r"^(https?://.+)?$",
        description="Whose REST API `asgard_pipelines.client` asks, such as `https://asgard.example.com`. "
        "Empty: it reads the stores itself.",
    )
    client_token: SecretStr = Field(
        default=SecretStr(""), description="The token that `asgard_pipelines.client` sends to it."
    )
    threads: int | None = Field(
        default=None, ge=1, description="Threads for SQL and training. Default: all cores."
    )

    @field_validator("repo", "home", mode="after")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else Path(os.path.abspath(value.expanduser()))

    @field_validator("online_store", mode="after")
    @classmethod
    def _an_online_store(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("sqlite:///", "redis://", "rediss://", "dynamodb://")):
            raise ValueError(
                "it is no address of an online store; these are: sqlite:///PATH, redis://HOST:PORT/DB, "
                "rediss://HOST:PORT/DB, dynamodb://REGION?endpoint=URL"
            )
        return value

    @classmethod
    def read(cls) -> Settings:
        """The settings of this process's environment.

        Raises:
            InvalidSettings: a value that cannot be used, with the variable's name.
        """
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]) if first["loc"] else "?"
            name = name if name.isupper() else f"ASGARD_{name.upper()}"
            shown = "…" if "@" in str(first["input"]) else repr(first["input"])  # it may hold a password
            told = first["msg"].removeprefix("Value error, ")
            raise InvalidSettings(f"{name}={shown} cannot be used: {told}.", setting=name) from None

    def asks_token_for(self, scope: str) -> bool:
        """Whether the REST API does: with `ASGARD_AUTH=off` only for scripts, unless they are open to all."""
        return self.auth == "on" or (scope == "scripts:run" and self.scripts != "open")

    def require_tokens_beyond_loopback(self) -> None:
        """
        Raises:
            InvalidSettings: the REST API asks for no tokens, and other machines could reach it.
        """
        if self.auth == "off" and not is_loopback(self.api_host):
            raise InvalidSettings(
                f"ASGARD_API_HOST={self.api_host!r} can be reached by others, and ASGARD_AUTH is off: set "
                "ASGARD_AUTH=on, and make tokens with `asgard token create`.",
                setting="ASGARD_API_HOST",
            )

    @cached_property
    def api_address(self) -> str:
        """Where this machine reaches the REST API."""
        host = "127.0.0.1" if self.api_host in ("0.0.0.0", "::") else self.api_host  # noqa: S104 (not bound)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.api_port}"

    @cached_property
    def project(self) -> Path:
        """The project's folder: around a repo called `feature_repo`, else the repo itself."""
        return self.repo.parent if self.repo.name == "feature_repo" else self.repo

    @cached_property
    def state_folder(self) -> Path:
        return self.home or self.project / ".asgard"

    def _sqlite(self, name: str) -> str:
        return f"sqlite:///{self.state_folder / name}"

    @cached_property
    def catalog_properties(self) -> dict[str, str]:
        """What `pyiceberg.catalog.load_catalog("iceberg", **properties)` takes."""
        return {
            "type": "sql",
            "uri": self.catalog_uri or self._sqlite("catalog.db"),
            "warehouse": self.warehouse or f"file://{self.state_folder / 'warehouse'}",
        }

    @cached_property
    def registry_database(self) -> str:
        return self.registry_url or self._sqlite("feast_registry.db")

    @cached_property
    def online_store_url(self) -> str:
        return self.online_store or self._sqlite("online_store.db")

    @cached_property
    def state_database(self) -> str:
        return self.state_url or self._sqlite("state.db")

    @cached_property
    def tracking_uri(self) -> str:
        return self.mlflow_tracking_uri or self._sqlite("mlflow.db")

    @cached_property
    def artefact_root(self) -> str:
        return self.model_storage or str(self.state_folder / "artefacts")

    @cached_property
    def dagster_home(self) -> Path:
        return self.state_folder / "dagster"

    @cached_property
    def script_packages(self) -> list[str]:
        return [name.strip() for name in self.scripts_packages.split(",") if name.strip()]

    @cached_property
    def thread_count(self) -> int:
        return self.threads or len(os.sched_getaffinity(0))
