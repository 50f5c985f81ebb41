"""Ids: opaque, prefixed with what they name, 100 bits of randomness or of a digest."""

import hashlib
import os
from base64 import b32encode

_LENGTH = 20
_BYTES = 13


def new_id(prefix: str) -> str:
    """A fresh random id such as `pat_k3v7…`: the prefix, `_`, 20 characters of [a-z2-7]."""
    return f"{prefix}_{_readable(os.urandom(_BYTES))}"


def derived_id(prefix: str, *parts: str) -> str:
    """The one id of *parts*, in the shape of `new_id`: the same parts give the same id for ever.

    It hides nothing: whoever can guess the parts can confirm the guess. Names and record numbers
    of people are no parts.
    """
    digest = hashlib.blake2b(digest_size=_BYTES)
    for part in parts:
        content = part.encode()
        # The length keeps ("ab", "c") apart from ("a", "bc").
        digest.update(len(content).to_bytes(4, "big"))
        digest.update(content)
    return f"{prefix}_{_readable(digest.digest())}"


def _readable(content: bytes) -> str:
    return b32encode(content).decode().lower()[:_LENGTH]
