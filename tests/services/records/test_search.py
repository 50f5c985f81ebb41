"""Finding patients."""

import base64

import pytest

from plexus.errors import Invalid
from plexus.records.v1 import records_service_pb2 as api
from plexus.type.v1.date_pb2 import Date
from services.records.domain.names import fold
from tests.services.records.conftest import Json, RecordsServer, pat, patient

PEOPLE: list[Json] = [
    patient(
        "p1",
        name=[
            {"use": "maiden", "family": "Østergård"},
            {"use": "official", "family": "O’Néill-Mejía", "given": ["María Luisa", "Ana"]},
        ],
        birthDate="1980-02-29",
        identifier=[{"system": "http://a", "value": "7"}, {"system": "http://b", "value": "8"}],
    ),
    patient("p2", name=[{"family": "ONEILL", "given": ["Max"]}], birthDate="1980-02"),
    patient(
        "p3",
        name=[{"text": "Łukasz Żak"}],
        birthDate="1980",
        identifier=[{"system": "http://b", "value": "7"}],
    ),
    patient("p4", birthDate="1999-12-31"),
    patient("p5", name=[{"family": "李", "given": ["小龍"]}]),
]
SEARCHES: list[tuple[Json, set[str]]] = [
    ({"name": "o'neill"}, {"p1", "p2"}),
    ({"name": "oneill m"}, {"p1", "p2"}),
    ({"name": "ONÉILL MEJIA"}, {"p1"}),
    ({"name": "mejia"}, {"p1"}),
    ({"name": "maria"}, {"p1"}),
    ({"name": "luisa"}, {"p1"}),
    ({"name": "ana"}, {"p1"}),
    ({"name": "María Luisa O'Neill"}, {"p1"}),
    ({"name": "ostergard"}, {"p1"}),
    ({"name": "lukasz"}, {"p3"}),
    ({"name": "zak"}, {"p3"}),
    ({"name": "小"}, {"p5"}),
    ({"name": "neill"}, set()),
    ({"name": "o%"}, {"p1", "p2"}),
    ({"name": "_neill"}, set()),
    ({"birth_date": Date(year=1980)}, {"p1", "p2", "p3"}),
    ({"birth_date": Date(year=1980, month=2)}, {"p1", "p2"}),
    ({"birth_date": Date(year=1980, month=2, day=29)}, {"p1"}),
    ({"birth_date": Date(year=1980, month=2, day=2)}, set()),
    ({"identifier": "7"}, {"p1", "p3"}),
    ({"identifier": "7", "identifier_system": "http://b"}, {"p3"}),
    ({"identifier": "7", "birth_date": Date(year=1980, month=2)}, {"p1"}),
    ({"identifier": "7", "name": "zak"}, {"p3"}),
    ({"identifier": ""} | {"name": "max"}, {"p2"}),
]


@pytest.mark.parametrize(
    ("criteria", "expected"), SEARCHES, ids=[str(criteria) for criteria, _ in SEARCHES]
)
def test_a_search_finds_those_that_fit_every_criterion(
    local_records: RecordsServer, criteria: Json, expected: set[str]
) -> None:
    local_records.take(*PEOPLE)
    request = api.SearchPatientsRequest(**criteria)
    found = local_records.calls.call("SearchPatients", request).patients
    assert sorted(one.id for one in found) == sorted(map(pat, expected))


@pytest.mark.parametrize(
    "criteria", [{}, {"name": "  "}, {"name": "'"}, {"identifier_system": "http://a"}], ids=str
)
def test_a_search_without_criterion_is_too_broad(
    local_records: RecordsServer, criteria: Json
) -> None:
    with pytest.raises(Invalid) as refused:
        local_records.calls.call("SearchPatients", api.SearchPatientsRequest(**criteria))
    assert refused.value.reason == "SEARCH_TOO_BROAD"


def test_pages_by_family_name_then_id_leave_nobody_out_and_show_nobody_twice(
    records: RecordsServer,
) -> None:
    families = ["Öz", "oz", "Ab", "zu", "ab c", "", "É"] * 3
    people = [
        patient(f"p{i}", birthDate="1970", name=[{"family": family, "given": ["X"]}])
        if family
        else patient(f"p{i}", birthDate="1970")
        for i, family in enumerate(families)
    ]
    records.take(*people)
    paged = _pages(records, 4)
    assert [len(page) for page in paged] == [4, 4, 4, 4, 4, 1]
    listed = [(fold(family), pat(f"p{i}")) for i, family in enumerate(families)]
    assert [one for page in paged for one in page] == [one for _, one in sorted(listed)]


def test_a_page_token_reveals_nothing_and_belongs_to_its_query(
    local_records: RecordsServer,
) -> None:
    local_records.take(*PEOPLE)
    request = api.SearchPatientsRequest(name="o", page_size=1)
    token = local_records.calls.call("SearchPatients", request).next_page_token
    told = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).lower()
    assert b"neill" not in told
    other = api.SearchPatientsRequest(name="m", page_size=1, page_token=token)
    with pytest.raises(Invalid) as refused:
        local_records.calls.call("SearchPatients", other)
    assert refused.value.reason == "PAGE_TOKEN_INVALID"


def _pages(records: RecordsServer, size: int) -> list[list[str]]:
    pages: list[list[str]] = []
    request = api.SearchPatientsRequest(birth_date=Date(year=1970), page_size=size)
    while True:
        response = records.calls.call("SearchPatients", request)
        pages.append([one.id for one in response.patients])
        if not response.next_page_token:
            return pages
        request.page_token = response.next_page_token
