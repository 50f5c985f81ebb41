"""Runs a module as a process that does not outlive the runtime: `child FD MODULE`.

FD is the reading end of a pipe whose writing end only the runtime holds. It never carries
anything; when the runtime is gone, however it went, the pipe ends and so does this process, at
once: everything here is made to be killed. That is all it takes on any Unix. Linux is asked to
see to it as well, since a process that was stopped (SIGSTOP) cannot watch a pipe.

A process that crashes leaves no core file: its memory is full of patients.
"""

from __future__ import annotations

import ctypes
import os
import resource
import runpy
import signal
import sys
import threading

from mesh.yielding import give_way

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Run the module named on the command line as `__main__`."""
    descriptor, module = int(sys.argv[1]), sys.argv[2]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.Thread(target=_end_with, args=(descriptor,), name="runtime", daemon=True).start()
    give_way()
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with(descriptor: int) -> None:
    while os.read(descriptor, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
