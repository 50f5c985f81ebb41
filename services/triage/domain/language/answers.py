"""Yes, no or not sure, said to the question asked last."""

from enum import StrEnum

from services.triage.domain.language.tokens import normalise, tokenise, words


class Answer(StrEnum):
    YES = "yes"
    NO = "no"
    UNSURE = "unsure"


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(phrase.strip() for phrase in text.split(","))


_UNSURE = _phrases(
    """
    not sure, i am not sure, i'm not sure, not really sure, unsure, i don't know, don't know,
    dunno, i dunno, idk, no idea, i have no idea, maybe, perhaps, possibly, can't tell, i can't
    tell, hard to say, hard to tell, i don't think so, don't think so, probably not, not really,
    probably, might be, could be, i guess, i guess so, kind of, sort of, yes and no, not that i
    know, not that i know of, not that i am aware of, not certain, i think not, i can't remember,
    can't remember, i don't remember, i wouldn't know, not exactly, sometimes maybe, what do you
    mean, what is that, no clue
    """
)
_YES = _phrases(
    """
    yes, yeah, yep, yup, ya, y, yes please, yes i do, yes i am, yes i have, i do, i am, i have, i
    think so, correct, right, that's right, that is right, sure, definitely, absolutely, of
    course, a little, a bit, a lot, yes a little, sometimes, yes sometimes, he does, he is, he
    has, she does, she is, she has, it is, it does, they do, they are, true, indeed, affirmative,
    ok yes, ok yeah, oh yes, slightly, very much, very, it did, i did, he did, she did
    """
)
_NO = _phrases(
    """
    no, nope, nah, n, no i don't, no i am not, no i haven't, i don't, i haven't, never, none, none
    of those, none of these, none of them, neither, not at all, no not at all, definitely not,
    absolutely not, he doesn't, he isn't, he hasn't, she doesn't, she isn't, she hasn't, it isn't,
    it doesn't, they don't, i'm not, i am not, no none, no nothing, nothing like that, no never,
    negative, not, false, no thanks, no thank you, of course not, i didn't, he didn't, she didn't,
    it didn't, no it isn't, nothing
    """
)
_ENDS = frozenset(".,;:!?\n")
_GOES_ON = words(
    """
    but i i'm my it he she they his her just only though although because
    """
)
_KNOWN = {
    tuple(phrase.split()): answer
    for answer, phrases in ((Answer.YES, _YES), (Answer.NO, _NO), (Answer.UNSURE, _UNSURE))
    for phrase in phrases
}
_LONGEST = max(map(len, _KNOWN))


def find_answer(text: str) -> tuple[Answer | None, int]:
    """The answer a message opens with, and where in the normalised text it ends.

    "no chest pain" opens with no answer: the "no" belongs to the symptom. "No, my chest hurts" does.
    """
    normal = normalise(text)
    tokens = tokenise(normal)
    said = tuple(normal[token.start : token.end] for token in tokens)
    for length in range(min(_LONGEST, len(said)), 0, -1):
        answer = _KNOWN.get(said[:length])
        if answer is None:
            continue
        rest = said[length:]
        if not rest or rest[0] in _ENDS:
            return _undoubted(answer, rest), tokens[length - 1].end
        if length == 1 and answer is not Answer.UNSURE and rest[0] in _GOES_ON:
            return _undoubted(answer, rest), tokens[0].end
        if length > 1 and rest[0] in ("but", "though"):
            return _undoubted(answer, rest), tokens[length - 1].end
    return None, 0


def _undoubted(answer: Answer, rest: tuple[str, ...]) -> Answer:
    """ "No, I don't think so" and "yes, maybe" are not sure."""
    tail = tuple(word for word in rest if word not in _ENDS)
    doubted = any(_KNOWN.get(tail[:length]) is Answer.UNSURE for length in range(1, _LONGEST + 1))
    return Answer.UNSURE if doubted else answer
