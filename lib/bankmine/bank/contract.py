"""The contract: tables and columns that analyses rely on, and when each value becomes known.

Declared once, here. `checks` turns it into rules, `snapshot` into point-in-time cuts, and
`data/README.md` prints it as the data dictionary (a test holds the two together).
"""

from __future__ import annotations

from dataclasses import dataclass, field

PRODUCTS = (
    "current", "savings", "term_deposit", "credit_card", "personal_loan", "mortgage", "fund", "insurance",
)  # fmt: skip
DEPOSITS = ("current", "savings", "term_deposit")
DEBTS = ("credit_card", "personal_loan", "mortgage")

# Open vocabularies: a bank may use other words, features count those as "other".
CHANNELS = ("branch", "atm", "pos", "online", "mobile", "call_centre", "internal")
CATEGORIES = (
    "groceries", "dining", "shopping", "transport", "travel", "housing", "utilities", "health", "education",
    "entertainment", "insurance", "loan", "fee", "interest", "cash", "transfer",
)  # fmt: skip
INCOME_KINDS = ("salary", "pension")


@dataclass(frozen=True)
class Column:
    """One column: its type, whether a row can live without it, and which values it may hold."""

    name: str
    type: str
    meaning: str
    required: bool = False
    values: tuple[str, ...] = ()
    positive: bool = False
    non_negative: bool = False
    known_on: str | None = None
    """Column with the day on which the value became known; None where it is known with its row."""


@dataclass(frozen=True)
class Table:
    """One table: its key, the column with the event time, and the tables it refers to."""

    name: str
    meaning: str
    key: tuple[str, ...]
    time: str
    columns: tuple[Column, ...]
    required: bool = False
    parents: dict[str, str] = field(default_factory=dict)
    """Referring column -> table whose key it holds."""

    def __getitem__(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns of the contract, in order."""
        return tuple(c.name for c in self.columns)


def _required(name: str, type: str, meaning: str, **rules) -> Column:
    return Column(name, type, meaning, required=True, **rules)


_CUSTOMERS = Table(
    "customers", "one row a customer", key=("customer_id",), time="joined_on", required=True,
    columns=(
        _required("customer_id", "string", "the bank's key of the customer"),
        _required("joined_on", "date", "first day of the relationship"),
        Column("birth_date", "date", "day of birth"),
        Column("gender", "string", "female or male, empty where unknown"),
        Column("region", "string", "province, city or district of residence"),
        Column("city_tier", "int64", "1 (largest cities) to 4"),
        Column("occupation", "string", "occupation as the bank codes it"),
        Column("education", "string", "highest degree"),
        Column("marital_status", "string", "single, married, divorced or widowed"),
        Column("annual_income", "float64", "stated income a year, in the source's currency", non_negative=True),
        Column("marketing_consent", "boolean", "agreed to be contacted with offers"),
        Column("profiling_consent", "boolean", "agreed to personalised treatment"),
    ),
)  # fmt: skip
_ACCOUNTS = Table(
    "accounts", "one row a contract: current accounts, deposits, cards, loans, funds, policies",
    key=("account_id",), time="opened_on", required=True, parents={"customer_id": "customers"},
    columns=(
        _required("account_id", "string", "the bank's key of the account"),
        _required("customer_id", "string", "its owner"),
        _required("product", "string", "kind of contract", values=PRODUCTS),
        _required("opened_on", "date", "day it was opened"),
        Column("closed_on", "date", "day it was closed, empty while open", known_on="closed_on"),
        Column("credit_limit", "float64", "limit, or amount lent", non_negative=True),
        Column("interest_rate", "float64", "a year, as a fraction: 0.035 is 3.5 %"),
    ),
)  # fmt: skip
_TRANSACTIONS = Table(
    "transactions", "one row a booking", key=("transaction_id",), time="at", required=True,
    parents={"account_id": "accounts"},
    columns=(
        _required("transaction_id", "string", "the bank's key of the booking"),
        _required("account_id", "string", "account booked on"),
        _required("at", "timestamp", "local time; midnight exactly where only the day is known"),
        _required("amount", "float64", "above zero, in the source's currency", positive=True),
        _required("direction", "string", "in: money arrives; out: money leaves", values=("in", "out")),
        Column("kind", "string", "salary, pension, card, transfer, cash, fee, interest, loan_payment, …"),
        Column("channel", "string", "where it was started: " + ", ".join(CHANNELS)),
        Column("category", "string", "what it was for: " + ", ".join(CATEGORIES)),
        Column("merchant_id", "string", "where it was spent"),
        Column("counterparty", "string", "account at the other end"),
        Column("country", "string", "ISO 3166 code of the place"),
        Column("device_id", "string", "phone or computer used"),
        Column("balance_after", "float64", "balance of the account after the booking"),
        Column("is_fraud", "boolean", "confirmed fraud", known_on="fraud_known_on"),
        Column("fraud_known_on", "date", "day the fraud label became known", known_on="fraud_known_on"),
    ),
)  # fmt: skip
_BALANCES = Table(
    "balances", "one row an account and month end", key=("account_id", "month_end"), time="month_end",
    parents={"account_id": "accounts"},
    columns=(
        _required("account_id", "string", "account"),
        _required("month_end", "date", "last day of the month"),
        _required("balance", "float64", "at the end of that day; what is owed is below zero"),
    ),
)  # fmt: skip
_APPLICATIONS = Table(
    "applications", "one row an application for credit", key=("application_id",), time="applied_on",
    parents={"customer_id": "customers"},
    columns=(
        _required("application_id", "string", "the bank's key of the application"),
        _required("customer_id", "string", "applicant"),
        _required("applied_on", "date", "day of the application"),
        _required("product", "string", "credit asked for", values=PRODUCTS),
        _required("amount", "float64", "asked for", positive=True),
        Column("term_months", "int64", "months to repay", non_negative=True),
        Column("approved", "boolean", "decision"),
        Column("defaulted", "boolean", "not repaid as agreed", known_on="outcome_known_on"),
        Column("outcome_known_on", "date", "day the outcome became known", known_on="outcome_known_on"),
    ),
)  # fmt: skip
_EVENTS = Table(
    "events", "one row a page view or action in app and web", key=(), time="at", parents={"customer_id": "customers"},
    columns=(
        _required("customer_id", "string", "who"),
        _required("at", "timestamp", "local time"),
        Column("channel", "string", "mobile or online"),
        Column("page", "string", "page or screen"),
        Column("action", "string", "what was done there"),
        Column("seconds", "float64", "time spent", non_negative=True),
    ),
)  # fmt: skip
_CONTACTS = Table(
    "contacts", "one row an offer made to a customer, or held back from a control", key=("contact_id",),
    time="contacted_on", parents={"customer_id": "customers"},
    columns=(
        _required("contact_id", "string", "the bank's key of the contact"),
        _required("customer_id", "string", "who"),
        _required("campaign", "string", "campaign"),
        _required("contacted_on", "date", "day of the contact, also for the control group"),
        Column("channel", "string", "how"),
        Column("offer", "string", "what was offered"),
        Column("treated", "boolean", "false: held back as control"),
        Column("responded", "boolean", "took the offer", known_on="responded_on"),
        Column("responded_on", "date", "day of the response, or on which the offer lapsed", known_on="responded_on"),
        Column("cost", "float64", "of the contact", non_negative=True),
        Column("revenue", "float64", "that followed", known_on="responded_on"),
    ),
)  # fmt: skip
_FEEDBACK = Table(
    "feedback", "one row a complaint, question or praise", key=("ticket_id",), time="at",
    parents={"customer_id": "customers"},
    columns=(
        _required("ticket_id", "string", "the bank's key of the ticket"),
        _required("customer_id", "string", "who"),
        _required("at", "timestamp", "local time"),
        Column("channel", "string", "where it came in"),
        Column("kind", "string", "complaint, question, praise, survey"),
        Column("text", "string", "as written"),
        Column("rating", "int64", "1 (worst) to 5"),
        Column("resolved_on", "date", "day it was settled", known_on="resolved_on"),
    ),
)  # fmt: skip
_RELATIONS = Table(
    "relations", "one row a tie between two customers", key=("from_id", "to_id", "kind"), time="since",
    parents={"from_id": "customers", "to_id": "customers"},
    columns=(
        _required("from_id", "string", "customer"),
        _required("to_id", "string", "customer"),
        _required("kind", "string", "family, employer, payment, referral, …"),
        _required("since", "date", "day it was first known"),
        Column("weight", "float64", "strength"),
    ),
)  # fmt: skip
_STAFF_ACTIONS = Table(
    "staff_actions", "one row a thing done by staff in the bank's systems", key=("action_id",), time="at",
    columns=(
        _required("action_id", "string", "key"),
        _required("staff_id", "string", "who did it"),
        _required("at", "timestamp", "local time"),
        _required("action", "string", "what"),
        Column("customer_id", "string", "to whose record"),
        Column("amount", "float64", "of the booking, if any"),
    ),
)  # fmt: skip
_MARKET = Table(
    "market", "one row a day and series: rates, exchange rates, indices", key=("day", "series"), time="day",
    columns=(
        _required("day", "date", "day of the value"),
        _required("series", "string", "name"),
        _required("value", "float64", "value at the end of the day"),
    ),
)  # fmt: skip

TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        _CUSTOMERS, _ACCOUNTS, _TRANSACTIONS, _BALANCES, _APPLICATIONS, _EVENTS, _CONTACTS, _FEEDBACK, _RELATIONS,
        _STAFF_ACTIONS, _MARKET,
    )
}  # fmt: skip
"""Every table of the contract, parents before children."""
