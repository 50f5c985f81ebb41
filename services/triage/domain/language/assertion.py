"""What a sentence asserts of each symptom it mentions: present, absent, in doubt, over, or of
someone else. When a scope is not clear ("no fever, cough"), the answer is UNCERTAIN, never ABSENT.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from services.triage.domain.language import cues
from services.triage.domain.language.lexicon import FILLERS, Span
from services.triage.domain.language.tokens import Token


class Status(StrEnum):
    PRESENT = "present"
    ABSENT = "absent"
    UNCERTAIN = "uncertain"
    FAMILY = "family"
    PAST = "past"


SELF = "self"
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Asserted:
    """A span with its status. ``subject`` is SELF, OTHER, a relation ("son") or None (not said).

    ``over`` is True when the words are those of something finished ("had", "died of").
    """

    span: Span
    status: Status
    clause: int
    subject: str | None
    over: bool


@dataclass(frozen=True, slots=True)
class _Sentence:
    tokens: tuple[Token, ...]
    words: tuple[str, ...]
    clauses: tuple[int, ...]
    spans: tuple[Span, ...]
    own: frozenset[int]
    masked: frozenset[int]
    matches: dict[int, list[range]] = field(default_factory=dict)

    def clause(self, index: int) -> range:
        number = self.clauses[index]
        first = self.clauses.index(number)
        return range(first, first + self.clauses.count(number))

    def cues_in(self, place: range, table: tuple[cues.Cue, ...]) -> list[range]:
        """The cues of a table in a part of the sentence, not in the words of symptoms."""
        within = (each for each in self._matches(table) if _contains(place, each))
        return cues.choose_cues(within, self.own | self.masked)

    def says(self, place: range, table: tuple[cues.Cue, ...]) -> bool:
        """Whether a cue of a table stands anywhere in a part of the sentence."""
        return any(_contains(place, each) for each in self._matches(table))

    def _matches(self, table: tuple[cues.Cue, ...]) -> list[range]:
        # The sentence is searched once for each table and not once for each symptom in it: four
        # thousand characters can name hundreds.
        if id(table) not in self.matches:
            self.matches[id(table)] = cues.match_cues(self.words, table)
        return self.matches[id(table)]


def _contains(place: range, part: range) -> bool:
    return place.start <= part.start and part.stop <= place.stop


def split_clauses(tokens: tuple[Token, ...], spans: tuple[Span, ...]) -> tuple[int, ...]:
    """The clause number of each token. A list ("fever, cough or pain") stays in one clause."""
    inside = {i for span in spans for i in range(span.first + 1, span.last + 1)}
    numbers, current = [], 0
    for index in range(len(tokens)):
        if index and index not in inside and _begins_clause(tokens, index):
            current += 1
        numbers.append(current)
    return tuple(numbers)


def _begins_clause(tokens: tuple[Token, ...], index: int) -> bool:
    word, before = tokens[index].text, tokens[index - 1].text
    if word in cues.CONTRASTS:
        return not (word == "only" and before in ("not", "if"))
    if before in ("no", "yes", "yeah", "nope") and index == 1:
        return word in cues.SELF_WORDS | cues.OTHER_WORDS | {"it", "the", "just"}
    if before in ("(", ")"):
        return True
    return before in cues.LINKS and word in cues.STARTERS


def assert_sentence(
    tokens: tuple[Token, ...], spans: tuple[Span, ...], subject: str | None
) -> tuple[tuple[Asserted, ...], str | None, tuple[int, ...]]:
    """Assert every span; also the subject the next sentence inherits and the clause numbers."""
    words = cues.texts(tokens)
    own = frozenset(i for span in spans for i in span.words)
    masked = {i for r in cues.find_cues(words, cues.PSEUDO_NEGATION, set(own)) for i in r}
    clauses = split_clauses(tokens, spans)
    sentence = _Sentence(tokens, words, clauses, spans, own, frozenset(masked))
    subjects = _subjects(sentence, subject)
    family = bool(cues.find_cues(words, cues.FAMILY_HISTORY, set()))
    asserted = []
    for span in spans:
        status = Status.FAMILY if family else _status(sentence, span)
        who = _named_after(sentence, span) or subjects[span.first]
        over = _is_over(sentence, span)
        asserted.append(Asserted(span, status, clauses[span.first], who, over))
    return tuple(asserted), subjects[-1], clauses


def _subjects(sentence: _Sentence, inherited: str | None) -> list[str | None]:
    """Who is spoken of at each word: the last person named so far."""
    current, out = inherited, []
    for index, word in enumerate(sentence.words):
        following = sentence.words[index + 1] if index + 1 < len(sentence.words) else ""
        if _is_aged_child(sentence.words, index):
            current = "child"
        elif word in cues.PERSONS and "i" in sentence.words[:index]:
            current = SELF
        elif word in cues.RELATIONS and not _is_company(sentence.words, index):
            current = cues.SAME_RELATION.get(word, word)
        elif word in cues.OTHER_WORDS:
            current = current if current not in (None, SELF) else OTHER
        elif word in cues.SELF_WORDS and not _introduces_relation(word, following, sentence, index):
            current = SELF
        out.append(current)
    return out


def _is_aged_child(words: tuple[str, ...], index: int) -> bool:
    """ "my 3 year old": a child, without the word."""
    return words[index] == "old" and bool({"my", "our"} & set(words[max(0, index - 3) : index]))


def _introduces_relation(word: str, following: str, sentence: _Sentence, index: int) -> bool:
    near = sentence.words[index + 1 : index + 5]
    return word in ("my", "our") and (
        following in cues.RELATIONS or any(each in cues.RELATIONS for each in near[:3])
    )


def _is_company(words: tuple[str, ...], index: int) -> bool:
    """ "with my wife", "for my son": a person in the story but not its subject."""
    before = words[max(0, index - 2) : index]
    return bool({"with", "to", "told"} & set(before))


def _named_after(sentence: _Sentence, span: Span) -> str | None:
    """The person in "chest pain in my son"."""
    after = sentence.words[span.last + 1 : span.last + 5]
    for index, word in enumerate(after):
        if word in cues.RELATIONS and index and after[0] in ("in", "for"):
            return cues.SAME_RELATION.get(word, word)
    return None


def _is_over(sentence: _Sentence, span: Span) -> bool:
    for index in range(sentence.clause(span.first).start, span.first):
        word = sentence.words[index]
        earlier = sentence.words[index - 1] if index else ""
        perfect = index > 0 and sentence.tokens[index - 1].contracted
        if word in cues.BEFORE_NOW:
            return True
        if word == "had" and not perfect and earlier not in ("have", "has", "haven't", "hasn't"):
            return True
    return False


def _status(sentence: _Sentence, span: Span) -> Status:
    clause = sentence.clause(span.first)
    before = range(clause.start, span.first)
    after = range(span.last + 1, clause.stop)
    if _is_doubted(sentence, span, before, after):
        return Status.UNCERTAIN
    negation = _negation(sentence, span, before, after)
    if negation is not None:
        return negation
    if _is_past(sentence, before, after):
        return Status.PAST
    return Status.PRESENT


def _is_doubted(sentence: _Sentence, span: Span, before: range, after: range) -> bool:
    if sentence.cues_in(before, cues.UNSURE) or sentence.cues_in(after, cues.UNSURE_AFTER):
        return True
    asked = sentence.words[-1] == "?" and not {"i", "my"} & set(sentence.words[: span.first])
    return asked and sentence.words[0] in (
        "is",
        "are",
        "could",
        "does",
        "do",
        "can",
        "what",
        "should",
    )


def _negation(sentence: _Sentence, span: Span, before: range, after: range) -> Status | None:
    strong = any(sentence.words[i] in ("not", "no", "never") or sentence.words[i].endswith("n't")
                 for i in span.gaps)  # fmt: skip
    if strong:
        return Status.ABSENT
    denial = sentence.cues_in(before, cues.DENY)
    listed = sentence.cues_in(before, cues.NO)
    direct = [r for r in sentence.cues_in(before, cues.NOT) if not _covered(r, listed)]
    verdict: Status | None = None
    if _is_doubled(sentence, sorted([*listed, *direct], key=lambda r: r.start)):
        verdict = Status.UNCERTAIN
    elif denial:
        verdict = Status.ABSENT
    elif listed:
        verdict = _list_verdict(sentence, listed[-1].stop, span)
    elif (direct and _is_bare(sentence, direct[-1].stop, span.first)) or _denied_after(
        sentence, span, after
    ):
        verdict = Status.ABSENT
    if verdict is Status.ABSENT and _no_longer(sentence, before, after):
        return Status.PAST
    return verdict and _like_never_before(sentence, after, verdict)


def _is_doubled(sentence: _Sentence, negations: list[range]) -> bool:
    """Two negatives with nothing listed between them: "it's not that I don't have pain"."""
    return any(
        not any(sentence.words[i] in (",", "and", "or") or i in sentence.own
                for i in range(first.stop, second.start))
        for first, second in pairwise(negations)
    )  # fmt: skip


def _no_longer(sentence: _Sentence, before: range, after: range) -> bool:
    """ "I don't have it any more", "no more pain", "not at the moment": it was there."""
    if sentence.says(after, cues.FOR_NOW):
        return True
    later = sentence.words[after.start : after.stop]
    if "anymore" in later or ("any", "more") in pairwise(later):
        return True
    earlier = set(pairwise(sentence.words[before.start : before.stop]))
    return bool(earlier & {("no", "more"), ("no", "longer")})


def _covered(place: range, others: list[range]) -> bool:
    return any(place.start in other for other in others)


def _is_bare(sentence: _Sentence, start: int, stop: int) -> bool:
    return all(sentence.words[i] in FILLERS for i in range(start, stop))


def _list_verdict(sentence: _Sentence, start: int, span: Span) -> Status:
    """First of a "no …" list, or a list joined by or/nor: absent. Otherwise it is not clear."""
    between = range(start, span.first)
    joined = {sentence.words[i] for i in range(start, sentence.clause(span.first).stop)}
    if _is_bare(sentence, start, span.first):
        return Status.ABSENT
    if {"or", "nor"} & joined and not {"and", "with"} & {sentence.words[i] for i in between}:
        return Status.ABSENT
    return Status.UNCERTAIN


def _denied_after(sentence: _Sentence, span: Span, after: range) -> bool:
    found = sentence.cues_in(after, cues.NEGATED_AFTER)
    return any(
        all(sentence.words[i] in FILLERS | {":", ","} for i in range(span.last + 1, r.start))
        and (r.stop == len(sentence.words) or sentence.words[r.stop] in (",", ".", ";", ")"))
        for r in found
    )


def _like_never_before(sentence: _Sentence, after: range, verdict: Status) -> Status:
    """ "I have never had a headache like this" is a headache; "… before" leaves it open."""
    if sentence.says(after, cues.LIKE_NEVER_BEFORE):
        return Status.PRESENT
    if "before" in sentence.words[after.start : after.stop]:
        return Status.UNCERTAIN
    return verdict


def _is_past(sentence: _Sentence, before: range, after: range) -> bool:
    if sentence.says(range(before.start, after.stop), cues.NOT_PAST):
        return False
    return bool(
        sentence.cues_in(before, cues.PAST_BEFORE) or sentence.cues_in(after, cues.PAST_AFTER)
    )


def is_still_there(words: tuple[str, ...]) -> bool:
    return bool(cues.find_cues(words, cues.NOT_PAST, set()))


def says_it_is_back(words: tuple[str, ...]) -> bool:
    """A clause without a symptom that undoes an end told before: "… but it came back"."""
    return bool(cues.find_cues(words, cues.BACK, set()))


def says_it_is_over(words: tuple[str, ...]) -> bool:
    """A clause without a symptom that ends the one before: "… and then it went away"."""
    refers = {"it", "that", "they", "this", "all", "which", "both", "symptoms", "everything"}
    if not refers & set(words) or is_still_there(words):
        return False
    return bool(cues.find_cues(words, cues.PAST_AFTER, set()))
