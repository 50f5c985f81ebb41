"""A SPIFFE id names a workload of one trust domain, or nobody."""

from __future__ import annotations

import pytest

from mesh.identity.spiffe import spiffe_id, workload_of


def test_a_workload_is_found_in_its_own_id() -> None:
    assert workload_of(spiffe_id("plexus.local", "records"), "plexus.local") == "records"


@pytest.mark.parametrize(
    "stranger",
    [
        "",
        "records",
        "spiffe://plexus.local",
        "spiffe://plexus.local/ns/plexus/sa/",
        "spiffe://plexus.local/ns/plexus/sa/records/more",
        "spiffe://plexus.local/ns/other/sa/records",
        "spiffe://plexus.local.example/ns/plexus/sa/records",
        "https://plexus.local/ns/plexus/sa/records",
    ],
)
def test_an_id_of_another_form_or_domain_names_nobody(stranger: str) -> None:
    assert workload_of(stranger, "plexus.local") is None
