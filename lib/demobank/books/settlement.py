"""What customers and the bank do each month in answer to the balances: instalments, cards, deposits, interest, sweeps.

Loans are repaid by annuity. Card holders pay their statement in full or, the riskier ones, a part of it at 18 % a
year. What lies idle in the current account is moved to savings, or away from the bank by those who fade; what is
lacking is taken from savings, else from an account at another bank, so that current accounts are not overdrawn.
"""

from __future__ import annotations

import numpy as np

from demobank.books.accounts import LOANS, month_and_day
from demobank.books.bookings import CREDIT_CARD, CURRENT, PERSONAL_LOAN, SAVINGS, TERM_DEPOSIT, code
from demobank.books.dues import FRIENDS
from demobank.books.ledger import Ledger
from demobank.customers.habits import Habits, annuity
from demobank.customers.lifecycle import FADING, GONE
from demobank.streams import Streams

_HOUR = 3600
_HUNDRED = 10_000
"""A hundred yuan in cents."""
_OTHER_BANK = FRIENDS + 300_000


class Settlement:
    """The monthly mechanisms of one block; amounts in cents, shape (customers,) throughout."""

    def __init__(self, ledger: Ledger, habits: Habits, streams: Streams) -> None:
        self.ledger, self.habits = ledger, habits
        self.world, self.accounts = ledger.world, ledger.accounts
        self.rng = streams("transactions/settlement")
        size, risk = len(self.world), self.world.trait("credit_risk")
        self.repay_day = self.rng.integers(1, 29, size)
        revolves = self.rng.random(size) < 1 / (1 + np.exp(1.4 - 0.9 * risk))
        self.repaid = np.where(revolves, 0.1 + 0.3 * self.rng.random(size), 1.0)
        self.buffer = (habits.pay * 150 * np.exp(0.35 * self.rng.standard_normal(size))).astype(np.int64)
        self.elsewhere = _OTHER_BANK + self.rng.integers(0, 200_000, size)
        self.start = ledger.balance.copy()
        """Balances at the start of the month."""
        self.began, self.day_opened = month_and_day(self.world.calendar, self.accounts.opened)

    def run(self) -> None:
        """Run all months of the window."""
        for month in range(self.world.calendar.months):
            self.start = self.ledger.balance.copy()
            self.ledger.begin(month)
            for product in LOANS:
                self._loan(product, month)
            self._card(month)
            self._term_deposit(month)
            self._interest(month)
            self._refill(month)
            self._sweep(month)
            self._close(month)
            self.ledger.end(month)

    def _span(self, month: int) -> tuple[int, int]:
        first, after = self.world.calendar.month_start[month : month + 2]
        return int(first), int(after)

    def _through(self, product: int, month: int) -> np.ndarray:
        """Tell whose account was open through the whole month."""
        first, after = self._span(month)
        return (self.accounts.opened[:, product] < first) & (self.accounts.closed[:, product] >= after)

    def _day(self, month: int, low: int, high: int) -> np.ndarray:
        return self._span(month)[0] + self.rng.integers(low, high, len(self.world))

    def _how(self) -> dict[str, np.ndarray]:
        """Draw the channel of a transfer and its time, within opening hours at a branch."""
        app, chance, time = self.rng.random((3, len(self.world)))
        branch, atm, call_centre, online = (code("channel", c) for c in ("branch", "atm", "call_centre", "online"))
        other = np.select([chance < 0.55, chance < 0.7, chance < 0.78], [branch, atm, call_centre], online)
        channel = np.where(app < self.habits.mobile, code("channel", "mobile"), other)
        hour = np.where(channel == branch, 9 + 8 * time, 8 + 14 * time)
        return {"channel": channel, "second": (hour * _HOUR).astype(np.int64)}

    def _loan(self, product: int, month: int) -> None:
        self._pay_out(product, month)
        first, _ = self._span(month)
        day = first + np.minimum(self.day_opened[:, product], 28) - 1
        closed = self.accounts.closed[:, product]
        due = (self.began[:, product] < month) & (day <= closed) & (self.start[:, product] < 0)
        owed = -self.start[:, product]
        interest = np.where(due, np.rint(owed * self.accounts.rate[:, product] / 12), 0).astype(np.int64)
        self.ledger.post(product, interest, out=True, day=day, kind="interest", channel="internal", category="interest")
        owed += interest
        paid = np.where(day == closed, owed, np.minimum(owed, annuity(self.accounts, product)))
        self.ledger.move(
            CURRENT, product, np.where(due, paid, 0), day=day, second=10 * _HOUR, kind="loan_payment",
            channel="internal", category="loan",
        )  # fmt: skip

    def _pay_out(self, product: int, month: int) -> None:
        """Pay out a new loan: a mortgage to the seller, a personal loan to the customer, who soon spends most of it."""
        cents = np.where(self.began[:, product] == month, self.accounts.limit[:, product], 0)
        common = {
            "day": self.accounts.opened[:, product],
            "kind": "loan_payout",
            "channel": "branch",
            "category": "loan",
        }
        if product != PERSONAL_LOAN:
            self.ledger.post(product, cents, out=True, second=11 * _HOUR, payee=self.elsewhere, **common)
            return
        self.ledger.move(product, CURRENT, cents, second=11 * _HOUR, **common)
        self.ledger.post(
            CURRENT, cents * 9 // 10, out=True, second=14 * _HOUR, payee=self.elsewhere,
            **common | {"kind": "transfer", "category": "housing", "channel": "mobile"},
        )  # fmt: skip

    def _card(self, month: int) -> None:
        first, _ = self._span(month)
        through = self._through(CREDIT_CARD, month)
        statement = np.where(through, np.maximum(-self.start[:, CREDIT_CARD], 0), 0)
        gone = self.world.life.state[:, month] == GONE
        share = np.where(gone, 1.0, self.repaid)
        interest = np.rint(statement * (1 - share) * self.accounts.rate[:, CREDIT_CARD] / 12).astype(np.int64)
        self.ledger.post(
            CREDIT_CARD, interest, out=True, day=first + 19, kind="interest", channel="internal", category="interest"
        )
        over = -self.ledger.balance[:, CREDIT_CARD] - self.accounts.limit[:, CREDIT_CARD] * 19 // 20
        paid = np.maximum(np.rint(statement * share).astype(np.int64), np.where(through, over, 0))
        self.ledger.move(
            CURRENT, CREDIT_CARD, paid, day=first + self.repay_day - 1,
            kind="card_repayment", **self._how(), category="transfer",
        )  # fmt: skip

    def _term_deposit(self, month: int) -> None:
        """Fund a new deposit from savings, or from another bank where savings do not suffice."""
        new = self.began[:, TERM_DEPOSIT] == month
        wanted = np.maximum(self.ledger.balance[:, SAVINGS] // 2, 10_000 * 100) // (10 * _HUNDRED) * 10 * _HUNDRED
        own = wanted <= self.ledger.balance[:, SAVINGS]
        common = {
            "day": self.accounts.opened[:, TERM_DEPOSIT],
            "kind": "transfer",
            "category": "transfer",
            **self._how(),
        }
        self.ledger.move(SAVINGS, TERM_DEPOSIT, np.where(new & own, wanted, 0), **common)
        self.ledger.post(TERM_DEPOSIT, np.where(new & ~own, wanted, 0), out=False, payee=self.elsewhere, **common)

    def _interest(self, month: int) -> None:
        """Credit savings on the 21st of each quarter's last month and term deposits a year after opening."""
        quarter = self.world.calendar.month_of_year[month] % 3 == 2
        self._credit(SAVINGS, quarter / 4, np.full(len(self.world), 21), month)
        age = month - self.began[:, TERM_DEPOSIT]
        self._credit(TERM_DEPOSIT, (age > 0) & (age % 12 == 0), np.minimum(self.day_opened[:, TERM_DEPOSIT], 28), month)

    def _credit(self, product: int, years: float | np.ndarray, day_of_month: np.ndarray, month: int) -> None:
        day = self._span(month)[0] + day_of_month - 1
        cents = np.maximum(self.start[:, product], 0) * self.accounts.rate[:, product] * years
        live = day < self.accounts.closed[:, product]
        self.ledger.post(
            product, np.where(live, np.rint(cents), 0).astype(np.int64), out=False, day=day, kind="interest",
            channel="internal", category="interest",
        )  # fmt: skip

    def _refill(self, month: int) -> None:
        """Fill an empty current account early in the month: from savings, else from another bank."""
        _, after = self._span(month)
        opened = self.accounts.opened[:, CURRENT]
        here = (opened < after) & (self.accounts.closed[:, CURRENT] >= after)
        current = self.ledger.balance[:, CURRENT]
        lacking = np.where(here & (current < self.buffer * 3 // 10), self.buffer - current, 0)
        savings = np.where(self._through(SAVINGS, month), np.maximum(self.ledger.balance[:, SAVINGS], 0), 0)
        common = {
            "day": np.maximum(opened, self._day(month, 0, 8)),
            "kind": "transfer",
            "category": "transfer",
            **self._how(),
        }
        self.ledger.move(SAVINGS, CURRENT, np.minimum(lacking, savings), **common)
        missing = np.where(here, self.buffer * 3 // 10 - self.ledger.balance[:, CURRENT], 0)
        rounded = -(-np.maximum(missing, 0) // _HUNDRED) * _HUNDRED
        self.ledger.post(CURRENT, rounded, out=False, payee=self.elsewhere, **common)

    def _sweep(self, month: int) -> None:
        """Move what lies idle late in the month: to savings, or to another bank."""
        present = self._through(CURRENT, month) & (self.world.life.state[:, month] != GONE)
        idle = np.where(present, self.ledger.balance[:, CURRENT] - self.buffer * 13 // 10, 0)
        saves = self._through(SAVINGS, month)
        fading = self.world.life.state[:, month] == FADING
        away = np.select([fading, ~saves], [0.6, 0.35], 0.08) * (self.rng.random(len(self.world)) < 0.5)
        common = {"day": self._day(month, 19, 28), "kind": "transfer", "category": "transfer", **self._how()}
        leaves = (idle * away).astype(np.int64) // _HUNDRED * _HUNDRED
        self.ledger.post(CURRENT, np.maximum(leaves, 0), out=True, payee=self.elsewhere, **common)
        stays = np.where(saves & ~fading, (idle - leaves) * 4 // 5 // _HUNDRED * _HUNDRED, 0)
        self.ledger.move(CURRENT, SAVINGS, np.maximum(stays, 0), **common)

    def _close(self, month: int) -> None:
        """Settle the accounts of those who close them, and pay out what is left, on the day itself."""
        first, after = self._span(month)
        closed = self.accounts.closed[:, CURRENT]
        leaving = (closed >= first) & (closed < after)
        common = {"day": closed, "kind": "transfer", "channel": "branch", "category": "transfer"}
        for source in (SAVINGS, TERM_DEPOSIT):
            rest = np.where(leaving, self.ledger.balance[:, source], 0)
            self.ledger.move(source, CURRENT, rest, second=15 * _HOUR, **common)
        debt = np.where(leaving, -self.ledger.balance[:, CREDIT_CARD], 0)
        self.ledger.move(CURRENT, CREDIT_CARD, debt, second=15 * _HOUR + 300, **common | {"kind": "card_repayment"})
        rest = np.where(leaving, self.ledger.balance[:, CURRENT], 0)
        self.ledger.post(CURRENT, -rest, out=False, second=15 * _HOUR + 600, payee=self.elsewhere, **common)
        self.ledger.post(CURRENT, rest, out=True, second=15 * _HOUR + 900, payee=self.elsewhere, **common)
