"""`python -m mesh.controlplane`: runs until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import signal
import sys

import structlog

from mesh import topology
from mesh.controlplane.resources import UnknownServiceError
from mesh.controlplane.server import ControlPlane, ListenError
from mesh.settings import Settings, SettingsError
from mesh.yielding import take_part
from observability import logs
from plexus import contract

_log = structlog.get_logger()

_MISTAKE = 2


def main() -> int:
    """Run the control plane; 0 after a clean stop, 2 when the configuration cannot be meant."""
    logs.configure(topology.CONTROL_PLANE)
    try:
        settings = Settings.read()
        _require_addresses(settings)
        stated = topology.load(settings.topology)
        asyncio.run(_run(ControlPlane(settings, stated, contract.load())))
    except (SettingsError, topology.TopologyError, UnknownServiceError, ListenError) as error:
        _log.error("cannot_start", cause=str(error))
        return _MISTAKE
    return 0


async def _run(control_plane: ControlPlane) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await control_plane.start()
    take_part()
    await stop.wait()
    await control_plane.stop()


def _require_addresses(settings: Settings) -> None:
    for name, address in (
        ("PLEXUS_CONTROL_PLANE", settings.control_plane),
        ("PLEXUS_IDENTITY", settings.identity),
    ):
        if not address.rpartition(":")[2].isdigit():
            raise SettingsError(f"{name} must be host:port")


if __name__ == "__main__":
    sys.exit(main())
