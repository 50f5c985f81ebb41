"""What the waterfall leaves out."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from bench.peers import layers

STACKS = [("plexus.client.channel", "UNARY"), ("mesh.server.stack", "STACK")]


@pytest.mark.parametrize(("module", "name"), STACKS)
def test_a_variant_lacks_one_layer_and_afterwards_the_stack_is_whole(
    module: str, name: str
) -> None:
    found: Any = importlib.import_module(module)
    whole = getattr(found, name)
    names = [layer.__name__ for layer in whole]
    for layer in set(names) - {"parse"}:
        with layers.composed(found, name, layer):
            assert [one.__name__ for one in getattr(found, name)] == [
                n for n in names if n != layer
            ]
    with layers.composed(found, name, layers.NO_LAYERS):
        assert [one.__name__ for one in getattr(found, name)] == [n for n in names if n == "parse"]
    assert getattr(found, name) is whole
