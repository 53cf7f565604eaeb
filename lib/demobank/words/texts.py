"""Writing: from what a message means to what is written.

A message is put together from a greeting, a setting, one or two clauses, a feeling, a wish and an ending, each of which
may be left out; a short one is the clause alone. Sarcasm states a trouble plainly and sets words of praise beside it,
is ironical all through, or praises with a wink. Some praise tells of a trouble that is over. A mixed message tells of
two topics, or concedes the opposite before its point. Some messages name no topic at all. A quarter of the clauses come
into use by and by in 2024 and 2025, as new words do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demobank.customers.complaints import TOPICS
from demobank.words import frames
from demobank.words.frames import SLOTS, TEXT
from demobank.words.phrases import CLAUSES, IRONY, PRAISE, PROBLEM, QUESTION, SO_SO
from demobank.words.slips import harm, misspell, punctuate

SENTIMENTS = ("negative", "neutral", "positive")
NEGATIVE, NEUTRAL, POSITIVE = range(len(SENTIMENTS))
PLAIN, PRETENDING, IRONICAL, WINKING = range(4)
"""Ways to be sarcastic; the first is not to be."""

PLANTED = {
    "feedback.vague_share_of_plain": 0.07,
    "feedback.foreign_share_of_negative": 0.012,
    "feedback.relieved_share_of_positive": 0.25,
    "feedback.phrases_in_use_before_2024": 0.75,
}
"""Share of plain messages that name no topic; of complaints in Cantonese or English; of praise for a trouble that is
over; of the clauses that are used from the start."""
NEW_WORDS = (np.datetime64("2024-01-01"), np.datetime64("2026-01-01"))
"""First day of new clauses, and the day by which all are in use."""
DRIFTS = (
    (
        "new_words",
        "covariate",
        str(NEW_WORDS[0]),
        "feedback",
        "a quarter of what is written comes into use by and by until the end of 2025",
    ),
)

_CURT = 0.15
_FLAT = np.concatenate([np.array(mood, dtype=TEXT) for moods in CLAUSES.values() for mood in moods])
_LENGTH = np.array([[len(mood) for mood in moods] for moods in CLAUSES.values()])
_START = (_LENGTH.cumsum() - _LENGTH.ravel()).reshape(_LENGTH.shape)


@dataclass(frozen=True)
class Meaning:
    """What each message means, shape (messages,) throughout."""

    topic: np.ndarray
    second: np.ndarray
    """Second topic, -1 where there is none."""
    sentiment: np.ndarray
    shown: np.ndarray
    """Sentiment that is shown by who is not sarcastic; some say less than they feel, and some more."""
    sarcasm: np.ndarray
    """PLAIN, or the way in which the message is sarcastic."""
    torn: np.ndarray
    """Whether the opposite is conceded before the point."""
    asks: np.ndarray
    """Whether a neutral message asks something; else it remarks."""

    @property
    def mood(self) -> np.ndarray:
        """Return the mood that is shown."""
        return np.choose(self.shown, [PROBLEM, np.where(self.asks, QUESTION, SO_SO), PRAISE])

    @property
    def form(self) -> np.ndarray:
        """Return the mood of the clauses."""
        return np.choose(self.sarcasm, [self.mood, PROBLEM, IRONY, PRAISE])

    @property
    def tone(self) -> np.ndarray:
        """Return the mood of all else: the sarcastic pretend to praise."""
        return np.where(self.sarcasm == PLAIN, self.mood, PRAISE)

    @property
    def mixed(self) -> np.ndarray:
        """Tell which messages have two topics or two sentiments."""
        return self.torn | (self.second >= 0)


def in_use(days: np.ndarray) -> np.ndarray:
    """Return the share of all clauses that is in use on each of `days`, shape (n,)."""
    began = (days - NEW_WORDS[0]) / (NEW_WORDS[1] - NEW_WORDS[0])
    known = PLANTED["feedback.phrases_in_use_before_2024"]
    return known + (1 - known) * np.clip(began, 0.0, 1.0)


def write(rng: np.random.Generator, meaning: Meaning, known: np.ndarray) -> np.ndarray:
    """Write each message.

    Parameters
    ----------
    known
        Share of the clauses in use when it is written, shape (messages,).

    Returns
    -------
    Texts, shape (messages,).
    """
    size = len(known)
    wordy = rng.random(size) >= _CURT
    head = _maybe(rng, 0.3 * wordy, _pick(rng, frames.GREETINGS, size))
    setting = _maybe(rng, 0.35 * wordy, _pick(rng, frames.SETTINGS, size))
    before, after = _feeling(rng, meaning, wordy)
    text = head + before + setting + _body(rng, meaning, known, wordy) + after + _ending(rng, meaning, wordy)
    return harm(rng, punctuate(rng, misspell(rng, _fill(rng, text))))


def _pick(rng: np.random.Generator, vocabulary: np.ndarray, size: int) -> np.ndarray:
    """Choose a phrase for each row, early ones more often."""
    return vocabulary[(len(vocabulary) * rng.random(size) ** 1.3).astype(np.int64)]


def _pick_by(rng: np.random.Generator, vocabularies: tuple[np.ndarray, ...], mood: np.ndarray) -> np.ndarray:
    picked = np.empty(len(mood), dtype=TEXT)
    for number, vocabulary in enumerate(vocabularies):
        picked[mood == number] = _pick(rng, vocabulary, int((mood == number).sum()))
    return picked


def _maybe(rng: np.random.Generator, chance: np.ndarray, part: np.ndarray) -> np.ndarray:
    return np.where(rng.random(len(part)) < chance, part, "")


def _clauses(rng: np.random.Generator, topic: np.ndarray, mood: np.ndarray | int, known: np.ndarray) -> np.ndarray:
    place = rng.random(len(topic)) ** 1.3 * known * _LENGTH[topic, mood]
    return _FLAT[_START[topic, mood] + place.astype(np.int64)]


def _body(rng: np.random.Generator, meaning: Meaning, known: np.ndarray, wordy: np.ndarray) -> np.ndarray:
    """Write the clauses: the point, what goes with it, and what is conceded before it."""
    other = np.where(meaning.second >= 0, meaning.second, meaning.topic)
    point, plain = _point(rng, meaning, known)
    also = _clauses(rng, other, meaning.form, known)
    too = _pick(rng, frames.AND, len(known)) + also
    more = np.where(also == point, "", _pick(rng, frames.THEN, len(known)) + also)
    more = _maybe(rng, 0.35 * (wordy & plain), more)
    opposite = np.where(meaning.shown == NEGATIVE, PRAISE, PROBLEM)
    conceded = _clauses(rng, other, opposite, known) + _pick(rng, frames.BUT, len(known))
    after = np.where(meaning.torn, "", np.where(meaning.second >= 0, too, more))
    return np.where(meaning.torn, conceded, "") + point + after


def _point(rng: np.random.Generator, meaning: Meaning, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Write the main clause: usual, of a trouble that is over, vague or foreign; tell which are usual or over."""
    size = len(known)
    clause = _clauses(rng, meaning.topic, meaning.form, known)
    over = (
        _pick(rng, frames.ONCE, size) + _clauses(rng, meaning.topic, PROBLEM, known) + _pick(rng, frames.RELIEF, size)
    )
    chance, language, relief = rng.random((3, size))
    relieved = (meaning.shown == POSITIVE) & (relief < PLANTED["feedback.relieved_share_of_positive"])
    clause = np.where(relieved, over, clause)
    plain = ~meaning.mixed & (meaning.sarcasm == PLAIN)
    vague = plain & (chance < PLANTED["feedback.vague_share_of_plain"])
    share = PLANTED["feedback.foreign_share_of_negative"]
    foreign = plain & (meaning.shown == NEGATIVE) & (chance > 1 - share)
    abroad = np.array([frames.FOREIGN[topic] for topic in TOPICS], dtype=TEXT)
    clause = np.where(vague, _pick_by(rng, frames.VAGUE, meaning.mood), clause)
    clause = np.where(foreign, abroad[meaning.topic, (language < 0.5).astype(int)], clause)
    return clause, ~vague & ~foreign


def _feeling(rng: np.random.Generator, meaning: Meaning, wordy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Write what stands before and after the clauses: the feeling of most, the praise or the wink of the sarcastic."""
    size = len(wordy)
    sneer = np.where(
        rng.random(size) < 0.25, _pick(rng, frames.SNEERS, size), _pick(rng, frames.FEELINGS[PRAISE], size)
    )
    feeling = _maybe(rng, 0.45 * wordy, _pick_by(rng, frames.FEELINGS, meaning.tone))
    feeling = np.where(meaning.sarcasm == PRETENDING, sneer, feeling)
    first = (rng.random(size) < np.where(meaning.sarcasm == PLAIN, 0.2, 0.5)) & (feeling != "")
    wink = np.where(meaning.sarcasm == WINKING, "，" + _pick(rng, frames.HINTS, size), "")
    return np.where(first, feeling + "，", ""), np.where(first | (feeling == ""), "", "，" + feeling) + wink


def _ending(rng: np.random.Generator, meaning: Meaning, wordy: np.ndarray) -> np.ndarray:
    winks = meaning.sarcasm == WINKING
    wish = _maybe(rng, 0.3 * (wordy & ~winks), "，" + _pick_by(rng, frames.WISHES, meaning.tone))
    sneering = _pick(rng, frames.SNEERING, len(wordy))
    marks = np.where(meaning.sarcasm == PLAIN, _pick_by(rng, frames.ENDINGS, meaning.tone), sneering)
    return wish + _maybe(rng, np.where(winks, 0.3, 0.7), marks)


def _fill(rng: np.random.Generator, text: np.ndarray) -> np.ndarray:
    """Fill the slots, also those that stand in a text more than once."""
    for name, fillers in SLOTS.items():
        slot = f"{{{name}}}"
        while len(rows := np.flatnonzero(np.strings.find(text, slot) >= 0)):
            text[rows] = np.strings.replace(text[rows], slot, _pick(rng, fillers, len(rows)), 1)
    return text
