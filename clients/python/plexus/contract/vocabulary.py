"""What is ours, and what it is written in."""

from __future__ import annotations

from typing import Final

OWN: Final = "plexus."
VOCABULARY: Final = "plexus.policy."
