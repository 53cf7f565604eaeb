"""Cautions: what must be said of a fraud study before anybody acts on it, each only where it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bankmine.lacking import Lacking, optional
from bankmine.topics.fraud import desk
from bankmine.topics.fraud.desk import BY_AMOUNT

if TYPE_CHECKING:
    from bankmine.topics.fraud.fraud_study import FraudStudy

FAR = 1.5
"""Frauds that came are so many times as many as were foretold, or as few, where chances are no rates any more."""
STEEP = 2.0
"""Slope from which on, or from whose inverse down, they are none either."""
_BY_LOT = 0.5


def cautions(study: FraudStudy) -> dict[str, dict[str, object]]:
    """Return by name the facts of each caution that is due."""
    checks = {
        "no_list": _no_list, "reversed": _reversed, "amount": _amount, "chances": _chances, "silent": _silent,
        "raised": _raised,
    }  # fmt: skip
    found = {name: check(study) for name, check in checks.items()}
    return {name: told for name, told in found.items() if told}


def no_rates(calibrated: pd.Series) -> bool:
    """Tell whether chances are surely, and far, from rates: facts as of `Study.calibrated`."""
    level = calibrated[["level_low", "level_high"]].to_numpy(float)
    slope = calibrated[["low", "high"]].to_numpy(float)
    off = (level > 0).all() or (level < 0).all()
    far = abs(float(calibrated["level"])) > np.log(FAR)
    steep = abs(np.log(max(float(calibrated["value"]), 1e-9))) > np.log(STEEP)
    return bool((off and far) or (steep and ((slope > 1).all() or (slope < 1).all())))


def _no_list(study: FraudStudy) -> dict[str, object] | None:
    """Say why there is no list of today."""
    listed = optional(study, "list_of_day")
    return {"why": listed.why} if isinstance(listed, Lacking) else None


def _reversed(study: FraudStudy) -> dict[str, object] | None:
    """Say that the model ranks frauds last."""
    auc = study.judged.metric("auc")
    return auc[["value", "low", "high"]].to_dict() if auc["high"] < _BY_LOT else None


def _amount(study: FraudStudy) -> dict[str, object] | None:
    """Say that the largest amounts alone save more."""
    own, first = study.earned.loc[BY_AMOUNT], study.earned.iloc[0]
    if not own["behind"] < 0:
        return None
    sure = "which is beyond chance" if own["behind_high"] < 0 else "which may be chance"
    return {
        "amount": own["profit"], "model": first["profit"], "more": -own["behind"], "low": -own["behind_high"],
        "high": -own["behind_low"], "currency": study.currency, "sure": sure,
    }  # fmt: skip


def _chances(study: FraudStudy) -> dict[str, object] | None:
    """Say that chances are no rates, on which lists and thresholds stand."""
    told = study.calibrated
    return told.to_dict() if no_rates(told) else None


def _silent(study: FraudStudy) -> dict[str, object] | None:
    """Say that the threshold that is handed on alerts nothing."""
    threshold, last = study.threshold, study.backtest.block == study.backtest.block.max()
    alerts = int((study.backtest.probability[last] >= threshold).sum())
    return None if alerts else {"threshold": threshold, "payments": int(last.sum())}


def _raised(study: FraudStudy) -> dict[str, object] | None:
    """Say on how many days the capacity is less than half a payment, and one is looked at all the same."""
    days, of = desk.raised(study.backtest.payments.day, study.desk.capacity)
    return {"days": days, "of": of, "share": study.desk.capacity} if days else None
