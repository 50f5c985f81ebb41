"""What the environment tells a process. The only place that reads it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mesh.meaning import TRACE_SAMPLING


class SettingsError(Exception):
    """The environment says something that cannot be meant; the text names the variable."""

    tells_no_values = True


@dataclass(frozen=True, slots=True)
class Settings:
    """Names and places at run time. Addresses are `host:port`; an empty string is "not told".

    *certificate_lifetime* is in seconds and only the control plane heeds it; None leaves it to
    the topology. *database_url* is empty when not told: see `database_url_of`. With *chaos* the
    process heeds the orders of chaos runs in *home*. At *metrics* Prometheus is answered, port 0 being
    one that is free; *otlp_metrics* is the gRPC target that metrics are sent to. With *audit_always* no
    call is answered before its audit record is on the disk.
    """

    home: Path
    replica: str
    join_token: str
    control_plane: str
    identity: str
    trust_bundle: Path
    database_url: str
    otlp: str
    trace_sampling: float
    metrics: str
    otlp_metrics: str
    topology: Path
    reflection: bool
    certificate_lifetime: float | None
    chaos: bool
    audit: Path
    audit_always: bool

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read *environ*, by default the process's own; SettingsError when a value is unusable."""
        told = os.environ if environ is None else environ
        home = Path(told.get("PLEXUS_HOME") or ".plexus").absolute()
        bundle = told.get("PLEXUS_TRUST_BUNDLE")
        sampling = _number(told, "PLEXUS_TRACE_SAMPLING", 0.0, 1.0)
        return cls(
            home=home,
            replica=told.get("PLEXUS_REPLICA", ""),
            join_token=told.get("PLEXUS_JOIN_TOKEN", ""),
            control_plane=told.get("PLEXUS_CONTROL_PLANE", ""),
            identity=told.get("PLEXUS_IDENTITY", ""),
            trust_bundle=Path(bundle) if bundle else home / "authority" / "ca.pem",
            database_url=told.get("PLEXUS_DATABASE_URL", ""),
            otlp=told.get("PLEXUS_OTLP", ""),
            trace_sampling=TRACE_SAMPLING if sampling is None else sampling,
            metrics=_address(told, "PLEXUS_METRICS", "127.0.0.1:0"),
            otlp_metrics=told.get("PLEXUS_OTLP_METRICS", ""),
            topology=Path(told.get("PLEXUS_TOPOLOGY") or "topology.toml"),
            reflection=told.get("PLEXUS_REFLECTION") == "1",
            certificate_lifetime=_number(told, "PLEXUS_CERTIFICATE_LIFETIME", 1.0, 86400.0),
            chaos=told.get("PLEXUS_CHAOS") == "1",
            audit=Path(told.get("PLEXUS_AUDIT") or home / "audit").absolute(),
            audit_always=_one_of(told, "PLEXUS_AUDIT_SYNC", "grouped", "always") == "always",
        )

    @property
    def join_secret(self) -> Path:
        """The file whose secret signs join tokens."""
        return self.home / "join.secret"

    @property
    def authority(self) -> Path:
        """The folder of the certificate authority."""
        return self.home / "authority"

    @property
    def control_plane_state(self) -> Path:
        """The folder of what the control plane must not forget."""
        return self.home / "control-plane"

    @property
    def certificates(self) -> Path:
        """The folder of this process's own certificate, key and bundle."""
        return self.home / "certificates" / self.replica

    @property
    def port(self) -> Path:
        """The file that keeps the port this process last listened on."""
        return self.home / "ports" / self.replica

    @property
    def metrics_port(self) -> Path:
        """The file that keeps the port this process's metrics were last read at."""
        return self.home / "prometheus" / "ports" / self.replica

    def database_url_of(self, service: str) -> str:
        """The SQLAlchemy URL of *service*'s database."""
        return self.database_url or f"sqlite:///{self.home / 'data' / f'{service}.db'}"


def _address(told: Mapping[str, str], name: str, otherwise: str) -> str:
    address = told.get(name) or otherwise
    if not re.fullmatch(r"\S+:\d{1,5}", address):
        raise SettingsError(f"{name} must be host:port")
    return address


def _one_of(told: Mapping[str, str], name: str, *known: str) -> str:
    """What is told, by default the first of *known*."""
    value = told.get(name) or known[0]
    if value not in known:
        raise SettingsError(f"{name} must be {' or '.join(known)}")
    return value


def _number(told: Mapping[str, str], name: str, low: float, high: float) -> float | None:
    text = told.get(name, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise SettingsError(f"{name} must be a number from {low:g} to {high:g}") from None
    if not low <= value <= high:
        raise SettingsError(f"{name} must be from {low:g} to {high:g}")
    return value
