"""Feedback: complaints, questions, praise and answers to surveys, in the customers' words.

Complaints are those of the customers' lives (`complaints`), with their topic and the day on which they were settled.
The other kinds are Poisson processes while a customer is with the bank: engaged customers ask more, loyal ones praise
more, surveys are sent to anybody who is active. In all about ten thousand tickets of 5,000 customers in three years.
Digital customers write in the app, others call or come to the branch in its opening hours. A few complaints are filed
as questions, and the other way round, and a few tickets under the wrong channel: the truth knows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from demobank.arrow import dates, keys, timestamps, words
from demobank.customers.complaints import TOPICS
from demobank.customers.lifecycle import NEVER
from demobank.customers.world import World
from demobank.streams import Streams
from demobank.words.opinions import (
    COMPLAINT,
    KINDS,
    PRAISE,
    QUESTION,
    SURVEY,
    meanings,
    open_complaints,
    satisfaction,
    sentiments,
)
from demobank.words.texts import PLAIN, SENTIMENTS, Meaning, in_use, write

CHANNELS = ("mobile", "call_centre", "branch", "online")
PER_CUSTOMER_TICKETS = 1000
"""Ticket numbers set aside for each customer."""

PLANTED = {
    "feedback.questions_a_year": 0.18,
    "feedback.praise_a_year": 0.07,
    "feedback.surveys_a_year": 0.20,
    "feedback.questions_by_engagement_log_rate": 0.3,
    "feedback.praise_by_loyalty_log_rate": 0.6,
    "feedback.complaints_filed_as_questions": 0.04,
    "feedback.questions_filed_as_complaints": 0.02,
    "feedback.wrong_channel_share": 0.015,
}
"""Rates a customer and year, what multiplies them (log scale), and shares filed wrong."""

# rows: question, praise, survey; columns: TOPICS
_TOPIC_SHARES = np.array(
    [
        [0.14, 0.24, 0.08, 0.17, 0.14, 0.15, 0.08],
        [0.06, 0.20, 0.42, 0.10, 0.08, 0.08, 0.06],
        [0.14, 0.20, 0.22, 0.13, 0.10, 0.12, 0.09],
    ]
)
_ANSWERED_DAYS = 2.0
# quartiles of the hour of the day, in the order of CHANNELS
_HOURS = np.array(
    [
        [6.5, 10.7, 15.0, 20.2, 23.95], [7.5, 10.0, 14.2, 17.0, 22.0],
        [8.7, 10.2, 13.6, 15.4, 17.2], [8.0, 10.5, 14.5, 17.0, 22.8],
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Tickets:
    """One entry a ticket, in order of customer and time; days count from the window's first."""

    customer: np.ndarray
    day: np.ndarray
    second: np.ndarray
    kind: np.ndarray
    filed_as: np.ndarray
    """Kind under which the ticket was filed."""
    channel: np.ndarray
    filed_under: np.ndarray
    """Channel under which the ticket was filed."""
    rating: np.ndarray
    """1 to 5, 0 where there is none."""
    settled: np.ndarray
    """Day of settlement, NEVER where there is nothing to settle."""
    meaning: Meaning

    def __len__(self) -> int:
        """Return the number of tickets."""
        return len(self.customer)

    @property
    def number(self) -> np.ndarray:
        """Count each customer's tickets from 0, shape (tickets,)."""
        return np.arange(len(self)) - np.searchsorted(self.customer, self.customer)


def draw_tickets(world: World, streams: Streams) -> Tickets:
    """Draw all tickets of a block."""
    customer, day, kind, topic, settled = _arrivals(world, streams)
    channel, second = _channels(streams("feedback/channels"), world, customer, day, kind)
    order = np.lexsort((second, day, customer))
    customer, day, kind, topic, settled = (a[order] for a in (customer, day, kind, topic, settled))
    channel, second = channel[order], second[order]
    rng = streams("feedback/opinions")
    waiting = open_complaints(world.complaints, world, customer, day) > 0
    content = satisfaction(rng, world.trait("engagement")[customer], topic, waiting)
    sentiment, rating = sentiments(rng, kind, content)
    meaning = meanings(streams("feedback/meanings"), kind, topic, sentiment)
    filed_as, filed_under = _filed(streams("feedback/filing"), kind, channel)
    return Tickets(customer, day, second, kind, filed_as, channel, filed_under, rating, settled, meaning)


def _arrivals(world: World, streams: Streams) -> tuple[np.ndarray, ...]:
    """Return customer, day, kind, topic and day of settlement of all tickets."""
    upset = world.complaints
    made = upset.day < world.life.left[upset.customer]
    complaint = np.full(len(upset.day), COMPLAINT)
    parts = [tuple(a[made] for a in (upset.customer, upset.day, complaint, upset.topic, upset.settled))]
    engaged = np.exp(PLANTED["feedback.questions_by_engagement_log_rate"] * world.trait("engagement"))
    loyal = np.exp(PLANTED["feedback.praise_by_loyalty_log_rate"] * world.trait("loyalty"))
    rates = {
        QUESTION: ("questions", engaged),
        PRAISE: ("praise", loyal),
        SURVEY: ("surveys", np.ones(len(world))),
    }
    for kind, (name, factor) in rates.items():
        rate = PLANTED[f"feedback.{name}_a_year"] * factor
        parts.append(_of_kind(streams(f"feedback/{name}"), world, kind, rate))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _of_kind(rng: np.random.Generator, world: World, kind: int, rate: np.ndarray) -> tuple[np.ndarray, ...]:
    """Draw a Poisson process of yearly `rate` (customers,), in step with the activity of each month."""
    calendar = world.calendar
    counts = rng.poisson(rate[:, None] / 12 * world.life.activity)
    customer, month = (np.repeat(place, counts[counts > 0]) for place in np.nonzero(counts))
    length = np.diff(calendar.month_start)[month]
    day = calendar.month_start[month] + (rng.random(len(customer)) * length).astype(np.int64)
    topic = rng.choice(len(TOPICS), len(customer), p=_TOPIC_SHARES[kind - QUESTION])
    answered = day + (_ANSWERED_DAYS * rng.standard_exponential(len(customer))).astype(np.int64)
    settled = answered if kind == QUESTION else np.full(len(day), NEVER)
    there = (day > world.joined[customer]) & (day < world.life.left[customer])
    return tuple(a[there] for a in (customer, day, np.full(len(day), kind), topic, settled))


def _channels(
    rng: np.random.Generator, world: World, customer: np.ndarray, day: np.ndarray, kind: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw channel and second of the day: the branch is for the less digital, and nearly shut on holidays."""
    digital = world.trait("digital")[customer]
    worked = np.where(world.calendar.working[-world.calendar.length :], 1.0, 0.25)[day]
    weights = np.stack(
        [np.exp(0.8 * digital), np.full(len(day), 0.7), 0.5 * np.exp(-0.6 * digital) * worked, np.full(len(day), 0.25)],
        axis=1,
    )
    weights[:, 0] *= np.where(kind == SURVEY, 2.0, 1.0)
    limits = weights.cumsum(axis=1)
    channel = (rng.random(len(day))[:, None] * limits[:, -1:] > limits[:, :-1]).sum(axis=1)
    chance, hour = rng.random(len(day)), np.empty(len(day))
    for number, quartiles in enumerate(_HOURS):
        hour[channel == number] = np.interp(chance[channel == number], (0, 0.25, 0.5, 0.75, 1), quartiles)
    return channel, (hour * 3600).astype(np.int64)


def _filed(rng: np.random.Generator, kind: np.ndarray, channel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    chance, astray, other = rng.random((3, len(kind)))
    as_question = (kind == COMPLAINT) & (chance < PLANTED["feedback.complaints_filed_as_questions"])
    as_complaint = (kind == QUESTION) & (chance < PLANTED["feedback.questions_filed_as_complaints"])
    filed_as = np.select([as_question, as_complaint], [QUESTION, COMPLAINT], kind)
    elsewhere = (channel + 1 + (other * (len(CHANNELS) - 1)).astype(np.int64)) % len(CHANNELS)
    return filed_as, np.where(astray < PLANTED["feedback.wrong_channel_share"], elsewhere, channel)


def feedback(world: World, tickets: Tickets, streams: Streams) -> pa.Table:
    """Return tickets as the table of feedback."""
    calendar = world.calendar
    text = write(streams("feedback/texts"), tickets.meaning, in_use(calendar.start + tickets.day))
    return pa.table(
        {
            "ticket_id": _ticket_ids(world, tickets),
            "customer_id": keys("C", world.first + tickets.customer, 7),
            "at": timestamps(calendar, tickets.day, tickets.second),
            "channel": words(tickets.filed_under, CHANNELS),
            "kind": words(tickets.filed_as, KINDS),
            "text": pa.array(text.tolist(), pa.string()),
            "rating": pa.array(tickets.rating, pa.int64(), mask=tickets.rating == 0),
            "resolved_on": dates(
                calendar, np.minimum(tickets.settled, calendar.length), tickets.settled >= calendar.length
            ),
        }
    )


def truth_of_feedback(world: World, tickets: Tickets, kept: int) -> pa.Table:
    """Return what each ticket of the first `kept` customers is truly about and how it is meant."""
    meaning = tickets.meaning
    table = pa.table(
        {
            "ticket_id": _ticket_ids(world, tickets),
            "topic": words(meaning.topic, TOPICS),
            "second_topic": words(meaning.second, TOPICS),
            "sentiment": words(meaning.sentiment, SENTIMENTS),
            "sarcastic": meaning.sarcasm != PLAIN,
            "mixed": meaning.mixed,
            "true_kind": words(tickets.kind, KINDS),
            "true_channel": words(tickets.channel, CHANNELS),
        }
    )
    return table.filter(pa.array(tickets.customer < kept))


def _ticket_ids(world: World, tickets: Tickets) -> pa.Array:
    return keys("F", (world.first + tickets.customer) * PER_CUSTOMER_TICKETS + tickets.number, 10)
