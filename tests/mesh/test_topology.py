"""A topology is read whole, or refused with the place of the mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh import topology
from mesh.topology import ServiceTopology, TopologyError


def test_a_service_is_one_line() -> None:
    found = topology.parse(
        {
            "trust_domain": "plexus.local",
            "services": {"records": {"replicas": 3}, "billing": {"module": "elsewhere.billing"}},
        }
    )
    assert found.services == {
        "records": ServiceTopology("records", "services.records", 3),
        "billing": ServiceTopology("billing", "elsewhere.billing", 1),
    }
    assert {"records", "billing", "edge", "operator"} <= found.workloads


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "trust_domain"),
        ("trust_domain = 'a b'", "trust_domain"),
        ("trust_domain = 'a'\nservice = 1", "does not know service"),
        ("trust_domain = 'a'\n[services]\nrecords = 2", "services.records must be a table"),
        ("trust_domain = 'a'\n[services]\nrecords = { replica = 2 }", "does not know replica"),
        ("trust_domain = 'a'\n[services]\nrecords = { replicas = true }", "replicas must be"),
        ("trust_domain = 'a'\n[services]\nrecords = { replicas = 99 }", "replicas must be"),
        ("trust_domain = 'a'\n[services]\nedge = {}", "belongs to the mesh"),
        ("trust_domain = 'a'\n[services]\nRecords = {}", "lower-case"),
        ("trust_domain = 'a'\n[services]\nrecords = { module = 'a-b' }", "Python module"),
        ("trust_domain = 'a'\n[mesh]\ncertificate_lifetime_seconds = 0", "from 1 to"),
        ("trust_domain = ", "cannot be read"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "topology.toml"
    path.write_text(text)
    with pytest.raises(TopologyError, match=named):
        topology.load(path)


def test_a_missing_topology_is_named(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match="there is no topology"):
        topology.load(tmp_path / "topology.toml")
