"""Which elements each FHIR type has. The facts come from the tables of `fhir.resources`; its
validation is not used: it lets wrong codes and broken invariants pass, refuses some of what R4
allows, and repeats the offending value in its errors."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args, get_origin

from services.records.fhir.primitives import CHECKS, Check
from services.records.fhir.required_codes import REQUIRED_CODES

RESOURCE = "Resource"

# Types whose elements changed between R4 (4.0.1), which is read here, and R4B, which the tables
# describe. They are kept, and held to the rules of JSON only. Source: https://hl7.org/fhir/R4B/diff.html
_CHANGED_SINCE_R4 = frozenset(
    {
        "ActivityDefinition",
        "DeviceDefinition",
        "EffectEvidenceSynthesis",
        "Evidence",
        "EvidenceVariable",
        "MedicinalProduct",
        "MedicinalProductAuthorization",
        "MedicinalProductContraindication",
        "MedicinalProductIndication",
        "MedicinalProductIngredient",
        "MedicinalProductInteraction",
        "MedicinalProductManufactured",
        "MedicinalProductPackaged",
        "MedicinalProductPharmaceutical",
        "MedicinalProductUndesirableEffect",
        "PlanDefinition",
        "ResearchDefinition",
        "ResearchElementDefinition",
        "RiskEvidenceSynthesis",
        "Subscription",
        "SubstanceNucleicAcid",
        "SubstancePolymer",
        "SubstanceProtein",
        "SubstanceReferenceInformation",
        "SubstanceSourceMaterial",
        "SubstanceSpecification",
    }
)
_OPEN_CHOICE = 30  # a choice with more types than this is FHIR's open list, which includes Meta
_QUANTITIES = frozenset({"Age", "Count", "Distance", "Duration", "MoneyQuantity", "SimpleQuantity"})


@dataclass(frozen=True, slots=True)
class Element:
    """`check` for a primitive, otherwise `type` names the shape of a complex value."""

    many: bool
    check: Check | None = None
    type: str = ""
    codes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """`required`: groups of which one name must be there. `choices`: of which at most one may."""

    name: str
    elements: Mapping[str, Element]
    required: tuple[tuple[str, ...], ...]
    choices: tuple[frozenset[str], ...]


@cache
def shape_of_resource(resource_type: str) -> Shape | None:
    """The shape of an R4 resource; None for those held to the rules of JSON only.
    Raises LookupError if R4 has no such resource."""
    if resource_type in _CHANGED_SINCE_R4:
        return None
    shape = shape_of(resource_type)
    if "implicitRules" not in shape.elements or resource_type in ("DomainResource", RESOURCE):
        raise LookupError("not a resource")
    return shape


@cache
def shape_of(type_name: str) -> Shape:
    """The shape of a resource, data type or backbone element. Raises LookupError if unknown."""
    # Imported on first use: it costs 0.1-0.3 s, which a service should not pay to start.
    from fhir.resources.R4B import get_fhir_model_class

    try:
        fields: Mapping[str, Any] = get_fhir_model_class(type_name).model_fields
    except (ValueError, AttributeError):
        raise LookupError("not a FHIR type") from None
    elements: dict[str, Element] = {}
    required: list[tuple[str, ...]] = []
    choices: dict[str, list[str]] = {}
    needed: set[str] = set()
    for field_name, field in fields.items():
        name = field.alias or field_name
        if name.startswith("_") or name in ("fhir_comments", "resource_type"):
            continue
        extra = field.json_schema_extra or {}
        elements[name] = _element(type_name, name, field.annotation)
        group = extra.get("one_of_many")
        if group:
            choices.setdefault(group, []).append(name)
            if extra.get("one_of_many_required"):
                needed.add(group)
        elif (field.is_required() or extra.get("element_required")) and name != "div":
            # A narrative without its text is let through: it carries no clinical fact, and
            # published US Core examples have it.
            required.append((name,))
    for group, names in choices.items():
        if len(names) > _OPEN_CHOICE:
            elements[f"{group}Meta"] = Element(many=False, type="Meta")
            names.append(f"{group}Meta")
    required += [tuple(choices[group]) for group in choices if group in needed]
    return Shape(
        type_name, elements, tuple(required), tuple(frozenset(c) for c in choices.values())
    )


def _element(owner: str, name: str, annotation: Any) -> Element:
    many = False
    kind = annotation
    while not hasattr(kind, "__metadata__"):
        if get_origin(kind) is list:
            many = True
        inner = [arg for arg in get_args(kind) if arg is not type(None)]
        if not inner:
            break
        kind = inner[0]
    if kind is bool:
        return Element(many, CHECKS["Boolean"])
    for mark in getattr(kind, "__metadata__", ()):
        if check := CHECKS.get(_primitive(mark)):
            owner = "Quantity" if owner in _QUANTITIES else owner
            return Element(many, check, codes=REQUIRED_CODES.get(f"{owner}.{name}"))
    return Element(many, type=kind.__name__.removesuffix("Type"))


def _primitive(mark: object) -> str:
    name = type(mark).__name__
    return "Uuid" if name == "UuidVersion" else name
