"""The contracts of the platform, every method and field of them, hold what they must."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto

from plexus.contract import Contract, DataClass, assert_stated, check, data_class, load, reasons
from plexus.contract.fields import inside, pattern
from tools.comments import comments, files

ATTEMPTS, MAX_ATTEMPTS = 3, 27
PLATFORM = "plexus.type.v1.PlatformError"
REASON = re.compile(r"\b[A-Z]+(?:_[A-Z]+)+\b")


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load()


@pytest.fixture(scope="module")
def words(contracts_image: Path) -> Mapping[str, str]:
    return comments(contracts_image)


def fields(contract: Contract) -> Iterator[FieldDescriptor]:
    for message in contract.messages:
        yield from message.fields


def test_the_contracts_hold_every_proof(contract: Contract) -> None:
    violations = check(contract, attempts=ATTEMPTS, max_attempts=MAX_ATTEMPTS)
    assert not violations, "\n".join(map(str, violations))


def test_the_reader_sees_every_method_there_is(contract: Contract, contracts_image: Path) -> None:
    written = {
        f"{file.package}.{service.name}/{method.name}"
        for file in files(contracts_image)
        for service in file.service
        for method in service.method
    }
    assert set(contract.methods) == written


def test_the_reader_sees_every_field_there_is(contract: Contract, contracts_image: Path) -> None:
    written = {
        name
        for file in files(contracts_image)
        if not file.package.startswith("plexus.policy.")
        for message in file.message_type
        for name in field_names(file.package, message)
    }
    assert {field.full_name for field in fields(contract)} == written


def field_names(scope: str, message: DescriptorProto) -> Iterator[str]:
    name = f"{scope}.{message.name}"
    yield from (f"{name}.{field.name}" for field in message.field)
    for inner in message.nested_type:
        yield from field_names(name, inner)


def test_every_method_has_a_policy(contract: Contract) -> None:
    assert [path for path, method in contract.methods.items() if not method.stated] == []


def test_every_workload_may_start(contract: Contract) -> None:
    for workload in contract.workloads:
        assert_stated(contract, workload)


def test_every_field_is_classified(contract: Contract) -> None:
    silent = [f.full_name for f in fields(contract) if not data_class(f) and not inside(f)]
    assert silent == []


def test_every_method_can_be_called_by_somebody(contract: Contract) -> None:
    closed = [
        path
        for path, method in contract.methods.items()
        if not (method.scope or method.audience or contract.callers[path])
    ]
    assert closed == []


def test_every_id_in_a_request_has_a_pattern(contract: Contract) -> None:
    """Also in the messages inside a request, such as the clinic of CreateClinicRequest."""
    loose = {
        field.full_name
        for method in contract.methods.values()
        for field in reachable(method.input, set())
        if field.type == FieldDescriptor.TYPE_STRING
        and field.name.endswith(("_id", "_ids"))
        and field.name != "request_id"
        and not pattern(field)
    }
    assert sorted(loose) == []


def reachable(message: Descriptor, seen: set[str]) -> Iterator[FieldDescriptor]:
    seen.add(message.full_name)
    for field in message.fields:
        yield field
        held = inside(field)
        if held is not None and held.full_name not in seen:
            yield from reachable(held, seen)


def test_every_call_that_touches_what_is_known_of_a_person_is_audited(contract: Contract) -> None:
    """The mesh knows nothing of anybody, and what audit records travel in is the audit."""
    sensitive = {DataClass.PERSONAL, DataClass.CLINICAL, DataClass.FINANCIAL}
    for path, method in contract.methods.items():
        found = {
            data_class(field)
            for message in (method.input, method.output)
            for field in reachable(message, set())
        }
        expected = bool(found & sensitive) and method != contract.access_log
        assert method.audited == expected, path


def test_every_service_with_audited_methods_tells_its_accesses(contract: Contract) -> None:
    log = contract.access_log
    assert log is not None
    for service in contract.services:
        tells = [task for task in service.tasks if log.path in task.declared]
        audited = any(method.audited for method in service.methods)
        assert len(tells) == (audited and service.name != log.service), service.name


def test_secrets_travel_only_in_the_identity_service(contract: Contract) -> None:
    secret = {f.full_name for f in fields(contract) if data_class(f) is DataClass.SECRET}
    homes = {name.rpartition(".")[0] for name in secret}
    assert homes == {"plexus.mesh.v1.JoinMeshRequest", "plexus.mesh.v1.IssueTokenResponse"}


def test_every_reason_says_when_it_is_given(contract: Contract, words: Mapping[str, str]) -> None:
    undocumented = [
        f"{enum.full_name}.{value.name}"
        for enum in contract.error_enums
        for value in enum.values
        if not words.get(f"{enum.full_name}.{value.name}")
    ]
    assert undocumented == []


def test_every_metadata_key_of_a_platform_reason_is_explained(
    contract: Contract, words: Mapping[str, str]
) -> None:
    [enum] = [enum for enum in contract.error_enums if enum.full_name == PLATFORM]
    for number, reason in reasons(enum).items():
        comment = words[f"{PLATFORM}.{enum.values_by_number[number].name}"]
        assert all(f"`{key}`" in comment for key in reason.metadata), reason.name


def named(comment: str) -> set[str]:
    """The reasons that a method's comment says it fails with."""
    return set(REASON.findall(re.split(r"\b[Ff]ails with\b", comment, maxsplit=1)[-1]))


def reasons_by_workload(contract: Contract) -> dict[str, set[str]]:
    return {
        enum.full_name.split(".")[1]: {reason.name for reason in reasons(enum).values()}
        for enum in contract.error_enums
    }


def test_a_method_says_how_it_fails_and_with_reasons_that_exist(
    contract: Contract, words: Mapping[str, str]
) -> None:
    known = reasons_by_workload(contract)
    for path, method in contract.methods.items():
        comment = words[path]
        assert re.search(r"\b[Ff]ails (with [A-Z]|only with the platform's own)", comment), path
        assert named(comment) <= known[method.service] | known["type"], path


def test_every_reason_of_a_service_is_named_by_one_of_its_methods(
    contract: Contract, words: Mapping[str, str]
) -> None:
    known = reasons_by_workload(contract)
    for workload, services in contract.workloads.items():
        given = {r for s in services for m in s.methods for r in named(words[m.path])}
        assert sorted(known[workload] - given) == [], workload
