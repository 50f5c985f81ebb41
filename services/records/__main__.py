"""Runs one replica of records: `python -m services.records`."""

from mesh.host import run
from services.records.service import build

if __name__ == "__main__":
    run("records", build)
