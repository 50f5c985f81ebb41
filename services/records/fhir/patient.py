"""Who a patient is: the facts of a Patient resource."""

from services.records.fhir.facts import Address, Identifier, Name, PatientFact, Telecom
from services.records.fhir.values import JsonMap, each, read_concept, read_moment, read_period

_BIRTH_SEX = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex"


def read_patient(json: JsonMap) -> PatientFact:
    """The facts of a checked Patient resource. A time of death makes `deceased` True."""
    died = read_moment(json.get("deceasedDateTime"))
    return PatientFact(
        active=json.get("active", True),
        names=each(json.get("name"), _name),
        birth_date=read_moment(json.get("birthDate")),
        gender=json.get("gender", ""),
        birth_sex=_birth_sex(json),
        identifiers=each(json.get("identifier"), _identifier),
        telecoms=each(json.get("telecom"), _telecom),
        addresses=each(json.get("address"), _address),
        deceased=True if died else json.get("deceasedBoolean"),
        deceased_at=died,
        languages=each(
            json.get("communication"), lambda entry: read_concept(entry.get("language"))
        ),
        marital_status=read_concept(json.get("maritalStatus")),
    )


def _birth_sex(json: JsonMap) -> str:
    extensions = (e for e in json.get("extension", ()) if e.get("url") == _BIRTH_SEX)
    return next((str(e.get("valueCode", "")) for e in extensions), "")


def _name(json: JsonMap) -> Name:
    return Name(
        use=json.get("use", ""),
        family=json.get("family", ""),
        given=each(json.get("given"), str),
        prefix=each(json.get("prefix"), str),
        suffix=each(json.get("suffix"), str),
        text=json.get("text", ""),
        period=read_period(json.get("period")),
    )


def _identifier(json: JsonMap) -> Identifier:
    codings = json.get("type", {}).get("coding", ())
    kind = next((str(c["code"]) for c in codings if c.get("code")), "")
    return Identifier(json.get("system", ""), json.get("value", ""), kind, json.get("use", ""))


def _telecom(json: JsonMap) -> Telecom:
    return Telecom(json.get("system", ""), json.get("value", ""), json.get("use", ""))


def _address(json: JsonMap) -> Address:
    return Address(
        use=json.get("use", ""),
        lines=each(json.get("line"), str),
        city=json.get("city", ""),
        district=json.get("district", ""),
        state=json.get("state", ""),
        postal_code=json.get("postalCode", ""),
        country=json.get("country", ""),
        text=json.get("text", ""),
    )
