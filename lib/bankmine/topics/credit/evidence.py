"""Evidence of credit: what was foretold and decided of whom, and what was found on the way, for validators."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pandas as pd

from bankmine.errors import BankmineError
from bankmine.study.evidence import rows_of

if TYPE_CHECKING:
    from bankmine.topics.credit.study import BankCredit


def evidence(study: BankCredit) -> dict[str, pd.DataFrame]:
    """Return what a study of credit hands on to validators, as far as it is there; the page says why the rest is not.

    `credit_judged`: rows as of `study.evidence` with `application_id`, of those judged whether the cut-off `granted`,
    and what granting earns `if_good` and `if_bad` at the terms asked for; `credit_policies`: what each policy earned on
    the applicants judged and on those before; `credit_refused`: what was assumed of refused applicants;
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
    price = study.costs(study.fitted[0].rows)
    decided = pd.DataFrame({"granted": ~study.acted.iloc[:, 0].astype(bool), "if_good": price.fp, "if_bad": -price.fn})
    rows = rows_of(study).join(decided).join(study.beside["application_id"])
    return rows.set_index("customer_id")


def _policies(study: BankCredit) -> pd.DataFrame:
    found = pd.concat({"judged": study.earned, "before": study.earned_before}, names=["applicants"])
    return found.reset_index("policy")


def _refused(study: BankCredit) -> pd.DataFrame:
    assumed = study.inference.refused
    own = study.beside["application_id"].loc[assumed.index]
    return assumed.assign(application_id=own).set_index(study.sample.entity.loc[assumed.index].rename("customer_id"))


def _pairs(study: BankCredit) -> pd.DataFrame:
    return study.seen.pairs.rename_axis("number")
