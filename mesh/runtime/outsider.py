"""Becomes a program that is not a module of ours: `outsider PATH ARGUMENT…`.

`child` runs it, and what `child` asked of Linux outlives this: the program ends with the runtime.
Elsewhere the runtime's ledger ends it when the next one starts.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - the path is the runtime's own choice
