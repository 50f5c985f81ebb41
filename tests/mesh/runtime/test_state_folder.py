"""The state folder: private, lockable, and usable however long its name is."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from mesh.runtime.errors import HomeUnusable
from mesh.runtime.home import Home


@pytest.mark.parametrize("length", [1, 200], ids=["short", "longer than a socket's path may be"])
def test_sockets_can_be_opened_in_any_state_folder(tmp_path: Path, length: int) -> None:
    home = Home.at(tmp_path / ("x" * length))
    home.make()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(home.runtime_socket))
        assert (home.path / "runtime.sock").exists()
    home.clear_sockets()
    assert not os.path.lexists(home.runtime_socket)


def test_only_its_owner_can_open_the_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    Home.at(tmp_path).make()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_one_process_holds_the_folder_at_a_time(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    home.make()
    held = home.lock()
    assert held is not None
    assert home.is_held()
    assert home.lock() is None
    os.close(held)
    assert not home.is_held()


def test_a_file_in_the_way_is_told_with_a_mend(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(HomeUnusable) as refused:
        Home.at(tmp_path / "home").make()
    assert "PLEXUS_HOME" in refused.value.mend


def test_a_short_name_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    home = Home.at(tmp_path / ("x" * 200))
    home.sockets.symlink_to(tmp_path, target_is_directory=True)
    try:
        with pytest.raises(HomeUnusable):
            home.make()
    finally:
        home.sockets.unlink()
