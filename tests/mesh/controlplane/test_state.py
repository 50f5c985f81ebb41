"""What the control plane must not forget is on the disk, whole or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from mesh.controlplane.state import State, StateFile
from plexus.mesh.v1.replica_pb2 import REPLICA_STATE_READY, Breaker, Replica

REPLICA = Replica(
    name="records-1",
    service="records",
    host="127.0.0.1",
    port=1,
    state=REPLICA_STATE_READY,
    breakers=[Breaker(method="plexus.records.v1.RecordsService/GetChart")],
)


def test_what_is_saved_is_loaded_without_what_is_stale_by_then(tmp_path: Path) -> None:
    StateFile(tmp_path).save([REPLICA], {"Cluster": "1"})
    loaded = StateFile(tmp_path).load()
    assert [(r.name, r.port, r.state) for r in loaded.replicas] == [
        ("records-1", 1, REPLICA_STATE_READY)
    ]
    assert len(loaded.replicas[0].breakers) == 0
    assert loaded.versions == {"Cluster": "1"}


def test_only_its_owner_reads_it_and_no_other_file_is_left(tmp_path: Path) -> None:
    StateFile(tmp_path).save([REPLICA], {})
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 2}', '{"format": 1}'])
def test_an_unreadable_state_is_an_empty_one(tmp_path: Path, content: str) -> None:
    file = StateFile(tmp_path)
    (tmp_path / "state.json").write_text(content)
    assert file.load() == State()
