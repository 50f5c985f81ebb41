"""What the command shows of the contracts is what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from plexus.contract import Contract, ContractError
from plexus.contract.graph import duration, mermaid, show, tree
from tests.contracts.seeds import ONCE, Seed, compiled, requires, rpc, service, task, tries

SHOP = Seed(
    "shop",
    service(
        task('follows: "@.S/Feed"'),
        rpc("Buy", requires("@.S/Pay"), tries("@.S/Feed", 'no "news"'), level=ONCE, deadline=1500),
        rpc("Pay", level=ONCE),
        rpc("Feed", told="stream Told", deadline=600000),
        rpc("Alone", told="Nothing"),
    ),
)


@pytest.fixture(scope="module")
def shop(contracts_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return compiled([SHOP], contracts_image, tmp_path_factory.mktemp("shop"))["shop"]


def test_the_picture_tells_required_optional_and_followed_apart(shop: Contract) -> None:
    assert mermaid(shop).splitlines() == [
        "flowchart LR",
        "  subgraph shop",
        "    shop_Buy[Buy]",
        "    shop_Feed[Feed]",
        "    shop_Pay[Pay]",
        "    shop_t([t])",
        "  end",
        '  shop_Buy -. "no #quot;news#quot;" .-> shop_Feed',
        "  shop_Buy --> shop_Pay",
        "  shop_t == follows ==> shop_Feed",
    ]


def test_the_tree_lists_every_call_below_who_makes_it(shop: Contract) -> None:
    assert tree(shop).splitlines() == [
        "shop",
        "  Buy",
        '    optional  shop.Feed  (without it: no "news")',
        "    required  shop.Pay",
        "  t",
        "    follows   shop.Feed",
    ]


@pytest.mark.parametrize("name", ["shop.Feed", "plexus.shop.v1.S/Feed", "/plexus.shop.v1.S/Feed"])
def test_a_method_is_shown_by_any_of_its_names(name: str, shop: Contract) -> None:
    assert show(shop, name, attempts=3).splitlines() == [
        "plexus.shop.v1.S/Feed",
        "  file         plexus/shop/v1/seed_service.proto",
        "  deadline     10 min",
        "  criticality  routine",
        "  effects      none: it only reads",
        "  attempts     3, on UNAVAILABLE",
        "  scope        none: closed to the outside",
        "  audience     declared callers",
        "  callers      shop.Buy, shop.t",
        "  audited      no",
        "calls",
        "  none",
        "request Ask",
        "  request_id  string  operational",
        "response stream Told",
        "  degradations  repeated Degradation  operational",
        "  who           string                operational",
    ]


def test_what_may_not_be_repeated_is_tried_once(shop: Contract) -> None:
    assert "  attempts     1" in show(shop, "shop.Pay", attempts=3).splitlines()


@pytest.mark.parametrize(
    ("name", "said"),
    [("shop.Pey", r"did you mean shop\.Pay\?"), ("x", "no contract has the method x$")],
)
def test_an_unknown_method_is_answered_with_the_nearest(
    name: str, said: str, shop: Contract
) -> None:
    with pytest.raises(ContractError, match=said):
        show(shop, name, attempts=3)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.5, "500 ms"),
        (1.5, "1,500 ms"),
        (2, "2 s"),
        (90, "90 s"),
        (600, "10 min"),
        (86400, "24 h"),
    ],
)
def test_a_duration_is_told_in_its_largest_whole_unit(seconds: float, told: str) -> None:
    assert duration(seconds) == told
