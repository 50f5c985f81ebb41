"""What the control plane must not forget: where the replicas were, and what was published.

Written before it is published, so a restart never publishes less than was alive.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from mesh.identity.files import make_private_folder, write_whole
from plexus.mesh.v1.replica_pb2 import Replica

_log = logging.getLogger(__name__)

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class State:
    """The replicas as last published, and the versions of the types."""

    replicas: tuple[Replica, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)


class StateFile:
    """Keeps a State in one file, whole or absent."""

    def __init__(self, folder: Path) -> None:
        make_private_folder(folder)
        self._path = folder / "state.json"

    def load(self) -> State:
        """What was saved last; empty when nothing was, or when it cannot be read."""
        try:
            stated = json.loads(self._path.read_text(encoding="utf-8"))
            if stated["format"] != _FORMAT:
                raise ValueError("another format")
            return State(
                replicas=tuple(_replica(each) for each in stated["replicas"]),
                versions=stated["versions"],
            )
        except FileNotFoundError:
            return State()
        except (ValueError, KeyError, TypeError, json_format.ParseError) as error:
            # Replicas register again within a second: better to start without than not to start.
            _log.error("state_unreadable", extra={"cause": type(error).__name__})
            return State()

    def save(self, replicas: Iterable[Replica], versions: Mapping[str, str]) -> None:
        """Replace what is kept. Returns when it is on the disk."""
        stated = {
            "format": _FORMAT,
            "replicas": [_place(replica) for replica in replicas],
            "versions": dict(versions),
        }
        write_whole(self._path, json.dumps(stated, indent=1).encode())


def _place(replica: Replica) -> dict[str, Any]:
    kept = Replica()
    kept.CopyFrom(replica)
    # What it reported of its calls is stale the moment it is written.
    kept.ClearField("breakers")
    kept.ClearField("calls")
    kept.ClearField("journal")
    return json_format.MessageToDict(kept, preserving_proto_field_name=True)


def _replica(stated: dict[str, Any]) -> Replica:
    return json_format.ParseDict(stated, Replica(), ignore_unknown_fields=True)
