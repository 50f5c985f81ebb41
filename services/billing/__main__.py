"""Runs one replica of billing: `python -m services.billing`."""

from mesh.host import run
from services.billing.service import build

if __name__ == "__main__":
    run("billing", build)
