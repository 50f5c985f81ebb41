"""Words that change what a mention asserts. After NegEx and ConText (Chapman et al. 2001, Harkema
et al. 2009), extended for lay speech.

A cue is a tuple of words; in the tables a comma ends it, and ``|`` separates alternatives.
"""

from collections.abc import Iterable, Set

from services.triage.domain.language.tokens import Token, words

Cue = tuple[frozenset[str], ...]


def _cues(text: str) -> tuple[Cue, ...]:
    cues = (tuple(frozenset(w.split("|")) for w in cue.split()) for cue in text.split(","))
    return tuple(sorted(cues, key=len, reverse=True))


# Negative words that deny nothing about a symptom: masked before anything else is read.
PSEUDO_NEGATION = _cues(
    """
    not|isn't only|just|merely|simply, not to mention, no doubt, no matter, no idea why, no
    change, no relief, no better, no improvement, no different, no known cause,
    not|isn't|aren't|wasn't getting|feeling|any better, not|isn't|aren't
    improving|better|helping|working|settling, not|isn't|aren't going|gone away|down|anywhere,
    not|isn't|aren't going, not|never gone, won't|doesn't|don't|didn't|wouldn't|not
    stop|go|settle|ease|quit|stopping|improve|help|come, hasn't|haven't|hadn't|not
    stopped|gone|improved|settled|eased|helped|come|subsided|resolved, don't|doesn't|didn't know
    what|why|how, not sure why|what|how, unsure why|what|how, don't|doesn't|not|isn't
    feel|feeling|look|looking|seem well|good|right|great|myself|himself|herself|normal, not|isn't
    well|good|right|great|normal|himself|herself|myself, for no reason, no reason, no warning,
    without warning|stopping|relief|reason|improvement, nothing helps|works|is
    helps|works|helping, no medication|medicine|meds, no longer able, don't remember, not like,
    not my usual|normal, never ending, not|isn't too|that|very|so bad, no luck, no insurance, no
    one|body, no matter what, can't say no, not been able, not|isn't able, not|no less, no sleep,
    not sleeping|eating, not the first time, not long ago, no more than, don't
    want|like|care|wanna|understand, no previous|prior, no history of this, hasn't|haven't
    taken|tried|slept|eaten|seen
    """
)  # fmt: skip
DENY = _cues(
    """
    denies|denied|denying|deny, negative for, free of, neither, absence of
    """
)
NO = _cues(
    """
    no, without, nor, zero, none of, not|isn't|aren't any, no sign|signs|evidence|trace of, not
    having|experiencing|getting|suffering|had|have|noticed|noticing|feeling|got,
    don't|doesn't|didn't|haven't|hasn't|hadn't|never
    had|have|got|get|getting|feel|felt|notice|noticed|experience|see|seen|seem|suffer|report|any|been
    """
)  # fmt: skip
NOT = _cues(
    """
    not|don't|doesn't|didn't|isn't|aren't|wasn't|weren't|haven't|hasn't|hadn't|never|ain't
    """
)
UNSURE = _cues(
    """
    not|isn't sure|certain|positive|convinced|clear if|whether|that|it|its|it's|about|this|i|is,
    not sure|certain, unsure, don't|doesn't|didn't|dunno know|sure if|whether, don't know, dunno,
    idk, can't tell|say|decide, hard to say|tell, maybe, perhaps, might, may be|have, could
    be|have, possibly, possible, potential|potentially, wondering|wonder, don't|doesn't|didn't
    think|believe|reckon|suppose, doubt, doubtful, suspect|suspected|suspecting|suspicion,
    unlikely|likely|probable, probably not, if i|he|she|they get|gets|have|had|develop|develops,
    in case, worried|scared|afraid|concerned|anxious about|of|it|that|i|he|she|they, what if, rule
    out, r / o, some|sort kind|sort of, or something, i guess, not really, should i, would it be,
    is it, is this, am i, does it|this sound
    """
)  # fmt: skip
UNSURE_AFTER = _cues(
    """
    maybe, perhaps, possibly, i guess, or something, not sure, unsure, don't know|remember, can't
    tell|say|be, i suppose, not|isn't certain, hard to say|tell, idk, dunno, is|are
    unlikely|possible
    """
)  # fmt: skip
PAST_BEFORE = _cues(
    """
    used to, history of, hx of, h / o, past history, previous|previously|formerly, in the past, no
    longer, prior, recovered|recovering from, got|get over, don't|doesn't|not anymore, years ago
    """
)  # fmt: skip
PAST_AFTER = _cues(
    """
    went away, gone away, go away, has|have|is|are|was|all|now|been gone, gone, resolved,
    resolves, subsided, cleared up, disappeared, vanished, is|are|was|now over, anymore, any more,
    no longer, all better, settled, settled down, stopped, passed, wore off, went|gone|cleared,
    eased off, got better, lasted, has ended, in the past
    """
)  # fmt: skip
NOT_PAST = _cues(
    """
    won't|not|doesn't|hasn't|haven't|never|isn't|don't|didn't|wouldn't
    go|went|gone|resolved|stopped|settled|subsided|passed|fully|completely|really|going|stop|ease,
    came|come|comes|coming|keeps back, comes|came|come and goes|went|go, returned, is|are back,
    still, again, until, before it, not quite
    """
)  # fmt: skip
FOR_NOW = _cues("at the moment, right now, currently, at present, for now")
BACK = _cues(
    "came|come|comes|coming|keeps|is|are|now back, returned, returns, back again, back now"
)
NEGATED_AFTER = _cues(
    """
    no, none, denied, absent, negative, not present, ruled out, nil, is not there, isn't there
    """
)
LIKE_NEVER_BEFORE = _cues(
    """
    like this, this bad|badly|severe|much|strong, so bad|badly|severe|much, that bad|severe, as
    bad
    """
)
FAMILY_HISTORY = _cues(
    """
    family history, fhx, fh, runs|run|running in the|my|our family, in the family, in my|our
    family, genetic, hereditary, died|dies|dead|passed of|from|away, family members|member
    """
)  # fmt: skip
RELATIONS = words(
    """
    father dad daddy mother mom mum mommy mummy parent parents son daughter child kid kids
    children baby infant toddler newborn brother sister sibling wife husband partner spouse
    girlfriend boyfriend fiance fiancee grandmother grandma granny nan grandfather grandpa grandad
    uncle aunt cousin niece nephew friend neighbour neighbor roommate flatmate colleague coworker
    boss grandson granddaughter grandchild twins mother-in-law teenager stepson stepdaughter guy
    lady man woman boy girl student stranger guest
    """
)
SAME_RELATION = {
    "dad": "father", "daddy": "father", "mom": "mother", "mum": "mother", "mommy": "mother",
    "mummy": "mother",
    "boy": "son", "girl": "daughter", "kid": "child", "toddler": "child", "infant": "baby", "newborn": "baby",
    "grandma": "grandmother", "granny": "grandmother", "nan": "grandmother", "grandpa": "grandfather",
    "grandad": "grandfather",
}  # fmt: skip
# Said of oneself too: "I am a 54 year old man".
PERSONS = words("guy lady man woman boy girl student teenager stranger guest")
CHILD_RELATIONS = words(
    """
    son daughter child baby children kids grandson granddaughter
    """
)
SELF_WORDS = words(
    """
    i my me myself mine we our im patient pt
    """
)
OTHER_WORDS = words(
    """
    he she they him her his hers their them himself herself
    """
)
CONTRASTS = words(
    """
    but however although though except yet because cause cos while whereas then which only
    """
)
STARTERS = (
    SELF_WORDS
    | OTHER_WORDS
    | words(
        """
    it there now the this these today just having have has had feel feels feeling got get gets
    getting is am are was were been can't keeps keep started now still currently suddenly also
    """
    )
)
LINKS = words(
    """
    , and plus also & + then
    """
)
BEFORE_NOW = frozenset(["died", "passed", "suffered", "was", "were", "diagnosed"])


def find_cues(said: tuple[str, ...], cues: Iterable[Cue], masked: Set[int]) -> list[range]:
    """Places of the cues, longest first, none overlapping another or a masked word."""
    return choose_cues(match_cues(said, cues), masked)


def match_cues(said: tuple[str, ...], cues: Iterable[Cue]) -> list[range]:
    """Every place where a cue stands, in the order of the cues."""
    where: dict[str, list[int]] = {}
    for index, word in enumerate(said):
        where.setdefault(word, []).append(index)
    return [
        range(start, start + len(cue))
        for cue in cues
        # Of hundreds of cues a sentence has a few.
        if not cue[0].isdisjoint(where)
        for start in sorted(i for word in cue[0] if word in where for i in where[word])
        if start + len(cue) <= len(said)
        and all(said[start + i] in alternatives for i, alternatives in enumerate(cue))
    ]


def choose_cues(matches: Iterable[range], masked: Set[int]) -> list[range]:
    """Of the places where cues stand those that do not overlap an earlier one or a masked word."""
    found: list[range] = []
    taken = set(masked)
    for place in matches:
        if not taken.intersection(place):
            found.append(place)
            taken.update(place)
    return sorted(found, key=lambda place: place.start)


def texts(sentence: tuple[Token, ...]) -> tuple[str, ...]:
    return tuple(token.text for token in sentence)
