"""Asks servers on this machine for JSON."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any


def fetch(address: str, path: str, **query: str | int) -> Any:
    """The JSON at *path* of `host:port`; None when there is no such thing (404)."""
    text = urllib.parse.urlencode(query)
    url = f"http://{address}{path}{'?' if text else ''}{text}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            if refused.code == 404:
                return None
            raise AssertionError(f"{refused.code} {path}") from None
