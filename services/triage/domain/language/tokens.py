"""Words, sentences and clauses of a message. Positions refer to the normalised text."""

import re
import unicodedata
from dataclasses import dataclass
from types import MappingProxyType

_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "`": "'", "´": "'", "ʼ": "'"})
_DASHES = re.compile(r"\s[-–—]+\s|—")
_PAUSE = re.compile(r"\.{2,}|…")
_HYPHENS = re.compile(r"[‐‑‒–−-]")
_NEGATIVE_SPELLINGS = re.compile(
    r"\b(?:(can)\s?not|(can|do|does|did|is|are|was|were|have|has|had|won|would|could|should)nt"
    r"|(do|does|did|is|are|was|were|have|has|had|would|could|should) not)\b"
)
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+(?:'[^\W\d_]+)?|[.,;:!?()/\n+&]")
_CONTRACTIONS = ("'s", "'ve", "'m", "'re", "'ll", "'d")
SENTENCE_ENDS = frozenset(".!?;\n")
_WHOLE_WORDS = MappingProxyType(
    {"&": "and", "+": "and", "w/": "with", "u": "you", "im": "i", "ive": "i", "hes": "he"}
)


def words(text: str) -> frozenset[str]:
    """A word list, written as running text."""
    return frozenset(text.split())


@dataclass(frozen=True, slots=True)
class Token:
    """One word or mark: ``text`` without a contracted verb (``contracted`` says there was one)."""

    text: str
    stem: str
    start: int
    end: int
    contracted: bool = False

    @property
    def is_word(self) -> bool:
        return self.text[0].isalnum()


def normalise(text: str) -> str:
    """Lower case, plain apostrophes and hyphens, one spelling for each negative contraction."""
    plain = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).lower()
    plain = _HYPHENS.sub(" ", _DASHES.sub(", ", _PAUSE.sub(",", plain)))
    return _NEGATIVE_SPELLINGS.sub(_contract_negative, plain)


def _contract_negative(match: re.Match[str]) -> str:
    verb = next(group for group in match.groups() if group)
    return "can't" if verb == "can" else f"{verb}n't"


def stem(word: str) -> str:
    """A light English stem: enough that "vomiting", "vomited" and "vomits" meet, no more."""
    if "'" in word or len(word) < 4:
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    for suffix in ("ing", "ed", "es", "s"):
        rest = word[: -len(suffix)]
        if word.endswith(suffix) and len(rest) >= 3 and _may_drop(suffix, rest):
            return _plain_ending(rest)
    return _plain_ending(word)


def _may_drop(suffix: str, rest: str) -> bool:
    if suffix == "s":
        return rest[-1] not in "suio"
    if suffix == "es":
        return rest.endswith(("s", "x", "ch", "sh", "z"))
    return any(letter in "aeiouy" for letter in rest)


def _plain_ending(word: str) -> str:
    if len(word) > 4 and word[-1] == "e":
        return word[:-1]
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "slfzeo":
        return word[:-1]
    return word


def tokenise(text: str) -> tuple[Token, ...]:
    """Split normalised text into words and marks."""
    return tuple(_token(match) for match in _TOKEN.finditer(text))


def _token(match: re.Match[str]) -> Token:
    word = match.group()
    contracted = False
    for suffix in _CONTRACTIONS:
        if word.endswith(suffix):
            word, contracted = word.removesuffix(suffix), True
            break
    word = _WHOLE_WORDS.get(word, word)
    return Token(word, stem(word), match.start(), match.end(), contracted)


def split_sentences(tokens: tuple[Token, ...]) -> tuple[tuple[Token, ...], ...]:
    """Sentences, each keeping its final mark; an empty one is left out."""
    sentences: list[tuple[Token, ...]] = []
    start = 0
    for index, token in enumerate(tokens):
        if token.text in SENTENCE_ENDS or index == len(tokens) - 1:
            sentence = tokens[start : index + 1]
            if any(each.is_word for each in sentence):
                sentences.append(sentence)
            start = index + 1
    return tuple(sentences)
