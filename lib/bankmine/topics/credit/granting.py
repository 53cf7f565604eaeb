"""Granting: whom to grant credit, as far as banks and flat tables have it in common.

To act is to refuse, and the event is to go bad. One scorecard and one cut-off decide, on the page and in all files: the
scorecard that is judged, and the chance up to which granting paid most among applicants before those judged.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from bankmine.bank.flat import Flat
from bankmine.bank.snapshot import Snapshot
from bankmine.deciding import policies as money
from bankmine.judging import fairness, leaks
from bankmine.judging.fairness import protected_groups
from bankmine.judging.intervals import shown
from bankmine.judging.reasons import readable
from bankmine.lacking import Lacking, optional, part
from bankmine.learning import models
from bankmine.learning.columns import ALLOWED
from bankmine.learning.sample import Sample, thinned
from bankmine.study.charts import chart
from bankmine.study.study import Study
from bankmine.study.validation import HOLDS_ADVERSE, HOLDS_ALL
from bankmine.study.why import Why
from bankmine.topics.credit import alternatives, given_away, lending, points, remedy, stability
from bankmine.topics.credit import grades as master_scale
from bankmine.topics.credit.alternatives import ALL, CUT_OFF, EACH
from bankmine.topics.credit.applications import Applications
from bankmine.topics.credit.card import Card
from bankmine.topics.credit.rules import load_directions, load_form
from bankmine.topics.credit.scorecard import CHALLENGER, SCORECARD, Scale, Scorecard, candidates


class CreditStudy(Study):
    """What banks and flat tables have in common.

    `beside` has, by the sample's index, what is nothing for a model: `Applications.beside`. `columns` says the `use` of
    every column, its `reason` and `owner`.
    """

    name = "credit"
    purpose: ClassVar[str] = "decisions on applications, checked by people; not for marketing or collections"
    action: ClassVar[str] = "refuse"
    explained: ClassVar[tuple[str, ...]] = (SCORECARD,)
    baseline: ClassVar[str] = SCORECARD
    challenger: ClassVar[str] = CHALLENGER
    ranks: ClassVar[tuple[str, ...]] = ("auc", "gini", "ks", "brier")
    favoured: ClassVar[str] = "granted"
    acting_favours: ClassVar[bool] = False
    reasons = points.REGISTRY
    explains: ClassVar[type[Why]] = points.PointsLost
    per: ClassVar[str] = "on the applicants judged"
    highest: float = 1.0
    """Chance to default above which nobody is granted credit, whatever it would earn."""

    definition: str
    """What bad means."""

    def __init__(self, source: Snapshot | Flat, event: str, found: Applications, scale: Scale) -> None:
        super().__init__(source, event, found.sample)
        self.applications, self.beside, self.columns, self.scale = found, found.beside, found.columns, scale
        self.form = load_form()

    # --- what Study asks

    def candidates(self, rows: Sample) -> dict[str, Pipeline]:
        """Set up the scorecard and the models that challenge it."""
        return candidates(rows, self.scale, directions=load_directions(), told=self.form.told)

    def references(self) -> dict[str, str]:
        """Name the groups that the register names."""
        return self.form.reference

    def policies(self, chance: pd.Series, rows: Sample) -> pd.DataFrame:
        """Say whom each policy refuses; the cut-off is used, the others are compared."""
        other = {EACH: lending.granting(chance, self.costs(rows)) <= 0}
        refused_ = self.offers(chance, rows)["decision"] != lending.GRANT
        return pd.DataFrame({CUT_OFF: refused_, **other, **self.decided(rows)})

    def offers(self, chance: pd.Series, rows: Sample) -> pd.DataFrame:
        """Decide on rows by their chances, as of `lending.offers`; nothing is offered where no products are told."""
        found = np.select([self.strange(rows) != "", chance <= self.cut_off], [lending.FOR_A_PERSON, lending.GRANT],
                          lending.REFUSE)  # fmt: skip
        return pd.DataFrame({"decision": found, "why": self.strange(rows)}, rows.target.index)

    def strange(self, rows: Sample) -> pd.Series:
        """Say of each row why it is out of scope; "" where it is not.

        Rows are that have, in a column of the register's scope, a value of which none was learnt from or judged.
        """
        known = self.sample.at(np.concatenate([self.split.train, self.split.tune, self.split.test]))
        told = pd.Series("", rows.target.index)
        for name in [c for c in self.form.scope if c in rows.predictors]:
            value = rows.predictors[name].astype(object)
            new = value.notna() & ~value.isin(known.predictors[name].unique())
            told[new] = "out of scope: " + readable(name) + " " + value[new].astype(str)
        return told

    def decided(self, rows: Sample) -> dict[str, pd.Series]:
        """Say whom the policy in force refused: nobody, where a table does not tell."""
        return {ALL: pd.Series(False, rows.target.index)}

    def groups(self) -> dict[str, pd.Series]:
        """Return groups by protected attributes, which are in no model."""
        return protected_groups(self.beside[self.applications.protected])

    @property
    def before(self) -> np.ndarray:
        """Positions of the applicants by whom the cut-off is chosen: none of those judged is among them."""
        return self.split.tune

    # --- the card in use

    @part
    def scorecard(self) -> Scorecard:
        """The scorecard that is judged, and that is in use."""
        return self.model[-1].card_

    @part
    def card(self) -> Card:
        """The same as a page shows it."""
        calibrator = self.fitted[0].calibrators[SCORECARD]
        return Card(self.model[-1], calibrator, self.sample.at(self.split.train), self.judged.rows)

    @part
    def auc(self) -> dict[str, float]:
        """Its AUC with its interval, and the Gini coefficient."""
        return {**self.judged.metric("auc"), "gini": self.judged.metric("gini")["value"]}

    # --- the decision

    @part
    def cut_off(self) -> float:
        """Chance up to which credit is granted: what earned most among applicants before those judged."""
        rows = self.sample.at(self.before)
        return min(lending.cut_off(self.chances(rows), self.costs(rows)), self.highest)

    @part
    def grants_from(self) -> int:
        """The same in points: the lowest score that is granted."""
        ends = [sum(int(end(p)) for p in self.scorecard.points.values()) for end in (np.min, np.max)]
        every = np.arange(ends[0], ends[1] + 1)
        chance = self.fitted[0].calibrators[SCORECARD].predict(self.scorecard.scale.chance(every.astype(float)))
        granted = every[chance <= self.cut_off]
        return int(granted.min()) if len(granted) else ends[1] + 1

    @part
    def earned(self) -> pd.DataFrame:
        """What granting by each policy earned, where the outcome is known, as of `policies.profit_of`."""
        rows = self.fitted[0].rows
        return money.profit_of(~self.acted.astype(bool), lending.granted(rows.target, self.costs(rows)), rows.entity)

    def _counted(self) -> pd.DataFrame:
        """Say how many applicants each policy grants credit, and of how many of them the outcome is known."""
        granted = (~self.acted.astype(bool)).sum()
        told = pd.DataFrame({"granted": granted, "of known outcome": self.earned["actions"]})
        return shown(told, **{"of known outcome": ",.0f"})

    @part
    def share_granted(self) -> float:
        """Of the applicants of the months judged, by the policy that is used."""
        return float(1 - self.acted[CUT_OFF].mean())

    @part
    def decision(self) -> dict[str, object]:
        """The cut-off as chance (`cut`) and points (`score`), the `share` granted, and what it earned.

        `do` says what to do, and what waits for whom; `whose` of whom the share is, and in which `span` the `loans` of
        known outcome earned the profit.
        """
        everything, refusals = (" and ".join(found) for found in self.holding)
        do = f"Hold refusals for {refusals}, and grant credit" if refusals else "Grant credit"
        told = {
            "loans": round(self.earned["actions"].iloc[0]),
            "whose": self.whose(self.judged.rows),
            "span": self.span,
            "do": f"Hold all decisions for the {everything}; then grant credit" if everything else do,
        }
        return {"cut": self.cut_off, "score": self.grants_from, "share": self.share_granted, **self.profit, **told}

    @part
    def holding(self) -> tuple[list[str], list[str]]:
        """Who must act before any decision leaves the house, and who before refusals do, as limits are crossed."""
        found = optional(self, "validation")
        return tuple([] if isinstance(found, Lacking) else found.holding(what) for what in (HOLDS_ALL, HOLDS_ADVERSE))

    span: ClassVar[str] = "in all"
    """In which time a credit earns what is counted, in words."""

    asked: ClassVar[str] = ""
    """At which terms profit is expected, in words: what is offered may be less, and dearer, than what is asked for."""

    def whose(self, rows: Sample) -> str:
        """Say whose rows these are, in words."""
        return "the rows judged" if rows is self.judged.rows else "the rows scored"

    @part
    def acted_before(self) -> pd.DataFrame:
        """Whom each policy refuses of the applicants before those judged."""
        rows = self.sample.at(self.before)
        return self.policies(self.chances(rows), rows)

    @part
    def earned_before(self) -> pd.DataFrame:
        """The same of the applicants before those judged, by whom policies are chosen."""
        rows = self.sample.at(self.before)
        return money.profit_of(
            ~self.acted_before.astype(bool), lending.granted(rows.target, self.costs(rows)), rows.entity
        )

    @part
    def decided_now(self) -> pd.DataFrame:
        """Decisions on the applicants scored now, and what each is offered, as of `offers`."""
        return self.offers(self.scores, self.today)

    @part
    def granted_now(self) -> dict[str, object]:
        """Of the `scored` applicants (`whose`), how many are `granted` (`share`), `refused`, and for a `person`."""
        counted = self.decided_now["decision"].value_counts()
        granted, no, person = (int(counted.get(n, 0)) for n in (lending.GRANT, lending.REFUSE, lending.FOR_A_PERSON))
        told = {"scored": len(self.scores), "granted": granted, "refused": no, "person": person}
        return told | {"share": granted / len(self.scores), "whose": self.whose(self.today)}

    @property
    def decided_before(self) -> dict[str, int] | None:
        """How many of the applicants scored now the bank has `decided` on, and on how many `otherwise` than here."""
        return None

    @part
    def scope(self) -> dict[str, object] | None:
        """`count` of the applicants scored now who are out of scope, their `share`, and `which`; None where none is."""
        found = self.strange(self.today)
        found = found[found != ""].str.removeprefix("out of scope: ").value_counts()
        which = ", ".join(f"{what} ({n:,})" for what, n in found.items())
        count = int(found.sum())
        return {"count": count, "share": count / len(self.today), "which": which} if count else None

    @part
    def decided_list(self) -> pd.DataFrame:
        """Applicants scored now, those nearest to the cut-off first: score, chance, decision, offer, reasons.

        People fill in the last two columns where they decide otherwise.
        """
        table = pd.DataFrame({"score": self.scorecard.score(self.today.predictors), "probability": self.scores})
        decided = optional(self, "decided_now")
        if not isinstance(decided, Lacking):
            table = table.join(decided)
            table = table.rename(columns={"expected_profit": "expected_profit_as_offered"})
            everything, refusals = (" and ".join(found) for found in self.holding)
            table["waits_for"] = everything or np.where(table["decision"] == lending.REFUSE, refusals, "")
        table = table.join(self.told_beside()).assign(reasons=self.why.lines, override="", override_reason="")
        middle = table["probability"].max() if isinstance(decided, Lacking) else self.cut_off
        found = table.loc[(table["probability"] - middle).abs().sort_values(kind="stable").index]
        found.attrs["list"] = True
        return found

    @part
    def review(self) -> dict[str, object]:
        """How many applicants are `refused`, to how many of these the list says why (`told`); who reviews, and when.

        `held` are refusals that wait for whom a crossed limit names.
        """
        refused = self.decided_list.loc[self.decided_now["decision"] == lending.REFUSE]
        told = int(refused["reasons"].fillna("").ne("").sum())
        held = int((refused["waits_for"] != "").sum())
        return self.reviewer | {"refused": len(refused), "told": told, "held": held}

    def told_beside(self) -> pd.DataFrame:
        """Return what is told of the applicants scored now beside what a model may know."""
        return pd.DataFrame(index=self.today.target.index)

    @part
    def first(self) -> pd.DataFrame:
        """The first ten of the list, for a page."""
        names = ["application_id", "score", "probability", "decision", "limit", "price", "so_far"]
        rows = self.decided_list.head(10)
        table = rows.filter(names).rename(columns={"so_far": "bank so far"})
        if "why" in rows:
            table["decision"] = rows["decision"] + rows["why"].where(rows["why"] == "", ": " + rows["why"])
            table["decision"] += rows["waits_for"].where(rows["waits_for"] == "", "; waits for " + rows["waits_for"])
        return shown(table.set_index(table.columns[0]), probability=".1%", price=".1%", limit=",.0f")

    # --- beside it

    beside_others, forgone = part(alternatives.beside_others), part(alternatives.forgone)
    trade_off, profit_metrics = part(alternatives.trade_off), part(alternatives.profit_metrics)
    profit_chart, risk_chart = chart(alternatives.profit_chart), chart(alternatives.risk_chart)
    swapped, swap = part(alternatives.swapped), part(alternatives.swap)

    # --- whom it falls on

    worst, worst_now = part(remedy.worst), part(remedy.worst_now)
    remedies, remedies_table = part(remedy.remedies), part(remedy.remedies_table)
    remedied = part(remedy.remedied)
    carried, carried_table = part(given_away.carried), part(given_away.carried_table)
    stand_ins = part(given_away.stand_ins)

    # --- grades

    grades, grades_table = part(master_scale.grades), part(master_scale.grades_table)
    grades_chart, graded = chart(master_scale.grades_chart), part(master_scale.graded)

    # --- what is watched, asked and handed on

    moved, drift, moved_chart = part(stability.moved), part(stability.drift), chart(stability.moved_chart)
    points_changed, changes = part(stability.points_changed), part(stability.changes)

    @part
    def twins(self) -> list[leaks.Twin]:
        """Toy twins: tested on their own rows, and with weights of evidence of rows that they are tested on."""
        split = self.split
        few = thinned(self.sample, self.sample.mask(split.train))
        rows = (self.sample, few, self.sample.mask(split.test))
        return [leaks.honest(*rows), leaks.same_rows(*rows), leaks.encoded(*rows), leaks.encoded(*rows, before=False)]

    @part
    def lies(self) -> pd.DataFrame:
        """What twins of a logistic regression claim and deliver."""
        plain = models.candidates(self.sample.at(self.split.train))["logistic"]
        return leaks.lies(plain, self.twins).set_index("twin")

    def answers(self) -> dict[str, object]:
        """Say what is particular to credit for a validator."""
        out = self.columns.index[self.columns["use"] != ALLOWED]
        rule = self.judged.metric("auc", models.RULE)
        binned = f"{len(self.scorecard.bins)} of {len(self.model[-1].bins_)} predictors"
        return {
            "sensitive": f"kept out: {', '.join(map(str, out))}" if len(out) else "no protected column by name",
            "psi": f"{int(self.moved['shifted'].sum())} of {len(self.moved)} characteristics shifted",
            "comparison": "six models and a weak baseline on the same folds",
            "baseline": f"simple rule, AUC {rule['value']:.3f}",
            "reasons": "points of each bin, and contributions of the challenger",
            "binning": f"{binned}, with reasons; training rows",
            "profit_sensitivity": "by cut-off, and by what is assumed of the refused"
            if not isinstance(optional(self, "earned"), Lacking) else Lacking("costs are not told"),
            "reject_inference": Lacking("nobody refused is told of"),
            "explanation": "up to four reasons in words for each applicant; the score is a proposal, a person decides "
            "on request",
        }  # fmt: skip

    def facts(self) -> dict[str, float | str]:
        """Return the adverse impact and who is out of scope."""
        impact = optional(self, "impact")
        lacking = isinstance(impact, Lacking)
        attribute, group, ratio = ("", "", float("nan")) if lacking else fairness.worst_ratio(impact)
        return {
            "adverse_impact": ratio, "adverse_impact_below": fairness.FOUR_FIFTHS,
            "adverse_impact_of": f"{attribute} {group}",
            "out_of_scope": float((self.strange(self.today) != "").mean()),
        }  # fmt: skip

    def files(self) -> dict[str, pd.DataFrame | str]:
        """Return scores and decisions, the scorecard as a table and as a query, and the cut-off."""
        found, from_ = self.decided_list, optional(self, "grants_from")
        at = None if isinstance(from_, Lacking) else from_
        files = {
            "credit_scores": found.set_index(self.today.entity.loc[found.index].rename("customer_id")),
            "scorecard": self.scorecard.table.rename_axis("number"),
            "scorecard.sql": points.score_statement(self.scorecard, "applicants", grants_from=at),
        }
        if at is None:
            return files
        told = {k: v for k, v in self.decision.items() if not isinstance(v, str)}
        return files | {"credit_policy": pd.DataFrame([told], index=pd.Index([CUT_OFF], name="policy"))}
