"""Ways to tamper with journals, drawn from a seed. Each is one act of somebody who can write files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import NamedTuple

from mesh.audit import entry
from mesh.audit.examine import Content, examine
from mesh.audit.verdict import Verdict
from mesh.audit.verify import Evidence, Place, Report, verify

Lines = list[bytes]


class Tamper(NamedTuple):
    """What was done, in a word, and what is there now."""

    kind: str
    evidence: Evidence


def tampers(evidence: Evidence, seed: int, count: int) -> Iterator[Tamper]:
    """So many, each on the untouched *evidence*, and each a real change."""
    chance = Random(seed)
    kinds = sorted(_KINDS)
    made = 0
    while made < count:
        kind = kinds[made % len(kinds)]
        changed = _KINDS[kind](evidence, chance)
        if changed is not None and _differs(changed, evidence):
            made += 1
            yield Tamper(kind, changed)


class Quick:
    """Verifies many variants of one evidence: what was not touched is examined once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Content, object, Verdict]] = {}

    def verify(self, evidence: Evidence) -> Report:
        return verify(evidence, self._look)

    def _look(self, place: Place, content: Content, **known: object) -> Verdict:
        found = self._known.get(id(content))
        if found is None or found[0] is not content or found[1] != known["anchor"]:
            verdict = examine(place, content, **known)  # type: ignore[arg-type]
            found = self._known[id(content)] = (content, known["anchor"], verdict)
        return found[2]


def _differs(changed: Evidence, evidence: Evidence) -> bool:
    return (changed.journals, changed.anchors) != (evidence.journals, evidence.anchors)


def _with(evidence: Evidence, place: Place, content: Content) -> Evidence:
    return replace(evidence, journals={**evidence.journals, place: content})


def _place(evidence: Evidence, chance: Random) -> Place:
    return chance.choice(sorted(evidence.journals))


def _in_lines(change: Callable[[Lines, Random], Sequence[bytes] | None]) -> Act:
    """An act on the lines of one file."""

    def act(evidence: Evidence, chance: Random) -> Evidence | None:
        place = _place(evidence, chance)
        content = list(evidence.journals[place])
        number = chance.randrange(len(content))
        name, text = content[number]
        changed = change(text.splitlines(keepends=True), chance)
        if changed is None:
            return None
        content[number] = (name, b"".join(changed))
        return _with(evidence, place, content)

    return act


Act = Callable[[Evidence, Random], Evidence | None]


def _edit_a_byte(evidence: Evidence, chance: Random) -> Evidence:
    place = _place(evidence, chance)
    content = list(evidence.journals[place])
    number = chance.randrange(len(content))
    name, text = content[number]
    content[number] = (name, _flipped(text, chance))
    return _with(evidence, place, content)


def _edit_the_anchors(evidence: Evidence, chance: Random) -> Evidence:
    return replace(evidence, anchors=_flipped(evidence.anchors or b"", chance))


def _flipped(text: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(text))
    return text[:at] + bytes([text[at] ^ chance.randrange(1, 256)]) + text[at + 1 :]


def _delete_lines(lines: Lines, chance: Random) -> Lines:
    start = chance.randrange(len(lines))
    return lines[:start] + lines[start + chance.randint(1, 5) :]


def _delete_a_checkpoint(lines: Lines, chance: Random) -> Lines | None:
    signed = [n for n, line in enumerate(lines) if b'"signature"' in line]
    if not signed:
        return None
    gone = chance.choice(signed)
    return lines[:gone] + lines[gone + 1 :]


def _delete_a_file(evidence: Evidence, chance: Random) -> Evidence:
    place = _place(evidence, chance)
    content = list(evidence.journals[place])
    del content[chance.randrange(len(content))]
    return _with(evidence, place, content)


def _delete_a_journal(evidence: Evidence, chance: Random) -> Evidence:
    gone = _place(evidence, chance)
    kept = {place: each for place, each in evidence.journals.items() if place != gone}
    return replace(evidence, journals=kept)


def _delete_the_anchors(evidence: Evidence, chance: Random) -> Evidence:
    return replace(evidence, anchors=None)


def _swap_lines(lines: Lines, chance: Random) -> Lines | None:
    if len(lines) < 2:
        return None
    one, other = chance.sample(range(len(lines)), 2)
    changed = list(lines)
    changed[one], changed[other] = changed[other], changed[one]
    return changed


def _move_a_line(lines: Lines, chance: Random) -> Lines:
    changed = list(lines)
    moved = changed.pop(chance.randrange(len(changed)))
    changed.insert(chance.randrange(len(changed) + 1), moved)
    return changed


def _swap_journals(evidence: Evidence, chance: Random) -> Evidence:
    one, other = chance.sample(sorted(evidence.journals), 2)
    swapped = {one: evidence.journals[other], other: evidence.journals[one]}
    return replace(evidence, journals={**evidence.journals, **swapped})


def _cut_lines(evidence: Evidence, chance: Random) -> Evidence:
    """The end of a journal, at the end of an entry: nothing in it looks unfinished."""
    place = _place(evidence, chance)
    content = list(evidence.journals[place])
    name, text = content[-1]
    lines = text.splitlines(keepends=True)
    content[-1] = (name, b"".join(lines[: -chance.randint(1, len(lines))]))
    return _with(evidence, place, content)


def _cut_back_to_a_signature(evidence: Evidence, chance: Random) -> Evidence | None:
    """The end of a journal, so that what is left ends with a signature."""
    place = _place(evidence, chance)
    content = list(evidence.journals[place])
    name, text = content[-1]
    lines = text.splitlines(keepends=True)
    signed = [n for n, line in enumerate(lines[:-1]) if b'"signature"' in line]
    if not signed:
        return None
    content[-1] = (name, b"".join(lines[: chance.choice(signed) + 1]))
    return _with(evidence, place, content)


def _cut_bytes(evidence: Evidence, chance: Random) -> Evidence:
    place = _place(evidence, chance)
    content = list(evidence.journals[place])
    name, text = content[-1]
    content[-1] = (name, text[: -chance.randint(1, min(2000, len(text)))])
    return _with(evidence, place, content)


def _repeat_a_line(lines: Lines, chance: Random) -> Lines:
    changed = list(lines)
    changed.insert(chance.randrange(len(lines) + 1), chance.choice(lines))
    return changed


def _insert_bytes(evidence: Evidence, chance: Random) -> Evidence:
    place = _place(evidence, chance)
    content = list(evidence.journals[place])
    number = chance.randrange(len(content))
    name, text = content[number]
    at = chance.choice([chance.randrange(len(text) + 1), len(text)])
    junk = chance.choice([b"\n", b" ", b"\r", b"{}\n", chance.randbytes(chance.randint(1, 40))])
    content[number] = (name, text[:at] + junk + text[at:])
    return _with(evidence, place, content)


def _insert_from_another(evidence: Evidence, chance: Random) -> Evidence:
    one, other = chance.sample(sorted(evidence.journals), 2)
    line = chance.choice(evidence.journals[other][-1][1].splitlines(keepends=True))
    content = list(evidence.journals[one])
    number = chance.randrange(len(content))
    name, text = content[number]
    lines = text.splitlines(keepends=True)
    lines.insert(chance.randrange(len(lines) + 1), line)
    content[number] = (name, b"".join(lines))
    return _with(evidence, one, content)


def _rewrite_from_a_record_on(evidence: Evidence, chance: Random) -> Evidence | None:
    """Somebody who knows the format: another caller in one record, and every hash made anew."""
    place = _place(evidence, chance)
    files = [(name, text.splitlines()) for name, text in evidence.journals[place]]
    flat = [(n, m) for n, (_, lines) in enumerate(files) for m in range(len(lines))]
    records = [at for at in flat if b'"kind":"access"' in files[at[0]][1][at[1]]]
    if not records:
        return None
    begin = chance.choice(records)
    prev = ""
    for n, m in flat[flat.index(begin) :]:
        read = entry.read(files[n][1][m])
        fields = {
            key: value
            for key, value in read.fields.items()
            if key not in ("sequence", "prev", "hash", "signature")
        }
        if (n, m) == begin:
            fields["caller"] = "nobody"
        content = entry.placed(entry.body(fields), read.sequence, prev or read.prev)
        if read.signature:
            content = entry.signed(content, read.signature)
        line, prev = entry.sealed(content)
        files[n][1][m] = line.rstrip(b"\n")
    content_now = [(name, b"".join(line + b"\n" for line in lines)) for name, lines in files]
    return _with(evidence, place, content_now)


def _edit_and_hash_one(lines: Lines, chance: Random) -> Lines:
    """One record changed, with a hash that fits it: only the chain tells."""
    at = chance.randrange(len(lines))
    read = entry.read(lines[at].rstrip(b"\n"))
    fields = json.loads(lines[at])
    for key in ("sequence", "prev", "hash", "signature"):
        fields.pop(key, None)
    fields["time"] = "2020-01-01T00:00:00.000000Z"
    content = entry.placed(entry.body(fields), read.sequence, read.prev)
    if read.signature:
        content = entry.signed(content, read.signature)
    return [*lines[:at], entry.sealed(content)[0], *lines[at + 1 :]]


def _add_a_record(evidence: Evidence, chance: Random) -> Evidence:
    """A record after the last, chained as it should be."""
    place = _place(evidence, chance)
    content = list(evidence.journals[place])
    name, text = content[-1]
    last = entry.read(text.splitlines()[-1])
    own = entry.body({"kind": entry.ACCESS, "caller": "edge", "patients": []})
    line, _ = entry.sealed(entry.placed(own, last.sequence + 1, last.hash))
    content[-1] = (name, text + line)
    return _with(evidence, place, content)


_KINDS: dict[str, Act] = {
    "add a record": _add_a_record,
    "cut back to a signature": _cut_back_to_a_signature,
    "cut bytes": _cut_bytes,
    "cut lines": _cut_lines,
    "delete a checkpoint": _in_lines(_delete_a_checkpoint),
    "delete a file": _delete_a_file,
    "delete a journal": _delete_a_journal,
    "delete lines": _in_lines(_delete_lines),
    "delete the anchors": _delete_the_anchors,
    "edit a byte": _edit_a_byte,
    "edit a line and its hash": _in_lines(_edit_and_hash_one),
    "edit the anchors": _edit_the_anchors,
    "insert a line of another": _insert_from_another,
    "insert bytes": _insert_bytes,
    "move a line": _in_lines(_move_a_line),
    "repeat a line": _in_lines(_repeat_a_line),
    "rewrite from a record on": _rewrite_from_a_record_on,
    "swap journals": _swap_journals,
    "swap lines": _in_lines(_swap_lines),
}
