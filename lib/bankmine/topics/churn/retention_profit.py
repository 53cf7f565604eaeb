"""What a round of calls earned in months whose outcome is known, and what if calls work less often than believed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.deciding.costs import profit_metrics, realised
from bankmine.deciding.policies import with_intervals
from bankmine.topics.churn.retention import RetentionRules, costs

_SUCCESS = np.linspace(0, 0.6, 13)
_BELIEFS = 4000
_TAILS = (0.025, 0.975)


def sensitivity(
    target: pd.Series, called: pd.Series, worth: pd.Series, tier: pd.Series, rules: RetentionRules, entity: pd.Series,
    rounds: pd.Series | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Say what the calls that were chosen would have earned, had the same share of leavers been kept by every channel.

    Parameters
    ----------
    target : pd.Series
        1 where the customer left, 0 where not, NaN where that is not known, which does not count.
    called : pd.Series
        Whom to call, chosen beforehand: the choice does not change with the share.
    worth, tier, rules
        As for `retention.costs`.
    entity, rounds
        As for `profit_curves.with_intervals`.

    Returns
    -------
    pd.DataFrame
        `success`, from 0 to 0.6, `profit` of a round in the currency, `low`, `high` (95 %, bootstrap by customer).
    """
    earned = {s: realised(target, costs(worth, tier, rules, success=s)) * called for s in _SUCCESS}
    table = with_intervals(pd.DataFrame(earned), entity, rounds)
    return table[["profit", "low", "high"]].reset_index(drop=True).assign(success=_SUCCESS)


def break_even(
    target: pd.Series, called: pd.Series, worth: pd.Series, tier: pd.Series, rules: RetentionRules,
    rounds: pd.Series | None = None, seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Find the success rate below which calling loses money, and how likely the true one is above it.

    What is not known here is the success rate, believed to be of the Beta distributions in the rules, independent
    between channels; which customers the months happened to hold is the other uncertainty, that of `profit_curves`.

    Parameters
    ----------
    target, called, worth, tier, rules, rounds
        As for `sensitivity`.

    Returns
    -------
    pd.DataFrame
        Indexed by tier, and `all`: `calls` and `leavers` among them, `profit` of a round at the believed success with
        `low` and `high` (95 % of what is believed), `believed` success, `break_even` (NaN where no leaver was called)
        and the `chance` that calling pays (NaN where nobody was called).
    """
    known = called & target.notna()
    target, worth, tier = target[known], worth[known], tier[known].astype(str)
    number = max(rounds[known].nunique(), 1) if rounds is not None else 1
    never = realised(target, costs(worth, tier, rules, success=0.0))
    slope = realised(target, costs(worth, tier, rules, success=1.0)) - never
    sums = pd.DataFrame({"calls": 1.0, "leavers": target, "never": never, "slope": slope}).groupby(tier).sum() / number
    sums = sums.reindex(list(rules.tiers), fill_value=0.0)
    channels = {t: rules.channels[r.channel] for t, r in rules.tiers.items()}
    rng = np.random.default_rng(seed)
    drawn = {id: rng.beta(c.kept, c.lost, _BELIEFS) for id, c in rules.channels.items()}
    earned = pd.DataFrame({t: sums.loc[t, "never"] + sums.loc[t, "slope"] * drawn[c.id] for t, c in channels.items()})
    sums["believed"] = pd.Series({t: c.success for t, c in channels.items()})
    sums["profit"] = sums["never"] + sums["slope"] * sums["believed"]
    whole = sums.sum()
    whole["believed"] = (sums["slope"] * sums["believed"]).sum() / whole["slope"] if whole["slope"] > 0 else np.nan
    sums.loc["all"], earned["all"] = whole, earned.sum(axis=1)
    sums["break_even"] = (-sums["never"] / sums["slope"]).where(sums["slope"] > 0)
    sums["low"], sums["high"] = earned.quantile(_TAILS[0]), earned.quantile(_TAILS[1])
    sums["chance"] = (earned > 0).mean().where(sums["calls"] > 0)
    return sums[["calls", "leavers", "profit", "low", "high", "believed", "break_even", "chance"]].rename_axis("tier")


def retention_metrics(
    target: pd.Series, probabilities: pd.DataFrame, worth: pd.Series, tier: pd.Series, rules: RetentionRules
) -> pd.DataFrame:
    """Compute the profit metrics of the literature for several models of leaving.

    Returns
    -------
    pd.DataFrame
        As of `profit.profit_metrics`, at the individual values, and before it `empc`: the expected maximum profit of
        Verbraken, Verbeke and Baesens (2013) with their own parameters, one value of 200 for all customers, incentive
        10, contact 1, success Beta(6, 14). It compares models with the literature; it is not this bank's money.
    """
    from empulse.metrics import empc_score  # as in `profit_metrics`

    table = profit_metrics(target, probabilities, costs(worth, tier, rules))
    known = target.notna()
    truth = target[known].to_numpy(int)
    if 0 < truth.sum() < len(truth):
        table.insert(0, "empc", [empc_score(truth, probabilities.loc[known, m].to_numpy(float)) for m in table.index])
    return table
