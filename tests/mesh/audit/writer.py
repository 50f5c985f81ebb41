"""Writes records until it is killed: `writer.py HOME LENGTH`. Prints what was acknowledged."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.mesh.audit.books import Books, access


def main() -> None:
    """Never ends by itself."""
    journal = Books(Path(sys.argv[1])).journal()
    journal.open()
    patients = [f"pat_{number:08}" for number in range(int(sys.argv[2]))]
    while True:
        print(journal.append(access(patients=patients)), flush=True)


if __name__ == "__main__":
    main()
