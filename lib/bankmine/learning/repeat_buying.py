"""Repeat buying: how often customers who are free to stay away buy, whether they still do, and what they spend.

BG/NBD (Fader, Hardie and Lee, Marketing Science 24, 2005): while alive a customer buys by a Poisson process, and after
each purchase stops for good with a chance of the customer's own; rates are gamma-distributed, chances beta-distributed.
Gamma-Gamma (Fader and Hardie, technical note, 2013): means of spending vary by a gamma distribution, whatever the rate.
Of a customer there are `x`, the purchases after the first, `t_x`, when the last of them was, and `T`, how long the
customer has been watched, both counted from the first purchase. Who bought once counts as alive: the model sees a
customer stop only after a later purchase.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np
import pandas as pd
from numpy.polynomial.legendre import leggauss
from scipy import optimize, stats
from scipy.special import betaincinv, digamma, expit, gammaln, logit

from bankmine.errors import BankmineError

FEWEST = 30
"""Customers who bought again from which on something is fitted."""
_NODES = 48
_STEP = 1e-4
_WIDEST = 12
"""How far the logarithms of parameters may go, from 0 on."""


@dataclass(frozen=True)
class _Fitted:
    """Parameters found by maximum likelihood."""

    loglik: float
    covariance: np.ndarray
    """Of the logarithms of the parameters, from the Hessian."""

    @property
    def parameters(self) -> pd.DataFrame:
        """A row a parameter: `value`, `low` and `high`, the interval of 95 % by its logarithm's standard error.

        There is no interval where the likelihood is flat, as when nobody ever stopped.
        """
        names = [f.name for f in fields(self)][2:]
        return self._of(names, np.array(astuple(self)[2:]), np.eye(len(names)))

    def _of(self, names: Sequence[str], value: np.ndarray, slope: np.ndarray) -> pd.DataFrame:
        """Return values with intervals by the slopes of their logarithms in those of the parameters (delta method)."""
        variance = np.einsum("ij,jk,ik->i", slope, self.covariance, slope)
        half = stats.norm.ppf(0.975) * np.sqrt(np.where((variance > 0) & (variance < _WIDEST**2), variance, np.nan))
        return pd.DataFrame({"value": value, "low": value * np.exp(-half), "high": value * np.exp(half)}, index=names)


@dataclass(frozen=True)
class Buying(_Fitted):
    """BG/NBD: rates of purchase are gamma (`r`, `alpha`), chances to stop after one are beta (`a`, `b`)."""

    r: float
    alpha: float
    a: float
    b: float

    @property
    def means(self) -> pd.DataFrame:
        """As `parameters`: mean `rate` of purchases while alive, and mean chance that one is the `last`."""
        stays = self.b / (self.a + self.b)
        slope = np.array([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, stays, -stays]])
        return self._of(["rate", "last"], np.array([self.r / self.alpha, 1 - stays]), slope)

    def alive(self, seen: pd.DataFrame) -> np.ndarray:
        """Return the chance that each customer has not stopped."""
        x, t_x, length = _columns(seen)
        odds = self.a / np.maximum(self.b + x - 1, 1e-9)
        return np.where(
            x > 0, expit(-np.log(odds) - (self.r + x) * np.log((self.alpha + length) / (self.alpha + t_x))), 1.0
        )

    def rate(self, seen: pd.DataFrame) -> np.ndarray:
        """Return the purchases in a unit of time that are expected of each customer while alive."""
        x, _, length = _columns(seen)
        return (self.r + x) / (self.alpha + length)

    def again(self, seen: pd.DataFrame, time: float) -> np.ndarray:
        """Return the chance that each customer buys within a time: nobody stops before the next purchase."""
        x, _, length = _columns(seen)
        return self.alive(seen) * (1 - ((self.alpha + length) / (self.alpha + length + time)) ** (self.r + x))

    def expected(self, seen: pd.DataFrame, time: float) -> np.ndarray:
        """Return the purchases expected of each customer within a time.

        Given rate λ and chance p it is (1 − exp(−λ p t)) / p. The mean over λ has a closed form, and that over p is
        taken by quadrature: the closed form of both, by a hypergeometric function, overflows for frequent buyers.
        """
        x, _, length = _columns(seen)
        kinds, which = np.unique(x, return_inverse=True)
        nodes, weights = leggauss(_NODES)
        found = np.zeros(len(x))
        for u, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
            p = np.maximum(betaincinv(self.a, self.b + kinds, u), 1e-12)[which]
            found += weight * -np.expm1(-(self.r + x) * np.log1p(p * time / (self.alpha + length))) / p
        return self.alive(seen) * found

    def tracked(self, watched: np.ndarray, times: np.ndarray, end: float) -> np.ndarray:
        """Return the repeat purchases expected of a whole base by each time.

        `watched` is for how long each customer has been there at `end`, on the clock of `times`.
        """
        kinds, counted = np.unique(watched, return_counts=True)
        new = pd.DataFrame({"x": [0.0], "t_x": [0.0], "T": [0.0]})
        grid = np.linspace(0, float(kinds.max()), 200)
        curve = np.array([self.expected(new, time)[0] for time in grid])
        age = times[:, None] - (end - kinds)[None, :]
        return (np.interp(age, grid, curve, left=0.0) * counted).sum(axis=1)


@dataclass(frozen=True)
class Spending(_Fitted):
    """Gamma-Gamma: what is spent on a purchase is gamma (`p`), its rate gamma again (`q`, `v`)."""

    p: float
    q: float
    v: float

    def expected(self, seen: pd.DataFrame) -> np.ndarray:
        """Return what each customer is expected to spend on a purchase: own mean and that of all, by how often seen.

        `seen` has `x` and `spend`, the mean of these purchases; of who bought once that of all.
        """
        x, spend = seen["x"].to_numpy(float), seen["spend"].fillna(0.0).to_numpy(float)
        return self.p * (self.v + x * spend) / (self.p * x + self.q - 1)


def fit_buying(seen: pd.DataFrame) -> Buying:
    """Fit BG/NBD to `x`, `t_x` and `T` of customers; an error tells where too few bought again."""
    x, t_x, length = _columns(seen)
    _refuse_too_few(x)
    unit = float(length.mean())
    bought = x > 0
    kinds, which = np.unique(x, return_inverse=True)

    def loss(logs: np.ndarray) -> tuple[float, np.ndarray]:
        r, alpha, a, b = np.exp(logs)
        watched, last = np.log(alpha + length / unit), np.log(alpha + t_x / unit)
        went = np.log(a) - np.log(np.where(bought, b + x - 1, 1.0)) - (r + x) * (last - watched)
        stopped = np.where(bought, expit(went), 0.0)
        by_x = gammaln(r + kinds) - gammaln(r) + gammaln(a + b) + gammaln(b + kinds) - gammaln(b)
        by_x -= gammaln(a + b + kinds)
        told = by_x[which] + r * np.log(alpha) - (r + x) * watched + np.where(bought, np.logaddexp(0.0, went), 0.0)
        of_all, of_b = digamma(a + b) - digamma(a + b + kinds), digamma(b + kinds) - digamma(b)
        slope = np.array([
            (digamma(r + kinds) - digamma(r))[which] + np.log(alpha) - watched - stopped * (last - watched),
            r / alpha - (r + x) * ((1 - stopped) / (alpha + length / unit) + stopped / (alpha + t_x / unit)),
            of_all[which] + stopped / a,
            (of_all + of_b)[which] - stopped / np.where(bought, b + x - 1, 1.0),
        ])  # fmt: skip
        return -told.sum(), -slope.sum(axis=1) * np.exp(logs)

    found, loglik, covariance = _maximised(loss, np.log([1.0, 1.0, 1.0, 2.0]))
    return Buying(loglik - x.sum() * np.log(unit), covariance, *found * [1, unit, 1, 1])


def fit_spending(seen: pd.DataFrame) -> Spending:
    """Fit Gamma-Gamma to customers who bought again: `x` and `spend`, the mean of these purchases, above zero."""
    own = seen[(seen["x"] > 0) & (seen["spend"] > 0)]
    x, m = own["x"].to_numpy(float), own["spend"].to_numpy(float)
    _refuse_too_few(x, "spent something when they bought again")
    unit = float(m.mean())
    m = m / unit

    def loss(logs: np.ndarray) -> tuple[float, np.ndarray]:
        p, q, v = np.exp(logs)
        px, both = p * x, np.log(x * m + v)
        told = gammaln(px + q) - gammaln(px) - gammaln(q) + q * np.log(v) - np.log(m) + px * np.log(x * m)
        told -= (px + q) * both
        slope = np.array([
            x * (digamma(px + q) - digamma(px) + np.log(x * m) - both),
            digamma(px + q) - digamma(q) + np.log(v) - both,
            q / v - (px + q) / (x * m + v),
        ])  # fmt: skip
        return -told.sum(), -slope.sum(axis=1) * np.exp(logs)

    found, loglik, covariance = _maximised(loss, np.log([2.0, 3.0, 1.0]))
    if found[1] <= 1:
        raise BankmineError("what is spent varies so much that the model has no mean of it")
    return Spending(loglik - len(m) * np.log(unit), covariance, *found * [1, 1, unit])


def dependence(seen: pd.DataFrame) -> pd.Series:
    """Return how frequency and spending go together, which Gamma-Gamma takes to be independent.

    `value`, `low` and `high` of the correlation of `x` and `spend` among those who bought again, with its interval of
    95 % by influence, as spending is skewed. That of ranks is above 0 for independent ones, too: means of few purchases
    are the more skewed.
    """
    own = seen[(seen["x"] > 0) & (seen["spend"] > 0)]
    _refuse_too_few(own["x"].to_numpy(float), "spent something when they bought again")
    if not (own[["x", "spend"]].max() > own[["x", "spend"]].min()).all():
        raise BankmineError("all came back as often, or spent the same: nothing can go together with it")
    x, spend = ((own[name] - own[name].mean()) / own[name].std(ddof=0) for name in ("x", "spend"))
    rho = float((x * spend).mean())
    half = stats.norm.ppf(0.975) * float((x * spend - rho * (x**2 + spend**2) / 2).std()) / np.sqrt(len(own))
    return pd.Series({"value": rho, "low": max(rho - half, -1.0), "high": min(rho + half, 1.0)})


def recalibrated(chance: np.ndarray, happened: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Return chances at the level of what happened to others before: a line through the log-odds, by Platt's method."""
    from sklearn.linear_model import LogisticRegression

    odds, own = (logit(np.clip(c, 1e-4, 1 - 1e-4))[:, None] for c in (chance, given))
    if len(np.unique(happened)) < 2:
        return given
    return LogisticRegression(C=np.inf).fit(odds, happened).predict_proba(own)[:, 1]


def _columns(seen: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return tuple(seen[name].to_numpy(float) for name in ("x", "t_x", "T"))


def _refuse_too_few(x: np.ndarray, what: str = "bought again") -> None:
    if (again := int((x > 0).sum())) < FEWEST:
        raise BankmineError(f"{again} customers {what}: at least {FEWEST} are needed to foretell what they will buy")


def _maximised(
    loss: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray
) -> tuple[np.ndarray, float, np.ndarray]:
    """Return parameters, log-likelihood and the covariance of the parameters' logarithms."""
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(-_WIDEST, _WIDEST)] * len(start),
                              options={"maxiter": 1000, "ftol": 1e-13, "gtol": 1e-7})  # fmt: skip
    steps = _STEP * np.eye(len(start))
    hessian = np.array([(loss(found.x + h)[1] - loss(found.x - h)[1]) / (2 * _STEP) for h in steps])
    return np.exp(found.x), -float(found.fun), np.linalg.pinv((hessian + hessian.T) / 2)
