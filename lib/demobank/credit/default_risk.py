"""Whether a credit is repaid: the true probability of default within twelve months, and what came of it.

The log-odds are a sum of effects of the latent credit risk, of what the bank sees (`credit_files`) and of the economy
(a slow random walk that comes back to zero). Use of credit lines is U-shaped: people who use none of their lines and
people who use all default more often than those between. High use together with many inquiries is worse than the two
add up to. From `WEAKENS_FROM` on tenure in the job says less: the concept drift. Gender and the employer's sector have
no effect, nor have channel, dependants and months at the address.

Default means 90 days past due on the credit within twelve months; it shows in four to twelve months. It is an outcome
of the credit, not of the person, and the demo bank's ledger books no arrears.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demobank.books.bookings import CREDIT_CARD, MORTGAGE
from demobank.credit.credit_demand import PURPOSES, Requests, day_of
from demobank.credit.credit_files import CreditFiles
from demobank.credit.credit_people import MOSTLY_WOMEN, OWN, RENT, SECTORS
from demobank.customers.world import World
from demobank.seasons import Calendar
from demobank.streams import Streams

PLANTED = {
    "default.constant": -5.35,
    "default.credit_risk": 0.65,
    "default.debt_to_income": 2.1,
    "default.delinquencies": 0.75,
    "default.employment": -0.45,
    "default.employment_weakened": -0.2,
    "default.inquiries": 0.13,
    "default.oldest_line": -0.3,
    "default.no_file": 1.8,
    "default.renting": 0.4,
    "default.owning": -0.3,
    "default.business": 0.3,
    "default.card": -0.1,
    "default.mortgage": -1.0,
    "default.utilisation": 6.5,
    "default.utilisation_best": 0.45,
    "default.interaction": 1.8,
    "default.interaction_utilisation": 0.65,
    "default.interaction_inquiries": 4.0,
    "default.sector": 0.0,
    "default.gender": 0.0,
}
"""Effects on the log-odds of default: for one more unit of the latent credit risk, of debt to income and of
delinquencies (at most 4), of inquiries (at most 8); for the logarithm of one more than the months in the job and of one
more than the years since the first credit; for those whom the name says; for the square of the distance of utilisation
from the best; and for applicants at or above both bounds of the interaction. Zero is planted too, for the sectors in
which mostly women work and for women."""

WEAKENS_FROM = "2024-10-01"
"""Day of application from which tenure in the job says less."""
_USUAL_TENURE, _USUAL_HISTORY = 3.5, 2.0
_WALK_KEEPS, _WALK_STEP = 0.9, 0.06
_EARLIEST = 120


@dataclass(frozen=True)
class DefaultRisk:
    """One value an application."""

    log_odds: np.ndarray
    from_risk: np.ndarray
    """Parts of the log-odds: of the latent credit risk, and so on."""
    from_utilisation: np.ndarray
    from_interaction: np.ndarray
    from_employment: np.ndarray
    from_economy: np.ndarray
    probability: np.ndarray
    defaults: np.ndarray
    """Whether the credit defaults, or would if it were given."""
    known: np.ndarray
    """Day on which that is known."""


def draw_default_risk(world: World, requests: Requests, files: CreditFiles, streams: Streams) -> DefaultRisk:
    """Compute the true probability of each application, and draw what comes of it."""
    risk = PLANTED["default.credit_risk"] * world.trait("credit_risk")[requests.customer]
    utilisation, interaction = _of_utilisation(files)
    employment = _of_employment(world.calendar, requests, files)
    economy = _economy(streams, world.calendar)[requests.day]
    parts = (risk, utilisation, interaction, employment, economy)
    log_odds = sum(parts) + _of_history(files) + _of_applicant(requests, files, world.female[requests.customer])
    probability = np.round(1 / (1 + np.exp(-log_odds)), 6)
    rng = streams("default_risk/outcomes")
    defaults = rng.random(len(requests)) < probability
    days_in = _EARLIEST + np.floor(rng.beta(1.3, 1.5, len(requests)) * (365 - _EARLIEST)).astype(np.int64)
    known = np.where(defaults, requests.day + days_in, a_year_later(world.calendar, requests.day))
    return DefaultRisk(log_odds, *parts, probability, defaults, known)


def _of_utilisation(files: CreditFiles) -> tuple[np.ndarray, np.ndarray]:
    away = files.utilisation - PLANTED["default.utilisation_best"]
    high = files.utilisation >= PLANTED["default.interaction_utilisation"]
    both = files.has_file & high & (files.inquiries >= PLANTED["default.interaction_inquiries"])
    alone = np.where(files.has_file, PLANTED["default.utilisation"] * away**2, 0.0)
    return alone, PLANTED["default.interaction"] * both


def _of_employment(calendar: Calendar, requests: Requests, files: CreditFiles) -> np.ndarray:
    weakened = requests.day >= day_of(calendar, WEAKENS_FROM)
    effect = np.where(weakened, PLANTED["default.employment_weakened"], PLANTED["default.employment"])
    return effect * (np.log1p(files.employment) - _USUAL_TENURE)


def _of_history(files: CreditFiles) -> np.ndarray:
    of_file = (
        PLANTED["default.delinquencies"] * np.minimum(files.delinquencies, 4)
        + PLANTED["default.inquiries"] * np.minimum(files.inquiries, 8)
        + PLANTED["default.oldest_line"] * (np.log1p(files.oldest_line / 12) - _USUAL_HISTORY)
    )
    return np.where(files.has_file, of_file, PLANTED["default.no_file"])


def _of_applicant(requests: Requests, files: CreditFiles, female: np.ndarray) -> np.ndarray:
    return (
        PLANTED["default.constant"]
        + PLANTED["default.debt_to_income"] * np.minimum(files.debt_to_income, 2.0)
        + PLANTED["default.renting"] * (files.housing == RENT)
        + PLANTED["default.owning"] * (files.housing == OWN)
        + PLANTED["default.business"] * (requests.purpose == PURPOSES.index("business"))
        + PLANTED["default.card"] * (requests.product == CREDIT_CARD)
        + PLANTED["default.mortgage"] * (requests.product == MORTGAGE)
        + PLANTED["default.sector"] * np.isin(files.sector, [SECTORS.index(name) for name in MOSTLY_WOMEN])
        + PLANTED["default.gender"] * female
    )


def _economy(streams: Streams, calendar: Calendar) -> np.ndarray:
    """Return what the economy adds on each day, the same in every block, shape (length,)."""
    step = _WALK_STEP * streams.common("default_risk/economy").standard_normal(calendar.months)
    level = np.zeros(calendar.months + 1)
    for month in range(calendar.months):
        level[month + 1] = _WALK_KEEPS * level[month] + step[month]
    return np.round(level[1:], 6)[calendar.month]


def a_year_later(calendar: Calendar, day: np.ndarray) -> np.ndarray:
    """Return the same date a year later; 28 February for 29 February."""
    date = calendar.start + day
    month = date.astype("datetime64[M]")
    of_month = (date - month.astype("datetime64[D]")).astype(np.int64)
    first, after = ((month + 12 + more).astype("datetime64[D]") for more in (0, 1))
    of_month = np.minimum(of_month, (after - first).astype(np.int64) - 1)
    return (first - calendar.start).astype(np.int64) + of_month
