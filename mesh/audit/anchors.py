"""The ends of journals as the control plane was told them: what shows that a journal was cut, or is gone.

One line of JSON, signed by the control plane, replaced as a whole. Its version counts up, and journals
repeat the last version they were told, so that an older copy cannot take its place unnoticed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mesh.audit import entry
from mesh.audit.seal import SealError, Signer, check, owner
from mesh.identity.files import write_whole

FORMAT: Final = 1
FILE: Final = "anchors.json"
SIGNER: Final = "control-plane"
_SIGNED: Final = re.compile(rb'(.*),"signature":"((?:[0-9a-f]{2}){60,80})"\}\n')


class AnchorsError(ValueError):
    """The anchors are not what the control plane wrote; the text says why."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """The end of one journal."""

    service: str
    replica: str
    sequence: int
    hash: str
    closed: bool


@dataclass(frozen=True, slots=True)
class Anchors:
    """All of them, by the journals' ids."""

    version: int
    journals: Mapping[str, Anchor]


NONE: Final = Anchors(0, {})


def write(path: Path, anchors: Anchors, time: str, signer: Signer) -> None:
    """Replace what is at *path*; on the disk when it returns."""
    key = signer.take()
    stated = {
        "format": FORMAT,
        "version": anchors.version,
        "time": time,
        "journals": {
            identity: {
                "service": each.service,
                "replica": each.replica,
                "sequence": each.sequence,
                "hash": each.hash,
                "closed": each.closed,
            }
            for identity, each in sorted(anchors.journals.items())
        },
        "key": key.name,
        "certificate": key.certificate,
    }
    content = entry.body(stated)[:-1]
    write_whole(path, entry.signed(content, key.sign(content)) + b"}\n")


def read(text: bytes, root: bytes) -> Anchors:
    """What *text*, the content of a file, says; AnchorsError. *root* is the authority's certificate."""
    found = _SIGNED.fullmatch(text)
    if found is None:
        raise AnchorsError("they are not signed")
    try:
        stated = json.loads(text)
        workload, _ = owner(stated["certificate"], root)
        check(stated["certificate"], found[1], bytes.fromhex(found[2].decode()))
        if workload != SIGNER:
            raise AnchorsError(f"they are signed by {workload}")
        return _anchors(stated)
    except SealError as error:
        raise AnchorsError(str(error)) from None
    except (ValueError, KeyError, TypeError) as error:
        raise AnchorsError(f"they cannot be read: {type(error).__name__}") from None


def _anchors(stated: Mapping[str, Any]) -> Anchors:
    return Anchors(
        version=int(stated["version"]),
        journals={identity: Anchor(**each) for identity, each in stated["journals"].items()},
    )
