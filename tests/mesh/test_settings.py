"""The environment is read in one place, with sensible silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.settings import Settings, SettingsError


def test_everything_has_its_place_below_home() -> None:
    found = Settings.read({"PLEXUS_HOME": "/h", "PLEXUS_REPLICA": "records-1"})
    assert found.trust_bundle == Path("/h/authority/ca.pem")
    assert found.certificates == Path("/h/certificates/records-1")
    assert found.database_url_of("records") == "sqlite:////h/data/records.db"
    assert (found.audit, found.audit_always) == (Path("/h/audit"), False)
    assert (found.trace_sampling, found.reflection, found.certificate_lifetime) == (
        0.01,
        False,
        None,
    )


def test_what_is_told_wins() -> None:
    found = Settings.read(
        {
            "PLEXUS_DATABASE_URL": "postgresql://db/records",
            "PLEXUS_TRUST_BUNDLE": "/ca.pem",
            "PLEXUS_TRACE_SAMPLING": "0.5",
            "PLEXUS_REFLECTION": "1",
            "PLEXUS_CERTIFICATE_LIFETIME": "8",
            "PLEXUS_AUDIT": "/audit",
            "PLEXUS_AUDIT_SYNC": "always",
        }
    )
    assert found.database_url_of("records") == "postgresql://db/records"
    assert found.trust_bundle == Path("/ca.pem")
    assert (found.audit, found.audit_always) == (Path("/audit"), True)
    assert (found.trace_sampling, found.reflection, found.certificate_lifetime) == (0.5, True, 8)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PLEXUS_TRACE_SAMPLING", "often"),
        ("PLEXUS_TRACE_SAMPLING", "2"),
        ("PLEXUS_CERTIFICATE_LIFETIME", "0"),
        ("PLEXUS_AUDIT_SYNC", "never"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.read({name: value})
