"""Holds the platform to its promises under a storm of kills, as Jepsen does it.

Clients work against the platform and write down what they were told; the generator says what they
do; the nemesis kills; the checker holds what was told against what is there when all is over.
The workload is that of the platform's own contracts, through generated stubs: what must hold of
bookings, claims and money is said by the contracts, and nothing here knows how a service does it.
"""

from mesh.chaos.history.run import run_history, storm
from mesh.chaos.history.verdict import Verdict

__all__ = ["Verdict", "run_history", "storm"]
