"""The table of events: what customers look at and do in a session, which tells its purpose only in part.

A session begins with the login. How many pages follow, which, and for how long depends on the hidden state; the
shares overlap, so that a page never gives the state away: application forms are also opened by those who explore, help
is also read in a routine session. Pages come in the order in which a visit goes, with some going back and forth.

Which product a product page shows is chance, apart from one thing: a product that the customer will open within 30
days is looked at more often than others. On 2025-03-01 the app's page home is renamed to start.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from bankmine.bank.contract import PRODUCTS
from demobank.arrow import keys, timestamps, words
from demobank.books.accounts import Accounts
from demobank.books.bookings import CURRENT
from demobank.customers.world import World
from demobank.streams import Streams
from demobank.web.sessions import LONGEST, STATES, Sessions, launch_day, session_ids

# page: share among the pages after the login in each of STATES, median seconds, place in the order of a visit
_PAGES = {
    "home": ((0.23, 0.11, 0.08, 0.11), 6, 0.0),
    "balance": ((0.27, 0.10, 0.09, 0.08), 12, 1.0),
    "statement": ((0.11, 0.04, 0.03, 0.05), 35, 1.5),
    "search": ((0.02, 0.09, 0.04, 0.07), 14, 1.0),
    "cards": ((0.07, 0.04, 0.03, 0.04), 18, 1.5),
    "product": ((0.03, 0.30, 0.23, 0.03), 45, 2.0),
    "rate_table": ((0.01, 0.16, 0.06, 0.02), 30, 2.0),
    "loan_calculator": ((0.01, 0.07, 0.08, 0.01), 60, 2.5),
    "transfer": ((0.18, 0.04, 0.06, 0.11), 40, 2.0),
    "settings": ((0.03, 0.01, 0.01, 0.08), 25, 2.0),
    "application_form": ((0.01, 0.02, 0.26, 0.02), 120, 3.5),
    "help": ((0.02, 0.01, 0.01, 0.18), 50, 3.0),
    "chat": ((0.005, 0.005, 0.01, 0.10), 140, 3.5),
    "error": ((0.005, 0.005, 0.01, 0.10), 10, 2.5),
}
_SHARES = np.array([shares for shares, _, _ in _PAGES.values()]).T
_LATER = np.array([2.0, 3.6, 3.6, 3.4])
"""Pages expected after the login in each of STATES."""

_SHOWN = PRODUCTS[CURRENT + 1 :]
_POPULAR = np.array([0.16, 0.2, 0.2, 0.12, 0.08, 0.16, 0.08])
"""Share of the product pages that shows each of _SHOWN."""

PLANTED: dict[str, float] = {
    **{
        f"events.share.{state}.{page}": float(_SHARES[i, j])
        for i, state in enumerate(STATES)
        for j, page in enumerate(_PAGES)
    },
    **{f"events.pages.{state}": float(later) for state, later in zip(STATES, _LATER, strict=True)},
    # added to the share (the shares sum to 1) of a product that is to be opened within that many days
    "events.interest.weight": 1.2,
    "events.interest.days": 30,
}

PAGES = ("login", *_PAGES, "start", *(f"product_{name}" for name in _SHOWN))
LOGIN, HOME, PRODUCT, START = (PAGES.index(name) for name in ("login", "home", "product", "start"))
_MEDIAN = np.array([8, *(median for _, median, _ in _PAGES.values())])
_PLACE = np.array([-15, *(place for _, _, place in _PAGES.values())])
_HASTE = np.array([0.85, 1.15, 1.1, 1.35])
"""Multiplies the seconds on a page in each of STATES."""
_SPREAD = 0.7

ACTIONS = ("view", "login", "search", "confirm", "fill", "send", "failed", "cancel")
# page: what is done there when it works, and when it does not
_DONE = {
    "login": ("login", "failed"), "search": ("search", "search"), "transfer": ("confirm", "cancel"),
    "settings": ("confirm", "cancel"), "application_form": ("fill", "cancel"), "chat": ("send", "cancel"),
}  # fmt: skip
_ACTION = np.array([[ACTIONS.index(a) for a in _DONE.get(page, ("view", "view"))] for page in PAGES[:START]])
_WORKS = np.array([0.96, 0.94, 0.93, 0.7])
"""Chance that something works in each of STATES."""


def events(world: World, accounts: Accounts, sessions: Sessions, streams: Streams) -> pa.Table:
    """Return the block's events as a table, in order of customer and time."""
    session, page = _visits(streams("events/pages"), sessions)
    tenths = _tenths(streams("events/seconds"), sessions.state[session], page)
    after = _since_login(session, tenths)
    in_time = after < LONGEST
    session, page, tenths, after = (a[in_time] for a in (session, page, tenths, after))
    works = streams("events/actions").random(len(page)) < _WORKS[sessions.state[session]]
    named = _named(streams("events/products"), world, accounts, sessions, session, page)
    return pa.table(
        {
            "customer_id": keys("C", world.first + sessions.customer[session], 7),
            "at": timestamps(world.calendar, sessions.day[session], sessions.second[session] + after),
            "channel": words(sessions.mobile[session], ("online", "mobile")),
            "page": words(named, PAGES),
            "action": words(_ACTION[page, np.where(works, 0, 1)], ACTIONS),
            "seconds": pa.array(tenths / 10),
            "session_id": session_ids(sessions.number[session]),
        }
    )


def _visits(rng: np.random.Generator, sessions: Sessions) -> tuple[np.ndarray, np.ndarray]:
    """Return session and page of each event, in order."""
    count = rng.poisson(_LATER[sessions.state])
    later = np.repeat(np.arange(len(count)), count)
    limits = _SHARES.cumsum(axis=1)[:, :-1]
    chance = rng.random(len(later))
    page = np.empty(len(later), dtype=np.int64)
    for state, limit in enumerate(limits):
        here = sessions.state[later] == state
        page[here] = 1 + np.searchsorted(limit, chance[here], side="right")
    session = np.concatenate([np.arange(len(count)), later])
    page = np.concatenate([np.full(len(count), LOGIN), page])
    place = _PLACE[page] + 0.8 * rng.standard_normal(len(page))
    order = np.argsort(session * 100.0 + place)
    return session[order], page[order]


def _tenths(rng: np.random.Generator, state: np.ndarray, page: np.ndarray) -> np.ndarray:
    """Draw tenths of seconds spent on each page."""
    seconds = _MEDIAN[page] * _HASTE[state] * np.exp(_SPREAD * rng.standard_normal(len(page)))
    return np.rint(10 * np.clip(seconds, 1, LONGEST)).astype(np.int64)


def _since_login(session: np.ndarray, tenths: np.ndarray) -> np.ndarray:
    """Return whole seconds from the start of the session to each page."""
    before = tenths.cumsum() - tenths
    start = np.flatnonzero(np.diff(session, prepend=-1))
    return (before - np.repeat(before[start], np.diff(start, append=len(session)))) // 10


def _named(
    rng: np.random.Generator, world: World, accounts: Accounts, sessions: Sessions, session: np.ndarray,
    page: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Return the page as it is written: with its product, and with the name of the time."""
    named, chance = page.copy(), rng.random(len(page))
    shows = np.flatnonzero(page == PRODUCT)
    customer, day = sessions.customer[session[shows]], sessions.day[session[shows]]
    soon = accounts.opened[customer, CURRENT + 1 :] - day[:, None]
    ahead = (soon > 0) & (soon <= PLANTED["events.interest.days"])
    limits = (_POPULAR + PLANTED["events.interest.weight"] * ahead).cumsum(axis=1)
    named[shows] = START + 1 + (chance[shows, None] * limits[:, -1:] > limits[:, :-1]).sum(axis=1)
    new = sessions.mobile[session] & (sessions.day[session] >= launch_day(world.calendar))
    named[(page == HOME) & new] = START
    return named
