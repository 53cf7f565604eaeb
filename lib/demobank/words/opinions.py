"""What customers think when they write: satisfaction, sentiment, rating, sarcasm and mixed messages.

Answers to surveys follow a latent satisfaction: higher for engaged customers, lower on fees and interest than on
service, and much lower while a complaint of the customer is open. Sentiment and rating are two noisy readings of it.
Complaints, questions and praise have the sentiment that belongs to them, but for a few. Complaints are rated less often
than surveys.
"""

from __future__ import annotations

import numpy as np

from demobank.customers.complaints import TOPICS, Complaints
from demobank.customers.world import World
from demobank.words.texts import IRONICAL, NEGATIVE, NEUTRAL, PLAIN, POSITIVE, PRETENDING, WINKING, Meaning

KINDS = ("complaint", "question", "praise", "survey")
COMPLAINT, QUESTION, PRAISE, SURVEY = range(len(KINDS))

PLANTED = {
    "feedback.sarcastic_share_of_negative": 0.14,
    "feedback.understated_share": 0.05,
    "feedback.overstated_share_of_neutral": 0.06,
    "feedback.two_topics_share": 0.06,
    "feedback.torn_share_of_opinions": 0.08,
    "feedback.survey_satisfaction": 3.55,
    "feedback.survey_satisfaction_by_engagement": 0.35,
    "feedback.survey_satisfaction_open_complaint": -1.1,
    "feedback.survey_satisfaction_fee": -0.5,
    "feedback.survey_satisfaction_app": 0.0,
    "feedback.survey_satisfaction_service": 0.25,
    "feedback.survey_satisfaction_card": 0.1,
    "feedback.survey_satisfaction_loan": -0.1,
    "feedback.survey_satisfaction_interest": -0.3,
    "feedback.survey_satisfaction_security": -0.15,
    "feedback.rated_complaint": 0.35,
    "feedback.rated_question": 0.15,
    "feedback.rated_praise": 0.6,
    "feedback.rated_survey": 0.9,
}
"""Shares of sarcastic messages, of those that sound neutral but are not, of neutral ones that sound like complaints, of
those with two topics, of positive or negative ones that concede the opposite; what satisfaction, on the scale of 1 to
5, consists of; share of each kind that has a rating."""

# rows: complaint, question, praise; columns: SENTIMENTS
_SENTIMENT_SHARES = np.array([[0.93, 0.07, 0.0], [0.15, 0.82, 0.03], [0.0, 0.03, 0.97]])
_LEVEL = np.array([1.5, 3.1, 4.6])
"""Mean satisfaction behind each sentiment, outside surveys."""
_SPREAD, _DOUBT = 0.85, 0.35
_UNHAPPY, _HAPPY = 2.7, 3.6
_WAYS = (0.25, 0.6)
"""Share of the sarcastic that pretend, and that pretend or are ironical."""


def open_complaints(complaints: Complaints, world: World, customer: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Tell how many complaints of each customer are open on each day, shape (n,)."""
    length = world.calendar.length
    change = np.zeros((len(world), length + 1), dtype=np.int16)
    np.add.at(change, (complaints.customer, complaints.day), 1)
    np.add.at(change, (complaints.customer, np.minimum(complaints.settled, length)), -1)
    return change.cumsum(axis=1)[customer, day]


def satisfaction(
    rng: np.random.Generator, engagement: np.ndarray, topic: np.ndarray, waiting: np.ndarray
) -> np.ndarray:
    """Draw the satisfaction of customers who answer a survey, about on the scale of 1 to 5.

    Parameters
    ----------
    engagement
        Trait of the customer, shape (answers,).
    topic
        What the survey asks about, shape (answers,).
    waiting
        Whether a complaint of the customer is open, shape (answers,).
    """
    of_topic = np.array([PLANTED[f"feedback.survey_satisfaction_{name}"] for name in TOPICS])
    mean = PLANTED["feedback.survey_satisfaction"] + of_topic[topic]
    mean = mean + PLANTED["feedback.survey_satisfaction_by_engagement"] * engagement
    mean = mean + PLANTED["feedback.survey_satisfaction_open_complaint"] * waiting
    return mean + _SPREAD * rng.standard_normal(len(topic))


def sentiments(rng: np.random.Generator, kind: np.ndarray, content: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draw sentiment and rating, 1 to 5 and 0 where there is none, given the satisfaction of those who are surveyed."""
    chance, given = rng.random((2, len(kind)))
    doubt, spread = rng.standard_normal((2, len(kind)))
    limits = _SENTIMENT_SHARES.cumsum(axis=1)[np.minimum(kind, PRAISE), :-1]
    drawn = (chance[:, None] > limits).sum(axis=1)
    felt = content + _DOUBT * doubt
    told = np.select([felt < _UNHAPPY, felt > _HAPPY], [NEGATIVE, POSITIVE], NEUTRAL)
    sentiment = np.where(kind == SURVEY, told, drawn)
    level = np.where(kind == SURVEY, content, _LEVEL[sentiment] + 0.6 * spread)
    rated = given < np.array([PLANTED[f"feedback.rated_{name}"] for name in KINDS])[kind]
    return sentiment, np.where(rated, np.clip(np.rint(level), 1, 5), 0).astype(np.int64)


def meanings(rng: np.random.Generator, kind: np.ndarray, topic: np.ndarray, sentiment: np.ndarray) -> Meaning:
    """Draw which messages are sarcastic, tell of a second topic, or concede the opposite."""
    sneers, way, doubles, tears, other, restraint = rng.random((6, len(kind)))
    shown = _shown(restraint, sentiment)
    sarcastic = (
        (sentiment == NEGATIVE) & (shown == NEGATIVE) & (sneers < PLANTED["feedback.sarcastic_share_of_negative"])
    )
    sarcasm = np.where(sarcastic, np.select([way < _WAYS[0], way < _WAYS[1]], [PRETENDING, IRONICAL], WINKING), PLAIN)
    double = ~sarcastic & (doubles < PLANTED["feedback.two_topics_share"])
    torn = ~sarcastic & ~double & (shown != NEUTRAL) & (tears < PLANTED["feedback.torn_share_of_opinions"])
    elsewhere = (topic + 1 + (other * (len(TOPICS) - 1)).astype(np.int64)) % len(TOPICS)
    # half of those who concede something concede it on another topic
    second = np.where(double | (torn & (doubles < 0.5)), elsewhere, -1)
    return Meaning(topic, second, sentiment, shown, sarcasm, torn, asks=kind <= QUESTION)


def _shown(restraint: np.ndarray, sentiment: np.ndarray) -> np.ndarray:
    """Return the sentiment that is shown: some sound neutral and are not, some like a complaint and just report."""
    less = (sentiment != NEUTRAL) & (restraint < PLANTED["feedback.understated_share"])
    more = (sentiment == NEUTRAL) & (restraint < PLANTED["feedback.overstated_share_of_neutral"])
    return np.select([less, more], [NEUTRAL, NEGATIVE], sentiment)
