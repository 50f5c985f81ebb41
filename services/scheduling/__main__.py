"""Runs one replica of scheduling: `python -m services.scheduling`."""

from mesh.host import run
from services.scheduling.service import build

if __name__ == "__main__":
    run("scheduling", build)
