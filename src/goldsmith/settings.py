"""Settings: one TOML file and the environment, validated; `goldsmith config` prints the result.

Order of precedence: command-line options, environment (`GOLDSMITH_LISTEN`, `GOLDSMITH_QEMU__MACHINE_TYPE`, …),
`goldsmith.toml` in the data folder, the defaults below.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

FILE_NAME = "goldsmith.toml"
DATABASE = "goldsmith.db"


class SimulatedSettings(BaseModel):
    """The simulated cloud: how long things take (seconds of its own clock) and how large it is."""

    model_config = ConfigDict(extra="forbid")

    speed: Annotated[float, Field(gt=0)] = 1.0
    """Seconds of the simulated clock that pass in one real second."""
    create_seconds: Annotated[float, Field(ge=0)] = 0.2
    boot_seconds: Annotated[float, Field(ge=0)] = 2.0
    command_seconds: Annotated[float, Field(ge=0)] = 0.05
    stop_seconds: Annotated[float, Field(ge=0)] = 0.5
    zones: tuple[str, ...] = ("local-1a", "local-1b", "local-1c")
    hosts_per_zone: Annotated[int, Field(ge=1, le=100)] = 2
    host_vcpus: Annotated[int, Field(ge=1)] = 4096
    host_memory_mib: Annotated[int, Field(ge=256)] = 1_048_576 * 64
    host_disk_gib: Annotated[int, Field(ge=1)] = 1_048_576 * 16


class QemuSettings(BaseModel):
    """The QEMU driver: one host, machines as processes."""

    model_config = ConfigDict(extra="forbid")

    binary: str = "qemu-system-x86_64"
    accelerator: Literal["auto", "kvm", "tcg"] = "auto"
    machine_type: str = "q35"
    zone: str = "local-1a"
    host_id: str = "local-host"
    host_vcpus: Annotated[int, Field(ge=0)] = 0
    """Virtual CPUs that may be handed out in all; 0 means eight for every CPU of the host."""
    host_memory_mib: Annotated[int, Field(ge=0)] = 0
    """Guest memory that may be handed out in all; 0 means three quarters of the host's."""
    host_disk_gib: Annotated[int, Field(ge=0)] = 0
    """Virtual disk that may be handed out in all; 0 means ten times what is free, since overlays grow on demand."""
    uid: Annotated[int, Field(ge=1)] = 61990
    """User (and group) id the machines run as when goldsmith itself runs as root."""
    isolate_network: bool = True
    """Whether guests are cut off from host and outside; their address is reserved and shown all the same."""


class WorkerSettings(BaseModel):
    """The workers inside `serve`, and those of `goldsmith worker`."""

    model_config = ConfigDict(extra="forbid")

    slots: Annotated[int, Field(ge=0, le=256)] = 16
    """Steps that run at once in this process; 0 means that other processes do the work."""
    lease_seconds: Annotated[float, Field(ge=0.5, le=300)] = 10.0
    drain_seconds: Annotated[float, Field(ge=0, le=3600)] = 20.0
    """How long steps under way may take to reach a checkpoint after SIGTERM; what is late goes on elsewhere."""
    boots_per_host: Annotated[int, Field(ge=0)] = 0
    """Machines that boot at once on one host; 0 means as many as it has CPUs (QEMU), or any number (simulated)."""
    jobs_per_project: Annotated[int, Field(ge=0)] = 0
    """Steps of one project that run at once, in all processes together; 0 is no limit."""
    guest_timeout_seconds: Annotated[float, Field(gt=0)] = 900.0
    """How long a guest may take until its agent answers."""


class EventsSettings(BaseModel):
    """The record of events, from which streams and webhooks are served."""

    model_config = ConfigDict(extra="forbid")

    keep_days: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 7.0
    keep_count: Annotated[int, Field(ge=1)] = 100_000
    """Events of all projects together, and likewise entries of delivery logs; the oldest go first."""
    streams: Annotated[int, Field(ge=1)] = 200
    """Streams open at once in this process; each takes one of `limits.connections`."""


class WebhooksSettings(BaseModel):
    """Sending events to the URLs that users name."""

    model_config = ConfigDict(extra="forbid")

    allow_private: bool = False
    """Whether webhooks may lead into this host and its networks, and be sent without TLS."""
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0
    """How long a receiver may take to answer."""
    first_retry_seconds: Annotated[float, Field(gt=0)] = 1.0
    """Pause after the first failure; it doubles with each further one."""
    longest_retry_seconds: Annotated[float, Field(gt=0)] = 3600.0
    give_up_hours: Annotated[float, Field(gt=0)] = 24.0
    """How long an event is tried while the receiver takes nothing at all."""


class LimitsSettings(BaseModel):
    """What one client may take; a rate of 0 is no limit."""

    model_config = ConfigDict(extra="forbid")

    requests_per_second: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 200.0
    """Of each credential in the long run; of each source address for requests without a good one."""
    burst: Annotated[int, Field(ge=1)] = 2000
    """Requests that may come at once."""
    logins_per_second: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 5.0
    """Of each source address in the long run."""
    login_burst: Annotated[int, Field(ge=1)] = 20
    header_seconds: Annotated[float, Field(gt=0)] = 10.0
    """How long the head of a request may take to arrive."""
    body_seconds: Annotated[float, Field(gt=0)] = 120.0
    """How long its body may take, and how long an answer may be left unread."""
    connections: Annotated[int, Field(ge=1)] = 800
    """Connections open at once; each needs one of the process's file descriptors, of which 1024 are usual."""


class Settings(BaseSettings):
    """Everything goldsmith can be told."""

    model_config = SettingsConfigDict(env_prefix="GOLDSMITH_", env_nested_delimiter="__", extra="forbid")

    data_dir: Path = Path("goldsmith-data")
    database: str = ""
    """`postgresql://USER:PASSWORD@HOST/NAME`; empty means SQLite in the data folder."""
    listen: str = "127.0.0.1:8080"
    cloud: Literal["simulated", "qemu"] = "simulated"
    region: str = "local-1"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    tls_cert: str = ""
    """File with the certificate (chain) in PEM; by default that of `goldsmith init --tls`, if there is one."""
    tls_key: str = ""
    allow_insecure_http: bool = False
    """Whether other machines may be served without TLS."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    limits: LimitsSettings = LimitsSettings()
    simulated: SimulatedSettings = SimulatedSettings()
    qemu: QemuSettings = QemuSettings()
    worker: WorkerSettings = WorkerSettings()
    events: EventsSettings = EventsSettings()
    webhooks: WebhooksSettings = WebhooksSettings()

    @field_validator("listen")
    @classmethod
    def _is_host_and_port(cls, listen: str) -> str:
        host, separator, port = listen.rpartition(":")
        if not separator or not host or not port.isdigit() or int(port) > 65535:
            raise ValueError("must be HOST:PORT, for example 127.0.0.1:8080 (port 0 picks a free one)")
        return listen

    @field_validator("database")
    @classmethod
    def _is_known_database(cls, database: str) -> str:
        if database and not database.startswith(("postgresql://", "postgres://")):
            raise ValueError("must be a URL such as postgresql://USER@HOST/NAME, or empty for SQLite")
        return database

    @property
    def database_place(self) -> Path | str:
        """The file of SQLite, or the URL of PostgreSQL; see `store.opening`."""
        return self.database or self.data_dir / DATABASE

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def file(self) -> Path:
        """The settings file of the data folder; it need not exist."""
        return self.data_dir / FILE_NAME

    @classmethod
    def load(cls, data_dir: Path, **options: Any) -> Settings:
        """Settings of this data folder; `options` that are None are left to the other sources.

        Raises pydantic's `ValidationError` with the name of the faulty setting.
        """
        given = {name: value for name, value in options.items() if value is not None}

        class FromFile(cls):  # type: ignore[misc, valid-type]
            @classmethod
            def settings_customise_sources(
                cls,
                settings_cls: type[BaseSettings],
                init_settings: PydanticBaseSettingsSource,
                env_settings: PydanticBaseSettingsSource,
                dotenv_settings: PydanticBaseSettingsSource,
                file_secret_settings: PydanticBaseSettingsSource,
            ) -> tuple[PydanticBaseSettingsSource, ...]:
                file = TomlConfigSettingsSource(settings_cls, data_dir / FILE_NAME)
                return init_settings, env_settings, file

        settings: Settings = FromFile(data_dir=data_dir, **given)
        return settings
