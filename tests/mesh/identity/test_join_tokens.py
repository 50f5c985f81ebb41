"""A join token proves which workload a process is, to the mesh that minted it, for a while."""

from __future__ import annotations

import stat
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mesh.identity.join import JoinTokenError, mint, secret_at, verify

SECRET = b"0" * 32
GOOD = mint(SECRET, "records", "records-1", lifetime=86400)
FORGED = urlsafe_b64encode(b'{"workload":"operator","name":"x","expires":9e9}').decode()


def test_a_token_states_the_workload_and_the_process() -> None:
    assert verify(SECRET, GOOD) == ("records", "records-1")


@pytest.mark.parametrize(
    ("token", "why"),
    [
        pytest.param("", "not signed", id="empty"),
        pytest.param("a.b", "malformed", id="not base64"),
        pytest.param(GOOD.partition(".")[0], "not signed", id="unsigned"),
        pytest.param(f"{FORGED}.{GOOD.partition('.')[2]}", "not signed", id="another payload"),
        pytest.param(mint(b"1" * 32, "records", "x", 60), "not signed", id="another secret"),
        pytest.param(mint(SECRET, "records", "x", -1), "expired", id="expired"),
    ],
)
def test_a_token_that_is_not_good_is_refused(token: str, why: str) -> None:
    with pytest.raises(JoinTokenError, match=why):
        verify(SECRET, token)


def test_many_processes_that_start_at_once_agree_on_one_secret(tmp_path: Path) -> None:
    path = tmp_path / "home" / "join.secret"
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: secret_at(path), range(8)))
    assert len(secrets) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
