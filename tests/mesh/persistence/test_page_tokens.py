"""A page token leads to the next page of its own query, and tells nothing."""

from base64 import urlsafe_b64decode

import pytest
import sqlalchemy as sa

from mesh.persistence import Database, pages
from plexus.errors import Fault
from plexus.scheduling.v1.scheduling_service_pb2 import (
    ListClinicsRequest,
    ListPractitionersRequest,
)
from tests.mesh.persistence.clinic import effects, record

_QUERY = pages.fingerprint(ListPractitionersRequest(clinic_id="cli_aaaaaaaa", page_size=10))
_TOKEN = pages.encode(_QUERY, "pra_aaaaaaaa", 7)


def test_a_token_gives_back_its_key() -> None:
    assert pages.decode(_QUERY, _TOKEN) == ("pra_aaaaaaaa", 7)


def test_the_first_page_has_no_key() -> None:
    assert pages.decode(_QUERY, "") == ()


@pytest.mark.parametrize(
    "same",
    [
        ListPractitionersRequest(clinic_id="cli_aaaaaaaa", page_size=50),
        ListPractitionersRequest(clinic_id="cli_aaaaaaaa", page_token=_TOKEN),
    ],
    ids=["page size", "page token"],
)
def test_the_size_of_a_page_may_change_on_the_way(same: ListPractitionersRequest) -> None:
    assert pages.fingerprint(same) == _QUERY


@pytest.mark.parametrize(
    ("query", "token"),
    [
        (pages.fingerprint(ListPractitionersRequest(clinic_id="cli_bbbbbbbb")), _TOKEN),
        (pages.fingerprint(ListClinicsRequest()), _TOKEN),
        (_QUERY, _TOKEN[:-1]),
        (_QUERY, f"A{_TOKEN}"),
        (_QUERY, _TOKEN[:9] + ("A" if _TOKEN[9] != "A" else "B") + _TOKEN[10:]),
        (_QUERY, "A"),
        (_QUERY, "¤"),
        (_QUERY, "not a token"),
    ],
    ids=["other query", "other method", "cut", "longer", "altered", "short", "letters", "words"],
)
def test_a_token_of_something_else_is_refused(query: bytes, token: str) -> None:
    with pytest.raises(Fault) as refusal:
        pages.decode(query, token)
    assert refusal.value.reason.name == "PAGE_TOKEN_INVALID"


@pytest.mark.parametrize(
    "value", ["Okafor", "1970-01-01", "pat_", "", "PAT_AAAAAAAA", "pat_ö1234567"]
)
def test_a_token_carries_no_values(value: str) -> None:
    with pytest.raises(ValueError, match="ids and numbers"):
        pages.encode(_QUERY, value)


def test_a_token_holds_what_it_was_given_and_two_bytes() -> None:
    content = urlsafe_b64decode(_TOKEN + "=" * (-len(_TOKEN) % 4))
    assert content[2:] == b'["pra_aaaaaaaa",7]'


def test_pages_in_an_order_with_equal_values_show_every_row_once(clinic: Database) -> None:
    with clinic.write() as tx:
        for number in range(20):
            record(tx, f"eff_{number:08}", number % 3)
    order = (effects.c.event, effects.c.id)
    query = sa.select(effects.c.event, effects.c.id).order_by(*order)
    seen: list[tuple[int, str]] = []
    with clinic.read() as tx:
        while True:
            more = pages.after(order, effects.c.id, seen[-1][1]) if seen else sa.true()
            page = tx.execute(query.where(more).limit(6)).all()
            if not page:
                break
            seen += [(event, identity) for event, identity in page]
    assert seen == sorted((number % 3, f"eff_{number:08}") for number in range(20))
