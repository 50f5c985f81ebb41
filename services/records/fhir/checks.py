"""Holding one resource to FHIR R4: its JSON form, its elements, its codes and its invariants."""

from collections.abc import Iterable, Mapping

from services.records.fhir.invariants import INVARIANTS, check_contained
from services.records.fhir.primitives import check_text
from services.records.fhir.rule_error import UNKNOWN, RuleError
from services.records.fhir.shapes import RESOURCE, Element, Shape, shape_of, shape_of_resource

JsonObject = dict[str, object]
_DEEPEST = 60  # levels; the deepest published R4 examples stay below 20
_TWIN = Element(many=False, type="Element")


class RepeatedName(JsonObject):
    """A JSON object in which a name stood twice: readers disagree about which value counts."""


def check_resource(resource: object) -> None:
    """Raises RuleError, with the path below the resource, at the first broken rule of R4."""
    if not isinstance(resource, dict):
        raise RuleError("must be a JSON object")
    _check_resource(resource, 0)
    check_contained(resource)


def is_sound(resource: object) -> bool:
    """Whether `check_resource` finds nothing wrong."""
    try:
        check_resource(resource)
    except RuleError:
        return False
    return True


def known_type(resource: object) -> str:
    """The type that a resource states, sound or not; "" if that is no type of R4."""
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    if not isinstance(kind, str):
        return ""
    try:
        shape_of_resource(kind)
    except LookupError:
        return ""
    return kind


def _check_resource(resource: JsonObject, depth: int) -> None:
    kind = resource.get("resourceType")
    if not isinstance(kind, str):
        raise RuleError("is required" if kind is None else "must be a JSON string").below(
            "resourceType"
        )
    try:
        shape = shape_of_resource(kind)
    except LookupError:
        raise RuleError("is not a resource type of FHIR R4").below("resourceType") from None
    if shape is None:
        _check_form(resource, depth)
        _check_shared(resource, depth)
    else:
        _check_object(resource, shape, depth)


def _check_shared(resource: JsonObject, depth: int) -> None:
    """The elements that every type of resource has, such as id and meta."""
    elements = shape_of("DomainResource").elements
    for name, inner in resource.items():
        if element := elements.get(name):
            try:
                _check_element(inner, element, resource, name, depth)
            except RuleError as broken:
                broken.below(name)
                raise


def _check_object(value: object, shape: Shape, depth: int) -> None:
    if not isinstance(value, dict):
        raise RuleError("must be a JSON object")
    _check_names(value, depth)
    elements = shape.elements
    for name, inner in value.items():
        element = elements.get(name)
        try:
            if element is not None:
                _check_element(inner, element, value, name, depth)
            elif name.startswith("_"):
                _check_twin(inner, elements.get(name[1:]), value.get(name[1:]), depth)
            elif not (name == "resourceType" and "implicitRules" in elements):
                raise RuleError(f"is not an element of {shape.name} in FHIR R4")
        except RuleError as broken:
            broken.below(name if _is_known(name, elements) else UNKNOWN)
            raise
    _check_presence(value, shape)
    for invariant in INVARIANTS.get(shape.name, ()):
        invariant(value)


def _is_known(name: str, elements: Mapping[str, Element]) -> bool:
    return name.removeprefix("_") in elements or name == "resourceType"


def _check_names(value: JsonObject, depth: int) -> None:
    if not value:
        raise RuleError("must not be an empty object")
    if type(value) is RepeatedName:
        raise RuleError("has the same name twice")
    if depth > _DEEPEST:
        raise RuleError(f"is nested more than {_DEEPEST} levels deep")


def _check_presence(value: JsonObject, shape: Shape) -> None:
    for group in shape.required:
        if not any(name in value or f"_{name}" in value for name in group):
            raise RuleError("is required").below(_choice_name(group))
    if len(value) > 1:
        for choice in shape.choices:
            present = [name for name in choice if name in value]
            if len(present) > 1:
                last = next(name for name in reversed(value) if name in present)
                raise RuleError("stands beside another choice of the same element").below(last)


def _choice_name(group: tuple[str, ...]) -> str:
    """The name before the type: value for valueString, valueQuantity, …"""
    if len(group) == 1:
        return group[0]
    shortest = min(group, key=len)
    length = max(i for i in range(len(shortest)) if all(n[:i] == shortest[:i] for n in group))
    return shortest[:length]


def _check_element(
    value: object, element: Element, owner: JsonObject, name: str, depth: int
) -> None:
    if not element.many:
        if isinstance(value, list):
            raise RuleError("must be a single value, not a list")
        _check_one(value, element, depth)
        return
    for index, inner in enumerate(_items(value)):
        try:
            if inner is None and element.check and _extended(owner.get(f"_{name}"), index):
                continue
            _check_one(inner, element, depth)
        except RuleError as broken:
            broken.below(index)
            raise


def _items(value: object) -> list[object]:
    if not isinstance(value, list):
        raise RuleError("must be a list")
    if not value:
        raise RuleError("must not be an empty list")
    return value


def _extended(twin: object, index: int) -> bool:
    return isinstance(twin, list) and index < len(twin) and twin[index] is not None


def _check_one(value: object, element: Element, depth: int) -> None:
    if value is None:
        raise RuleError("must not be null")
    if element.check is not None:
        element.check(value)
        if element.codes is not None and value not in element.codes:
            raise RuleError("is not one of the codes R4 allows here")
    elif element.type != RESOURCE:
        _check_object(value, shape_of(element.type), depth + 1)
    elif isinstance(value, dict):
        _check_resource(value, depth + 1)
    else:
        raise RuleError("must be a JSON object")


def _check_twin(twin: object, element: Element | None, value: object, depth: int) -> None:
    """`_birthDate` holds the id and extensions of `birthDate`, in lists position by position."""
    if element is None or element.check is None:
        raise RuleError("belongs to no primitive element")
    if not element.many:
        _check_one(twin, _TWIN, depth)
        return
    twins = _items(twin)
    if isinstance(value, list) and len(value) != len(twins):
        raise RuleError("must be as long as the list it extends")
    for index, inner in enumerate(twins):
        if inner is not None:
            try:
                _check_one(inner, _TWIN, depth)
            except RuleError as broken:
                broken.below(index)
                raise


def _check_form(value: object, depth: int) -> None:
    """The rules of FHIR's JSON that need no knowledge of the type."""
    steps: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, dict):
        _check_names(value, depth)
        steps = value.items()
    elif isinstance(value, list):
        steps = enumerate(_items(value))
    elif isinstance(value, str):
        check_text(value)
    for step, inner in steps:
        try:
            if inner is None and isinstance(step, str):
                raise RuleError("must not be null")
            _check_form(inner, depth + 1)
        except RuleError as broken:
            # Which elements there are is not known here.
            broken.below(step if isinstance(step, int) else UNKNOWN)
            raise
