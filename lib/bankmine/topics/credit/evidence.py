"""Evidence of credit: what was foretold and decided of whom, and what was found on the way, for validators."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pandas as pd

from bankmine.errors import BankmineError
from bankmine.study.evidence import JUDGED, rows_of

if TYPE_CHECKING:
    from bankmine.learning.sample import Sample
    from bankmine.topics.credit.study import BankCredit

BEFORE = "before"


def evidence(study: BankCredit) -> dict[str, pd.DataFrame]:
    """Return what a study of credit hands on to validators, as far as it is there; the page says why the rest is not.

    `credit_judged`: rows as of `study.evidence` with `application_id`, of those judged and those `before`, by whom
    policies are chosen, whether the cut-off `granted`, and what granting earns `if_good` and `if_bad`, as asked for;
    `credit_policies`: what each policy earned on both; `credit_refused`: what was assumed of refused applicants;
    `credit_pairs`: pairs of predictors by what they add together; `credit_old_proxies`: what carried an attribute into
    the bank's own refusals.
    """
    parts = {
        "credit_judged": _judged, "credit_policies": _policies, "credit_refused": _refused, "credit_pairs": _pairs,
        "credit_old_proxies": lambda study: study.old_proxies,
    }  # fmt: skip
    found = {}
    for name, make in parts.items():
        with suppress(BankmineError):
            found[name] = make(study)
    return found


def _judged(study: BankCredit) -> pd.DataFrame:
    rows = rows_of(study).join(_decided(study, study.fitted[0].rows, study.acted))
    own = study.sample.at(study.before)
    before = pd.DataFrame({"customer_id": own.entity, "day": own.day, "part": BEFORE, "outcome": own.target})
    before = before.assign(chance=study.chances(own)).join(_decided(study, own, study.acted_before))
    return pd.concat([rows, before]).join(study.beside["application_id"]).set_index("customer_id")


def _decided(study: BankCredit, rows: Sample, acted: pd.DataFrame) -> pd.DataFrame:
    price = study.costs(rows)
    return pd.DataFrame({"granted": ~acted.iloc[:, 0].astype(bool), "if_good": price.fp, "if_bad": -price.fn})


def _policies(study: BankCredit) -> pd.DataFrame:
    found = pd.concat({JUDGED: study.earned, BEFORE: study.earned_before}, names=["applicants"])
    return found.reset_index("policy")


def _refused(study: BankCredit) -> pd.DataFrame:
    assumed = study.inference.refused
    own = study.beside["application_id"].loc[assumed.index]
    return assumed.assign(application_id=own).set_index(study.sample.entity.loc[assumed.index].rename("customer_id"))


def _pairs(study: BankCredit) -> pd.DataFrame:
    return study.seen.pairs.rename_axis("number")
