"""What a run leaves: the matrix in the terminal, report.json, one page of HTML, the reference page."""

from mesh.chaos.report.outcome import Outcome

__all__ = ["Outcome"]
