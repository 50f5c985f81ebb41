"""Numbers with a meaning: how long, how bad, how hot, how old, and vital signs."""

import re
from dataclasses import dataclass
from enum import StrEnum

HOURS = {"minute": 1 / 60, "min": 1 / 60, "hour": 1.0, "hr": 1.0, "day": 24.0, "night": 24.0,
         "week": 168.0, "wk": 168.0, "month": 730.0, "year": 8760.0, "yr": 8760.0}  # fmt: skip
_NUMBERS = {
    "a": 1.0, "an": 1.0, "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0,
    "six": 6.0, "seven": 7.0, "eight": 8.0, "nine": 9.0, "ten": 10.0, "twelve": 12.0,
    "fifteen": 15.0, "twenty": 20.0, "thirty": 30.0, "half an": 0.5, "half a": 0.5, "couple": 2.0,
    "a couple": 2.0, "couple of": 2.0, "a couple of": 2.0, "few": 3.0, "a few": 3.0,
    "several": 4.0, "the last": 1.0, "the past": 1.0, "last": 1.0, "past": 1.0, "all": 1.0,
}  # fmt: skip
_NUMBER = r"\d+(?:\.\d+)?|" + "|".join(sorted(_NUMBERS, key=len, reverse=True))
_UNIT = r"minute|min|hour|hr|day|night|week|wk|month|year|yr"
_SPAN = re.compile(rf"(?<![\w.])({_NUMBER})\s*({_UNIT})s?\b(?!\s*(?:old|pregnant|gestation))")
_NAMED = (
    (re.compile(r"\b(?:since|from) yesterday\b|\byesterday\b"), 24.0),
    (re.compile(r"\b(?:since )?last night\b|\bovernight\b|\btonight\b"), 12.0),
    (re.compile(r"\bthis (?:morning|afternoon|evening)\b|\bsince (?:noon|lunch|breakfast)\b"), 6.0),
    (re.compile(r"\btoday\b"), 8.0),
    (re.compile(r"\bjust (?:now|started|happened|begun)\b|\bmoments ago\b"), 0.5),
    (re.compile(r"\blast week\b"), 168.0),
    (re.compile(r"\blast month\b"), 730.0),
    (re.compile(r"\bfor (?:a long time|ages|months)\b"), 2190.0),
    (re.compile(r"\b(?:last year|for years|years ago|as a (?:child|kid|teenager)|ages ago)\b"), 17520.0),
    (re.compile(r"\bfor weeks\b"), 504.0),
    (re.compile(r"\bfor days\b"), 72.0),
)  # fmt: skip
_SCORE = re.compile(r"(?<![\d/])(\d{1,2})(?:\s*/\s*10\b|\s+out of\s+(?:10|ten)\b)")
_SEVERE = re.compile(
    r"\b(?:sever\w*|terribl[ey]|awful|horribl[ey]|horrendous|excruciating|unbearable|agon\w+|"
    r"worst|extreme(?:ly)?|intense(?:ly)?|killing|crushing|splitting|pounding|really bad|very bad|"
    r"so bad|really hurts?|so much pain|insane|massive|crippling|doubled over|screaming|"
    r"hurts? (?:a lot|so much|badly))\b"
)
_MODERATE = re.compile(r"\b(?:moderate(?:ly)?|medium|fairly bad|quite bad)\b")
_MILD = re.compile(
    r"\b(?:mild(?:ly)?|slight(?:ly)?|a (?:little|tiny)|a bit|minor|not (?:too|so|that|very) bad|"
    r"low grade|bit of a)\b"
)
_SUDDEN = re.compile(r"\b(?:sudden(?:ly)?|out of nowhere|all at once|came on fast|abrupt(?:ly)?)\b")
_TEMPERATURE = re.compile(
    r"(?<![\d./])(\d{2,3}(?:\.\d{1,2})?)\s*(?:°|º|degrees?|deg)?\s*(celsius|fahrenheit|c|f)?\b(?![\d/%])"
)
_HEAT_WORD = re.compile(r"\b(?:fever\w*|temp\w*|thermometer|degrees?|burning up)\b|[°º]")
_VITALS = (
    ("oxygen", re.compile(r"\b(?:spo2|o2 sat\w*|sp02|sats?|saturation|oxygen(?: \w+)?|pulse ox\w*)"
                          r"(?: (?:is|of|at|was|level|reading|around|only|down to))*[ :=]*(\d{2,3})\b")),
    ("heart_rate", re.compile(r"\b(?:heart rate|hr|pulse)(?: (?:is|of|at|was|rate|around))*"
                              r"[ :=]*(\d{2,3})\b")),
    ("breaths", re.compile(r"\b(?:respiratory rate|rr|breathing rate)(?: (?:is|of|at|was))*"
                           r"[ :=]*(\d{1,2})\b")),
    ("pressure", re.compile(r"\b(?:bp|blood pressure)(?: (?:is|of|at|was|reading|around))*"
                            r"[ :=]*(\d{2,3})(?:\s*(?:/|over)\s*(\d{2,3}))?")),
)  # fmt: skip
_AGE = re.compile(
    rf"\b({_NUMBER})[ -]*(day|week|wk|month|mo|year|yr|y)s?[ /-]*(?:old|o\b)"
    r"|\b(?:aged?|i(?:'m| am)|he(?:'s| is)|she(?:'s| is))\s+(\d{1,3})\b"
    r"(?!\s*(?:/|weeks?|months?|minutes?|hours?|days?|kg|lbs?|%|out|st\b|stone))"
    r"|\b(\d{1,3})\s*(?:yo|y/o)\b|\b(\d{1,2})\s?(?:yo\s?)?([mf])\b(?=[\s,.:;]|$)"
)
_NEWBORN = re.compile(r"\b(?:newborn|neonate)\b")
_MONTHS = {"day": 1 / 30.4, "week": 7 / 30.4, "wk": 7 / 30.4, "month": 1.0, "mo": 1.0,
           "year": 12.0, "yr": 12.0, "y": 12.0}  # fmt: skip


class Severity(StrEnum):
    MILD = "mild"
    MODERATE = "moderate"
    SEVERE = "severe"


class Measure(StrEnum):
    DURATION = "duration"  # hours
    SEVERITY = "severity"  # 0-10
    SUDDEN = "sudden"
    TEMPERATURE = "temperature"  # degrees Celsius
    OXYGEN = "oxygen"  # percent
    HEART_RATE = "heart_rate"  # per minute
    BREATHS = "breaths"  # per minute
    SYSTOLIC = "systolic"  # mmHg
    DIASTOLIC = "diastolic"  # mmHg


@dataclass(frozen=True, slots=True)
class Quantity:
    measure: Measure
    value: float
    start: int
    end: int


def grade(score: float) -> Severity:
    """A 0-10 pain score in words: 1-3 mild, 4-6 moderate, 7-10 severe (numeric rating scale)."""
    if score >= 7:
        return Severity.SEVERE
    return Severity.MODERATE if score >= 4 else Severity.MILD


def find_quantities(text: str) -> tuple[Quantity, ...]:
    """All quantities in normalised text, in order of place."""
    vitals = _find_vitals(text)
    taken = [(each.start, each.end) for each in vitals]
    heat = [each for each in _find_temperatures(text) if not _overlaps(each, taken)]
    found = [*vitals, *heat, *_find_durations(text), *_find_severities(text)]
    found += [Quantity(Measure.SUDDEN, 1, *m.span()) for m in _SUDDEN.finditer(text)]
    return tuple(sorted(found, key=lambda each: (each.start, each.measure)))


def _overlaps(quantity: Quantity, taken: list[tuple[int, int]]) -> bool:
    return any(quantity.start < end and start < quantity.end for start, end in taken)


def number(word: str) -> float:
    return _NUMBERS[word] if word in _NUMBERS else float(word)


def _find_durations(text: str) -> list[Quantity]:
    found = [
        Quantity(Measure.DURATION, number(m[1]) * HOURS[m[2]], *m.span())
        for m in _SPAN.finditer(text)
    ]
    taken = [(each.start, each.end) for each in found]
    for pattern, hours in _NAMED:
        named = [Quantity(Measure.DURATION, hours, *m.span()) for m in pattern.finditer(text)]
        found += [each for each in named if not _overlaps(each, taken)]
    return found


def _find_severities(text: str) -> list[Quantity]:
    found = [
        Quantity(Measure.SEVERITY, min(float(m[1]), 10.0), *m.span()) for m in _SCORE.finditer(text)
    ]
    for pattern, score in ((_SEVERE, 8.0), (_MODERATE, 5.0), (_MILD, 2.0)):
        found += [Quantity(Measure.SEVERITY, score, *m.span()) for m in pattern.finditer(text)]
    return found


def _find_temperatures(text: str) -> list[Quantity]:
    near_heat = bool(_HEAT_WORD.search(text)) or len(text.split()) <= 2
    found = []
    for match in _TEMPERATURE.finditer(text):
        value, unit = float(match[1]), match[2]
        marked = unit is not None or (near_heat and "." in match[1])
        if not (marked or _follows_heat_word(text, match.start())):
            continue
        celsius = _celsius(value, unit)
        if celsius is not None:
            found.append(Quantity(Measure.TEMPERATURE, celsius, *match.span()))
    return found


def _follows_heat_word(text: str, start: int) -> bool:
    return bool(_HEAT_WORD.search(text[max(0, start - 24) : start]))


def _celsius(value: float, unit: str | None) -> float | None:
    if 94 <= value <= 110 and not (unit or "f").startswith("c"):
        return round((value - 32) * 5 / 9, 1)
    return value if 30 <= value <= 44 and not (unit or "c").startswith("f") else None


def _find_vitals(text: str) -> list[Quantity]:
    found = []
    for name, pattern in _VITALS:
        for match in pattern.finditer(text):
            if name == "pressure":
                found.append(Quantity(Measure.SYSTOLIC, float(match[1]), *match.span()))
                if match[2]:
                    found.append(Quantity(Measure.DIASTOLIC, float(match[2]), *match.span()))
            else:
                found.append(Quantity(Measure(name), float(match[1]), *match.span()))
    return found


def find_age_months(text: str) -> int | None:
    """An age said in normalised text, in whole months; None when none is said."""
    match = _AGE.search(text)
    if match is not None and match[6] and _follows_heat_word(text, match.start()):
        match = None
    if match is None:
        return 0 if _NEWBORN.search(text) else None
    if match[1]:
        return int(number(match[1]) * _MONTHS[match[2]])
    years = int(match[3] or match[4] or match[5])
    return years * 12 if years <= 120 else None
