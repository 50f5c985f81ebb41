"""Where the knowledge base's lay phrases stand in a sentence.

A phrase is words in order; ``a|b`` stands for either. Between its words a text may have fillers
("pain in *my left* chest") and negators ("chest *doesn't* hurt"), which are handed on to assertion.
A misspelt word is matched against the words of the lexicon only, never against general English.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rapidfuzz.distance import OSA

from services.triage.domain.language.tokens import Token, normalise, stem, tokenise, words

MAX_GAP = 4
MANY = "#many"  # in a phrase: any number from _MANY_FROM up
_MANY_FROM = 8
_SHORTEST_FUZZY = 4
_LONG_WORD = 9

FILLERS = words(
    """
    my the a an his her their our your its this that these some any really very so quite pretty
    bit little too such of is are was am be been being feel feels feeling felt has have had having
    got get gets getting in on at to from around near inside both left right lower upper middle
    whole one side just also still always constantly constant all sharp dull stabbing bad badly
    severe severely terrible terribly awful awfully horrible slight slightly mild moderate strong
    intense sudden suddenly new acute heavy much more lot lots started starting keep keeps become
    became becoming gone going went turned turning looks look looking seems seem extremely
    incredibly it about over under kind sort like actually almost nearly started has't nasty
    recent recently i he she keeps me bloody super persistent occasional increasing
    """
)
GAP_NEGATORS = words(
    """
    no not don't doesn't didn't isn't aren't wasn't weren't haven't hasn't hadn't never
    """
)
# Everyday words one or two letters from a lexicon word; correcting them would invent a symptom.
PLAIN_WORDS = words(
    """
    hear ever near dear fear fair form cheer about above after again along alone aren't beast
    began begin being below bread break bring
    built burst cheat cheap chess chase child children clean clear close could couldn't couch
    cough court daily dairy dead death dream dress drive early earth earn enough every family
    father feather feeling felt fewer fight final first float floor found fresh front funny great
    green group grown habit happy heard hearing heavy hello house hours hurry issue joint large
    later learn least leave leaving light liver lives living local lower lunch march match maybe
    means might minor money month mother mouth never night noise noting often order other outside
    paint party pause peace phone piece place plain plane plant point power press price quiet
    quite raise reach ready right river round route scare score seats sense serve seven shape
    share sharp shirt short should shower sight since skill sleep sleeping slept small smell smile
    smoke snack something soon sorry sound south speak spend spent spread stage stand start state
    stays steak still stood store storm story study stuff super sweet sweater table taken taking
    tears thank thing think third those though three throw tight times tired today together total
    touch tough towel track train trial tried trip truck under until upset using visit vision
    voice wait waist wake waking walk walking warm waste watch water wearing weather weeks weird
    wheel when where which while white whole women wonder words worked working world worry worse
    worst worth would wouldn't write wrong years yellow young fasting fainter painting paining
    sweating wedding bleeding breeding breathe bread heading hating hearty beading blooding
    feverish fear boiling bowling swimming swinging sniffing wheeling waking wailing training
    draining raining staining sailing nursing missing passing posting parting patting petting
    resting casting lasting tasting biking bikes liking baking making raking taking shaving
    sharing staring sparing spitting fitting sitting hitting getting letting setting betting
    cutting putting rotten cotton button husband medicine medication diabetic doctor hospital
    yesterday tomorrow minutes insulin having giving saving loving moving proving allergy
    allergies pressure surgery surgeon
    """
)


@dataclass(frozen=True, slots=True)
class Phrase:
    finding: str
    slots: tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class Span:
    """A phrase found: indexes of its own words, of the words it skipped, and if one was misspelt."""

    finding: str
    words: tuple[int, ...]
    gaps: tuple[int, ...]
    misspelt: bool = False

    @property
    def first(self) -> int:
        return self.words[0]

    @property
    def last(self) -> int:
        return self.words[-1]


@dataclass(frozen=True)
class Lexicon:
    """All phrases, by their first word."""

    by_first: Mapping[str, tuple[Phrase, ...]]
    vocabulary: frozenset[str]
    corrections: dict[str, str | None] = field(default_factory=dict, compare=False)


def build_lexicon(synonyms: Iterable[tuple[str, str]]) -> Lexicon:
    """Index ``(finding id, phrase)`` pairs."""
    by_first: dict[str, list[Phrase]] = {}
    vocabulary: set[str] = set()
    for finding, text in synonyms:
        phrase = Phrase(finding, tuple(_slot(word) for word in text.split()))
        for first in phrase.slots[0]:
            by_first.setdefault(first, []).append(phrase)
        for slot in phrase.slots:
            vocabulary |= slot
    return Lexicon({first: tuple(each) for first, each in by_first.items()}, frozenset(vocabulary))


def _slot(word: str) -> frozenset[str]:
    if word == MANY:
        return frozenset({MANY})
    return frozenset(tokenise(normalise(each))[0].stem for each in word.split("|"))


def find_spans(sentence: tuple[Token, ...], lexicon: Lexicon) -> tuple[Span, ...]:
    """Every phrase in the sentence, in order; of overlapping ones the one that says more."""
    stems = tuple(_readings(token, lexicon) for token in sentence)
    found: list[Span] = []
    for start, readings in enumerate(stems):
        for reading in readings:
            for phrase in lexicon.by_first.get(reading, ()):
                span = _match(phrase, start, sentence, stems)
                if span is not None:
                    found.append(span)
    return tuple(sorted(_most_telling(found), key=lambda span: (span.first, span.finding)))


def _readings(token: Token, lexicon: Lexicon) -> tuple[str, ...]:
    if token.text.isdigit():
        return (token.stem, MANY) if int(token.text) >= _MANY_FROM else (token.stem,)
    if not token.is_word or token.stem in lexicon.vocabulary or token.text in PLAIN_WORDS:
        return (token.stem,)
    corrected = _correct(token.text, lexicon)
    return (token.stem, corrected) if corrected else (token.stem,)


def _correct(word: str, lexicon: Lexicon) -> str | None:
    if len(word) < _SHORTEST_FUZZY or not word.isalpha() or word in FILLERS:
        return None
    if word not in lexicon.corrections:
        # Bounded: free text from the outside must not grow a process for ever.
        if len(lexicon.corrections) > 4096:
            lexicon.corrections.clear()
        lexicon.corrections[word] = _nearest(stem(word), lexicon.vocabulary)
    return lexicon.corrections[word]


def _nearest(word: str, vocabulary: frozenset[str]) -> str | None:
    allowed = 2 if len(word) >= _LONG_WORD else 1
    near = [
        (distance, known)
        for known in vocabulary
        if len(known) > _SHORTEST_FUZZY
        and known[0] == word[0]
        and abs(len(known) - len(word)) <= allowed
        and (distance := OSA.distance(word, known, score_cutoff=allowed)) <= allowed
    ]
    return min(near)[1] if near else None


def _match(
    phrase: Phrase,
    start: int,
    sentence: tuple[Token, ...],
    stems: tuple[tuple[str, ...], ...],
) -> Span | None:
    words, gaps, misspelt = [], [], False
    position = start
    for order, slot in enumerate(phrase.slots):
        skipped = 0
        while position < len(sentence) and not any(each in slot for each in stems[position]):
            if not order or skipped == MAX_GAP or not _may_skip(sentence[position]):
                return None
            gaps.append(position)
            skipped += 1
            position += 1
        if position == len(sentence):
            return None
        misspelt = misspelt or stems[position][0] not in slot
        words.append(position)
        position += 1
    return Span(phrase.finding, tuple(words), tuple(gaps), misspelt)


def _may_skip(token: Token) -> bool:
    return token.text in FILLERS or token.text in GAP_NEGATORS


def _most_telling(found: list[Span]) -> list[Span]:
    """Drop a span whose words are a proper part of another's, and repeats of one finding."""
    kept: list[Span] = []
    for span in sorted(found, key=lambda each: (-len(each.words), len(each.gaps), each.finding)):
        inside = any(
            set(span.words) < set(other.words)
            or (span.finding == other.finding and set(span.words) & set(other.words))
            for other in kept
        )
        if not inside:
            kept.append(span)
    return kept
