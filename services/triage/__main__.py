"""Runs one replica of triage: `python -m services.triage`."""

from mesh.host import run
from services.triage.service import build

if __name__ == "__main__":
    run("triage", build)
