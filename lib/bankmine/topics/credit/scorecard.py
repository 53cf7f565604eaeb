"""The scorecard: points for each bin of each characteristic, whose sum is the score; an estimator like any other.

The score is offset + factor × ln(odds of good to bad) with factor = PDO / ln 2 and offset = base score − factor ×
ln(base odds), and the points of a bin are its share of that (Siddiqi, Credit Risk Scorecards, 2006, chapter 6). Points
are whole numbers, and the chance is that of their sum, so that what is judged is what a database or a clerk computes.
The curve that calibrates a scorecard goes into its points: calibrated beside them, they would mean other odds.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from bankmine.errors import BankmineError
from bankmine.judging.intervals import around, wilson
from bankmine.learning import models
from bankmine.learning.encoding import Encode, SignedLog
from bankmine.learning.fitting import Calibrator
from bankmine.learning.sample import Sample
from bankmine.topics.credit.bins import TRENDS, WORDS, Bins, fit_bins
from bankmine.topics.credit.rules import Direction, directions_of, signs

# --- characteristics: which predictors a scorecard is made of, and for each of the others why it is not.

_STRENGTHS = ((0.02, "none"), (0.1, "weak"), (0.3, "medium"), (0.5, "strong"), (np.inf, "suspicious: known in time?"))
"""What an information value is called below each bound (Siddiqi, Credit Risk Scorecards, 2006, chapter 6)."""


@dataclass(frozen=True)
class Selection:
    """What a characteristic of a scorecard has to be."""

    least: float = 0.01
    """Information value, at least. The usual 0.02 keeps noise out of short tables, which `Bins.by_chance` does here."""
    most: float = 2.0
    """Information value from which a characteristic is taken for one that was not known in time."""
    alike: float = 0.7
    """Correlation of the weights of evidence of two characteristics, in size, from which only the stronger is taken."""
    inflation: float = 5.0
    """Variance inflation factor, at most: 5 says that the others explain 80 % of a characteristic."""
    number: int = 20
    """Characteristics, at most."""


USUAL = Selection()


@dataclass(frozen=True)
class Chosen:
    """Characteristics of a scorecard and their regression."""

    table: pd.DataFrame
    """One row a predictor, strongest first, with those chosen before the others: `kept`, `reason` (why not; empty where
    it is kept), `iv` with its interval `iv_low`, `iv_high`, `iv_by_chance` (what noise reaches in so few rows),
    `strength`, `bins`, `trend`, and of those kept `coefficient`, `coefficient_low`, `coefficient_high` and `vif`."""
    intercept: float
    """Log-odds of the event of a row whose weights of evidence are all 0."""

    @property
    def coefficients(self) -> pd.Series:
        """Log-odds of the event for one more of the weight of evidence, of those kept."""
        return self.table.loc[self.table["kept"], "coefficient"]


def choose(bins: dict[Hashable, Bins], woe: pd.DataFrame, bad: np.ndarray, rules: Selection) -> Chosen:
    """Choose characteristics: by information value, without doubles, with coefficients of the right sign.

    One is always kept, the strongest, so that there is a scorecard; `strength` and `iv_by_chance` say what it is worth.
    """
    values = pd.Series({name: found.value for name, found in bins.items()}).sort_values(ascending=False, kind="stable")
    reasons = {name: _by_value(bins[name], rules) for name in values.index}
    if all(reasons.values()):
        reasons[_strongest(values, rules)] = ""
    reasons |= _doubles(woe, [c for c, why in reasons.items() if not why], rules)
    reasons |= _inflated(woe, [c for c, why in reasons.items() if not why], rules.inflation)
    wrong, model = _wrong_way(woe, [c for c, why in reasons.items() if not why], bad)
    reasons |= wrong
    return _told(bins, reasons, woe, model)


def vif(woe: pd.DataFrame) -> pd.Series:
    """Return the variance inflation factor of each column: 1 / (1 − the share that the others explain)."""
    # the pseudo-inverse is that of a matrix of which no column is a sum of others
    return pd.Series(np.diag(np.linalg.pinv(_correlation(woe))), index=woe.columns).clip(lower=1.0)


def _by_value(found: Bins, rules: Selection) -> str:
    if found.missing == 1 and found.value < rules.least:
        return "no two bins of it differ in risk"
    if found.value < rules.least:
        return f"tells too little: information value {found.value:.3f}, below {rules.least:g}"
    if found.value < found.by_chance:
        events = min(found.good.sum(), found.bad.sum())
        return f"may be chance: noise reaches {found.by_chance:.3f} with {events:,.0f} events, and it {found.value:.3f}"
    if found.value >= rules.most:
        return f"tells too much: information value {found.value:.2f}, from {rules.most:g} on; was it known in time?"
    return ""


def _strongest(values: pd.Series, rules: Selection) -> Hashable:
    """Return the name of the strongest characteristic that does not tell too much, if there is one."""
    fair = values[values < rules.most]
    return (fair if len(fair) else values).index[0]


def _doubles(woe: pd.DataFrame, names: list[Hashable], rules: Selection) -> dict[Hashable, str]:
    """Say of each characteristic, strongest first, whether a stronger one says the same, or enough are there."""
    between = pd.DataFrame(np.abs(_correlation(woe[names])), index=names, columns=names)
    kept, reasons = [], {}
    for name in names:
        same = between.loc[kept, name]
        if len(same) and same.max() >= rules.alike:
            reasons[name] = f"says the same as {same.idxmax()}, which tells more: correlation {same.max():.2f}"
        elif len(kept) == rules.number:
            reasons[name] = f"{rules.number} others tell more"
        else:
            kept.append(name)
    return reasons


def _inflated(woe: pd.DataFrame, names: list[Hashable], most: float) -> dict[Hashable, str]:
    """Leave out the characteristic that the others explain best, until they explain none."""
    factors = vif(woe[names])
    if factors.max() <= most:
        return {}
    worst = factors.idxmax()
    why = f"the others say it together: variance inflation {factors.max():.1f}, above {most:g}"
    return {worst: why} | _inflated(woe, [c for c in names if c != worst], most)


def _wrong_way(
    woe: pd.DataFrame, names: list[Hashable], bad: np.ndarray
) -> tuple[dict[Hashable, str], LogisticRegression]:
    """Leave out the characteristic that turns its risk round most, until none does; return the others' model too.

    The log-odds of the event fall with every weight of evidence; where one rises, beside the others, it does not say
    what its bins say, and nobody could explain its points.
    """
    # the penalty is a prior of deviation 1 around 0; coefficients are about −1 where characteristics are unlike
    model = LogisticRegression(C=1.0, max_iter=500).fit(woe[names].to_numpy(), bad)
    worst = int(model.coef_[0].argmax())
    if model.coef_[0, worst] <= 0 or len(names) == 1:
        return {}, model
    why = f"beside the others its risk would turn round: coefficient {model.coef_[0, worst]:+.2f} instead of below 0"
    more, model = _wrong_way(woe, names[:worst] + names[worst + 1 :], bad)
    return {names[worst]: why} | more, model


def _told(
    bins: dict[Hashable, Bins], reasons: dict[Hashable, str], woe: pd.DataFrame, model: LogisticRegression
) -> Chosen:
    kept = [c for c, why in reasons.items() if not why]
    rows = {
        name: (not why, why, found.value, *found.value_interval, found.by_chance, _strength(found.value), found.missing,
               found.trend)
        for name, why in reasons.items() for found in [bins[name]]
    }  # fmt: skip
    columns = ["kept", "reason", "iv", "iv_low", "iv_high", "iv_by_chance", "strength", "bins", "trend"]
    table = pd.DataFrame.from_dict(rows, "index", columns=columns).rename_axis("predictor")
    low, high = around(model.coef_[0], _standard_errors(model, woe[kept].to_numpy()))
    told = {"coefficient": model.coef_[0], "coefficient_low": low, "coefficient_high": high,
            "vif": vif(woe[kept]).to_numpy()}  # fmt: skip
    table = table.join(pd.DataFrame(told, index=kept)).sort_values("kept", ascending=False, kind="stable")
    return Chosen(table, float(model.intercept_[0]))


def _standard_errors(model: LogisticRegression, matrix: np.ndarray) -> np.ndarray:
    """Return standard errors of coefficients: of the inverse Hessian of the penalised likelihood."""
    chance = model.predict_proba(matrix)[:, 1]
    with_one = np.column_stack([np.ones(len(matrix)), matrix])
    hessian = (with_one * (chance * (1 - chance))[:, None]).T @ with_one
    hessian[1:, 1:] += np.eye(matrix.shape[1]) / model.C
    return np.sqrt(np.diag(np.linalg.inv(hessian)))[1:]


def _strength(value: float) -> str:
    return next(word for bound, word in _STRENGTHS if value < bound)


def _correlation(woe: pd.DataFrame) -> np.ndarray:
    """Return the correlations of columns, 0 with a column that does not vary."""
    centred = (woe - woe.mean()).to_numpy()
    length = np.linalg.norm(centred, axis=0)
    unit = centred / np.where(length > 0, length, 1.0)
    found = unit.T @ unit
    np.fill_diagonal(found, 1.0)
    return found


@dataclass(frozen=True)
class Scale:
    """What a score means: `base` points at odds of `odds` good to 1 bad, and `pdo` points that double the odds."""

    base: float = 600.0
    odds: float = 50.0
    pdo: float = 20.0

    def __post_init__(self) -> None:
        if not (self.odds > 0 and self.pdo > 0):
            raise BankmineError(f"Odds and points that double them are above 0, not {self.odds:g} and {self.pdo:g}.")

    @property
    def factor(self) -> float:
        """Points for one more of the log-odds of good."""
        return self.pdo / np.log(2)

    @property
    def offset(self) -> float:
        """Score at even odds."""
        return self.base - self.factor * np.log(self.odds)

    def chance(self, score: np.ndarray) -> np.ndarray:
        """Return the chance of the event that scores stand for."""
        return expit((self.offset - score) / self.factor)


STANDARD = Scale()


@dataclass(frozen=True)
class Scorecard:
    """Points of a fitted scorecard."""

    scale: Scale
    bins: dict[Hashable, Bins]
    """Of each characteristic, strongest first."""
    points: dict[Hashable, np.ndarray]
    """Whole points of each bin of each characteristic."""

    @property
    def table(self) -> pd.DataFrame:
        """The scorecard as a table: one row a bin, as of `bin_table`, with its `points`."""
        tables = [bin_table(bins).assign(points=self.points[name]) for name, bins in self.bins.items()]
        return pd.concat(tables, ignore_index=True)

    def points_of(self, predictors: pd.DataFrame) -> pd.DataFrame:
        """Return the points of each row for each characteristic; an error where one lacks or is of another kind."""
        if missing := [c for c in self.bins if c not in predictors.columns]:
            raise BankmineError(f"The scorecard was fitted with {missing[0]!r}, which is not there: fit it anew.")
        found = {name: self.points[name][bins.positions(predictors[name])] for name, bins in self.bins.items()}
        return pd.DataFrame(found, index=predictors.index)

    def score(self, predictors: pd.DataFrame) -> pd.Series:
        """Return the score of each row, high where the event is unlikely."""
        return self.points_of(predictors).sum(axis=1).rename("score")


class ScorecardModel(ClassifierMixin, BaseEstimator):
    """Learns a scorecard: bins, characteristics, logistic regression on weights of evidence, points.

    `trends` says by predictor how risk moves with it (`bins.TRENDS`); others rise or fall, as it tells more. What
    applicants tell themselves (`told`) earns nothing where it is left blank. Fitted, it has `chosen_` (every predictor,
    and why it is not in the scorecard), `card_`, `bins_` of every predictor, and `typical_`: the median of the rows
    learnt from, or of what is no number the most frequent value.
    """

    def __init__(
        self, scale: Scale = STANDARD, selection: Selection = USUAL, trends: Mapping[Hashable, str] | None = None,
        told: Sequence[Hashable] = (),
    ) -> None:  # fmt: skip
        self.scale = scale
        self.selection = selection
        self.trends = trends
        self.told = told

    def fit(self, predictors: pd.DataFrame, target: np.ndarray) -> ScorecardModel:
        """Learn from rows whose target is 1 (the event) or 0; an unknown trend is an error."""
        trends, bad = dict(self.trends or {}), np.asarray(target, dtype=int)
        if unknown := set(trends.values()) - set(TRENDS):
            raise BankmineError(f"Risk cannot be {min(unknown)!r} with a value: say {', '.join(TRENDS)}.")
        self.classes_ = np.array([0.0, 1.0])
        self.bins_ = {name: fit_bins(predictors[name], bad, trends.get(name), name in self.told) for name in predictors}
        self.typical_ = pd.Series({name: typical(predictors[name]) for name in predictors}, dtype=object)
        woe = {name: bins.woe[bins.positions(predictors[name])] for name, bins in self.bins_.items()}
        self.chosen_ = choose(self.bins_, pd.DataFrame(woe, index=predictors.index), bad, self.selection)
        self.card_ = _card(self.scale, self.chosen_, self.bins_)
        return self

    def take_in(self, calibrator: Calibrator) -> Calibrator:
        """Make the curve of a calibrator part of the points; return the calibrator that is left to do."""
        self.card_ = _card(self.scale, self.chosen_, self.bins_, calibrator)
        return calibrator.taken_in()

    def predict_proba(self, predictors: pd.DataFrame) -> np.ndarray:
        """Return the chances of no event and of the event, shape (rows, 2)."""
        chance = self.scale.chance(self.card_.score(predictors).to_numpy(dtype=float))
        return np.column_stack([1 - chance, chance])

    def predict(self, predictors: pd.DataFrame) -> np.ndarray:
        """Return the likelier outcome of each row."""
        return self.classes_[self.predict_proba(predictors).argmax(axis=1)]


def _card(scale: Scale, chosen: Chosen, bins: dict[Hashable, Bins], curve: Calibrator | None = None) -> Scorecard:
    """Write points for log-odds as the regression has them, or as the curve in these that calibrates them has."""
    names, slope = list(chosen.coefficients.index), curve.slope_ if curve else 1.0
    even = curve.intercept_ + slope * (chosen.intercept - curve.centre_) if curve else chosen.intercept
    share = (scale.offset - scale.factor * even) / len(names)
    exact = {c: share - scale.factor * slope * chosen.coefficients[c] * bins[c].woe for c in names}
    return Scorecard(scale, {c: bins[c] for c in names}, {c: np.rint(exact[c]).astype(int) for c in names})


def typical(values: pd.Series) -> object:
    """Return the median of numbers, of what is none the most frequent value; NaN where none is known."""
    if is_numeric_dtype(values.dtype) and not is_bool_dtype(values.dtype):
        return float(values.dropna().astype(float).median())
    found = values.mode()
    return found.iloc[0] if len(found) else np.nan


def bin_table(bins: Bins) -> pd.DataFrame:
    """Tell the bins of one characteristic, one row a bin, also of those without a row.

    `low` and `high` are of numbers (from, and below), `categories` of words; `bad_rate` has its interval of 95 %
    (Wilson), and `share` is of the training rows.
    """
    rows, beyond = bins.good + bins.bad, [np.nan] * (len(bins.good) - bins.missing)
    ends = np.full(bins.missing + 1, np.nan) if bins.kind == WORDS else np.r_[-np.inf, bins.edges, np.inf]
    table = pd.DataFrame({"characteristic": [bins.name] * len(rows), "bin": bins.labels})
    table["low"], table["high"] = [*ends[:-1], *beyond], [*ends[1:], *beyond]
    groups = [list(group) for group in bins.groups]
    table["categories"] = [*groups, *([] for _ in range(len(rows) - len(groups)))]
    table["rows"], table["share"], table["bad"] = rows.astype(int), rows / rows.sum(), bins.bad.astype(int)
    table["bad_rate"] = bins.bad / np.where(rows > 0, rows, np.nan)
    rates = [wilson(bad, n) if n else (np.nan, np.nan) for bad, n in zip(bins.bad, rows, strict=True)]
    table[["bad_low", "bad_high"]] = rates
    return table.assign(woe=bins.woe)


# --- candidates: the scorecard and those that challenge it, fitted side by side like any other candidates.

SCORECARD, CHALLENGER, STRAW_MAN = "scorecard", "xgboost", "raw_logistic"
_WIDTH, _LANDMARKS = 0.1, 300
"""Of the Gaussian kernel: its exponent times the number of predictors, and rows that stand for all."""
_FARTHEST = 3.0
"""Standard deviations beyond which a scaled value counts as that far: rare categories are far from everything."""


def candidates(
    sample: Sample, scale: Scale = STANDARD, selection: Selection = USUAL, directions: Sequence[Direction] = (),
    told: Sequence[str] = (),
) -> dict[str, Pipeline]:  # fmt: skip
    """Set up the models to compare, unfitted; each takes predictors as they are in a sample.

    Bins of the scorecard and XGBoost follow the directions; `told` is of `ScorecardModel`. `raw_logistic`, on numbers
    as they are, is the straw man; the rule ranks by the predictor that ranks best alone in training.
    """
    known = directions_of(sample.predictors, directions)
    common = models.candidates(sample, monotone=signs(known))
    card = ScorecardModel(scale, selection, known["trend"].to_dict(), told)
    return {
        models.RULE: common[models.RULE],
        STRAW_MAN: _raw(LogisticRegression(max_iter=500)),
        # the scorecard bins words and gaps itself
        SCORECARD: Pipeline([("encode", FunctionTransformer()), ("model", card)]),
        "tree": common["tree"],
        "forest": common["forest"],
        "svm": _scaled(LogisticRegression(max_iter=500), kernel=_gaussian(sample)),
        "network": _scaled(_network()),
        CHALLENGER: common[CHALLENGER],
    }


def _network() -> MLPClassifier:
    """Set up a network that its penalty keeps from learning by heart.

    Not scikit-learn's early stopping, which goes by accuracy: where events are rare, that is highest for who foretells
    none. The units are smooth, so that second-order steps arrive, and neither order nor size of steps is to be chosen.
    """
    return MLPClassifier((16,), activation="tanh", solver="lbfgs", alpha=80.0, tol=3e-4, max_iter=1_000, random_state=0)


def _raw(model: BaseEstimator) -> Pipeline:
    fill = SimpleImputer(strategy="median", keep_empty_features=True)
    return Pipeline([("encode", Encode()), ("fill", fill), ("scale", StandardScaler()), ("model", model)])


def _gaussian(sample: Sample) -> Nystroem:
    """Set up the Gaussian kernel of a support vector machine, near enough on a few hundred rows that stand for all.

    A logistic regression on it tells chances, which a machine with a margin does not (Williams and Seeger, Advances in
    Neural Information Processing Systems 13, 2001).
    """
    return Nystroem(
        gamma=_WIDTH / sample.predictors.shape[1], n_components=min(_LANDMARKS, len(sample)), random_state=0
    )


def _scaled(model: BaseEstimator, **between: BaseEstimator) -> Pipeline:
    near = FunctionTransformer(np.clip, kw_args={"a_min": -_FARTHEST, "a_max": _FARTHEST, "dtype": np.float64})
    steps = {"encode": Encode(), "unskew": SignedLog(), "scale": StandardScaler(), "near": near}
    return Pipeline(list((steps | between | {"model": model}).items()))
