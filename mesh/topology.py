"""What runs in the mesh, read from topology.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

CONTROL_PLANE = "control-plane"
OPERATOR = "operator"
EDGE = "edge"
RESERVED = frozenset({CONTROL_PLANE, OPERATOR, EDGE})

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_TRUST_DOMAIN = re.compile(r"[a-z0-9._-]{1,255}")
_MAX_REPLICAS = 32


class TopologyError(Exception):
    """The topology cannot be read or says what cannot be; the text names the place."""

    tells_no_values = True


@dataclass(frozen=True, slots=True)
class ServiceTopology:
    """One service: the Python package that serves it and how many processes run it."""

    name: str
    module: str
    replicas: int


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything that runs. *certificate_lifetime* is in seconds."""

    trust_domain: str
    services: Mapping[str, ServiceTopology]
    certificate_lifetime: float

    @property
    def workloads(self) -> frozenset[str]:
        """Every name an identity of the mesh may carry."""
        return RESERVED | self.services.keys()


def load(path: Path) -> Topology:
    """Read the topology at *path*; TopologyError when it is missing or not well formed."""
    try:
        stated = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TopologyError(f"there is no topology at {path}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TopologyError(f"{path} cannot be read: {error}") from None
    try:
        return parse(stated)
    except TopologyError as error:
        raise TopologyError(f"{path}: {error}") from None


def parse(stated: Mapping[str, Any]) -> Topology:
    """Check what a topology file states."""
    _only(stated, {"trust_domain", "services", "mesh"}, "the topology")
    trust_domain = stated.get("trust_domain")
    if not isinstance(trust_domain, str) or not _TRUST_DOMAIN.fullmatch(trust_domain):
        raise TopologyError('trust_domain must be a name such as "plexus.local"')
    services = _table(stated, "services")
    mesh = _table(stated, "mesh")
    _only(mesh, {"certificate_lifetime_seconds"}, "[mesh]")
    lifetime = mesh.get("certificate_lifetime_seconds", 3600)
    if not isinstance(lifetime, int | float) or not 1 <= lifetime <= 86400:
        raise TopologyError("certificate_lifetime_seconds must be from 1 to 86400")
    return Topology(
        trust_domain=trust_domain,
        services=MappingProxyType({name: _service(name, services[name]) for name in services}),
        certificate_lifetime=float(lifetime),
    )


def _service(name: str, stated: object) -> ServiceTopology:
    where = f"services.{name}"
    if not _NAME.fullmatch(name):
        raise TopologyError(f"{where}: a name is lower-case letters, digits and hyphens")
    if name in RESERVED:
        raise TopologyError(f"{where}: the name belongs to the mesh itself")
    if not isinstance(stated, dict):
        raise TopologyError(f"{where} must be a table such as {{ replicas = 2 }}")
    _only(stated, {"replicas", "module"}, where)
    replicas = stated.get("replicas", 1)
    if type(replicas) is not int or not 0 <= replicas <= _MAX_REPLICAS:
        raise TopologyError(f"{where}: replicas must be a whole number from 0 to {_MAX_REPLICAS}")
    module = stated.get("module", f"services.{name}")
    if not isinstance(module, str) or not all(map(str.isidentifier, module.split("."))):
        raise TopologyError(f"{where}: module must be a Python module")
    return ServiceTopology(name=name, module=module, replicas=replicas)


def _table(stated: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = stated.get(key, {})
    if not isinstance(found, dict):
        raise TopologyError(f"[{key}] must be a table")
    return found


def _only(stated: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(stated.keys() - known)
    if unknown:
        raise TopologyError(f"{where} does not know {unknown[0]}; it knows {sorted(known)}")
