"""Validation: what a validator asks of a model, where its page has evidence, and what is watched from now on.

The questions are in `data/validation.yml` and belong to model validation. A study hands over what its parts found;
what it does not hand over is shown as no evidence, so that a page cannot look more complete than it is, and a test that
fails is never shown as evidence alone. Whether evidence is enough, a validator says and no page. Limits know
how many rows and events a month has: a fixed one would cry wolf in a small bank and sleep in a large one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from bankmine.errors import BankmineError
from bankmine.judging import drift, fairness
from bankmine.judging.intervals import shown
from bankmine.judging.numbers import LINKS, written
from bankmine.judging.reasons import readable
from bankmine.lacking import Lacking, optional
from bankmine.registers import entries, read_yaml
from bankmine.workspace import WORKSPACE

if TYPE_CHECKING:
    from bankmine.learning.sample import Sample
    from bankmine.study.study import Study

REGISTRY = WORKSPACE / "data" / "validation.yml"
PRESENT, PARTLY, OPEN, FOR_PEOPLE = "evidence present", "evidence in part", "no evidence", "for people"
FAILS = "evidence present, a test fails"
VARIED = "varied, not verified"
ALL = "all"
"""Named among the kinds of models where an entry is for any, also for a new one."""
CROSSED, WITHIN, NO_LIMIT, NOT_KNOWN = "crossed", "within", "no limit", "not known"
NEWEST, JUDGED, UNSEEN, SCORED, NOTHING = "newest", "judged", "unseen", "scored", "nothing"
WINDOWS = (NEWEST, JUDGED, UNSEEN, SCORED, NOTHING)
"""On which rows a fact is measured: of the newest weeks judged, all rows judged, all that the model has not seen, those
scored now, or none so far."""
HOLDS_ALL, HOLDS_ADVERSE = "all", "adverse"
"""What a crossed limit holds: all that is decided by a model, or what is decided against a person only."""
LIMITS = ("auc", "events", "share", "given", "fixed")
FALSE_ALARMS = 0.01
"""Chance that a limit is crossed in a month in which nothing changed."""
MATERIAL = 0.1
"""Stability index from which a predictor's shift asks for an explanation, where it is beyond chance: the usual mark."""


@dataclass(frozen=True)
class Rule:
    """Where questions come from, what it says, and how far that was checked."""

    id: str
    name: str
    said: str
    certain: str


class Failed(str):
    """What a part found whose test failed."""


class Varied(str):
    """What a part found as it varied an assumption that no outcome can verify."""


@dataclass(frozen=True)
class Question:
    """What a validator asks, and the parts of the page or the people that answer it."""

    id: str
    rule: str
    theme: str
    asks: str
    models: list[str]
    shown: list[str] = field(default_factory=list)
    people: str = ""


@dataclass(frozen=True)
class Assumption:
    """What must hold, what goes wrong otherwise, and the parts of the page that check it."""

    id: str
    assumption: str
    otherwise: str
    models: list[str]
    checked: list[str]


@dataclass(frozen=True)
class Watched:
    """What is watched in use: the fact, on which rows, the kind of limit, how often, what then and by whom."""

    id: str
    metric: str
    models: list[str]
    fact: str
    window: str
    limit: str
    cadence: str
    action: str
    owner: str
    value: float = float("nan")
    too_high: str = ""
    too_low: str = ""
    unit: str = ""
    holds: str = ""


@dataclass(frozen=True)
class Register:
    """The whole file."""

    owner: str
    rules: dict[str, Rule]
    questions: list[Question]
    assumptions: list[Assumption]
    monitoring: list[Watched]
    sections: dict[str, list[str]]
    """Part -> words of the heading of the section that shows it, the first that a page has."""

    def asked_of(self, kind: str, told: list) -> list:
        """Pick the entries that are for a kind of model: those for all, and its own."""
        return [entry for entry in told if kind in entry.models or ALL in entry.models]


def load_register(file: Path = REGISTRY) -> Register:
    """Read the register; refuse a limit of no known kind, and a question of no rule or not of one way to answer it."""
    told = read_yaml(file)
    keys = {"owner", "rules", "questions", "assumptions", "monitoring", "sections"}
    if not isinstance(told, dict) or set(told) != keys or not isinstance(told["sections"], dict):
        raise BankmineError(f"{file} must hold owner, rules, questions, assumptions, monitoring and sections.")
    kinds = {"rules": Rule, "questions": Question, "assumptions": Assumption, "monitoring": Watched}
    read = {name: entries(told[name], kind, file, name) for name, kind in kinds.items()}
    read |= {"rules": {rule.id: rule for rule in read["rules"]}, "sections": told["sections"]}
    register = Register(owner=told["owner"], **read)
    for question in register.questions:
        if question.rule not in register.rules or bool(question.shown) == bool(question.people):
            raise BankmineError(f"{file}: question {question.id} needs a rule of the file, and shown or people.")
    if wrong := [w.id for w in register.monitoring if w.holds not in ("", HOLDS_ALL, HOLDS_ADVERSE)]:
        raise BankmineError(f"{file}: {wrong[0]} holds what is neither {HOLDS_ALL} nor {HOLDS_ADVERSE}.")
    if wrong := [w.id for w in register.monitoring if w.limit not in LIMITS]:
        raise BankmineError(f"{file}: {wrong[0]} has a limit that is none of {', '.join(LIMITS)}.")
    if wrong := [w.id for w in register.monitoring if w.window not in WINDOWS]:
        raise BankmineError(f"{file}: {wrong[0]} is measured on none of {', '.join(WINDOWS)}.")
    return register


def validation_table(model: str, given: Mapping[str, object], register: Register | None = None) -> pd.DataFrame:
    """Hold the questions for a kind of model against what its page shows: part -> what it found, None or `Lacking`.

    One row a question: `rule`, `theme`, `question`, `shown in` (parts of the page), `status` and `answer`. A kind that
    the register does not know has the questions that are asked of all; a part that answers no question is refused.
    """
    register = register or load_register()
    asked = register.asked_of(model, register.questions)
    known = {part for q in asked for part in q.shown} | {
        part for a in register.asked_of(model, register.assumptions) for part in a.checked
    }
    if strange := sorted(set(given) - known):
        raise BankmineError(
            f"No question for {model} is answered by {strange[0]!r}, only by {', '.join(sorted(known))}."
        )
    rows = [(register.rules[q.rule].name, q.theme, q.asks, *_answer(q.shown, q.people, given, register)) for q in asked]
    found = pd.DataFrame(rows, columns=["rule", "theme", "question", "shown in", "status", "answer"])
    return shown(found, **{"shown in": LINKS})


def assumption_table(model: str, given: Mapping[str, object], register: Register | None = None) -> pd.DataFrame:
    """List what must hold for a model, what goes wrong otherwise, and what the page found when it checked.

    `assumption`, `otherwise`, `checked in`, `status`, `found`; one that nothing can check is not answered.
    """
    register = register or load_register()
    assumed = register.asked_of(model, register.assumptions)
    rows = [(a.assumption, a.otherwise, *_answer(a.checked, "", given, register)) for a in assumed]
    found = pd.DataFrame(rows, columns=["assumption", "otherwise", "checked in", "status", "found"])
    return shown(found, **{"checked in": LINKS})


def funnel(steps: Mapping[str, int]) -> pd.DataFrame:
    """Say how many rows are left after each step, from all to those modelled: `step`, `rows`, `left_out`, `share`.

    A step with more rows than the one before is refused: it is no step of the same funnel.
    """
    rows = pd.Series(steps, dtype="int64")
    if (more := rows.diff() > 0).any():
        raise BankmineError(f"The sample grows at {more.idxmax()!r}: count the rows left after each step.")
    first = rows.iloc[0] if len(rows) else 0
    left_out = -rows.diff().fillna(0).astype("int64")
    return pd.DataFrame({"step": rows.index, "rows": rows.to_numpy(), "left_out": left_out.to_numpy(),
                         "share": (rows / first if first else rows * np.nan).to_numpy()})  # fmt: skip


def _answer(parts: list[str], people: str, given: Mapping[str, object], register: Register) -> tuple[str, str, str]:
    """Return links to where a question is answered, what there is, and the answer."""
    if people:
        return "", FOR_PEOPLE, f"to be answered by {people}"
    lacking = [part for part in parts if given.get(part) is None or isinstance(given[part], Lacking)]
    status = PRESENT if parts and not lacking else OPEN if len(lacking) == len(parts) else PARTLY
    if any(isinstance(given.get(part), Varied) for part in parts):
        status = VARIED
    if any(isinstance(given.get(part), Failed) for part in parts):
        status = FAILS
    told = [f"{_words(part)}: {_told(given.get(part), part in given)}" for part in parts]
    where = ", ".join(_link(part, register.sections.get(part, [])) for part in parts)
    return where, status, "; ".join(told) or "nothing on this page checks it"


def _link(part: str, sections: list[str]) -> str:
    """Return a part with a link to its section, by words of the heading, as `numbers.LINKS` tells."""
    return f"[{_words(part)}](#{'~'.join(['', *(re.sub(' ', '-', words) for words in sections)])})"


def _words(part: str) -> str:
    return part.replace("_", " ")


def _told(found: object, handed_over: bool) -> str:
    if isinstance(found, Lacking):
        return f"not there, as {found.why}"
    if found is None:
        return "not there for this source" if handed_over else "not shown on this page"
    return written(found) if isinstance(found, float | np.floating) else str(found)


def monitoring_plan(
    model: str, facts: Mapping[str, float | str], register: Register | None = None,
    windows: Mapping[str, str] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Say what is watched, and at which limit, given how many `rows`, `events` and `actions` a month has.

    `facts` has also what each metric is today, and for limits of the kind `given` `<fact>_below` or `<fact>_above`;
    where a limit follows from what was usual before, `<fact>_now` is held against it; `<fact>_of` names what moved.
    `windows` say in words on which rows facts are measured. Returns `metric`, `now` (events that came, where limits are
    about those expected), `measured on`, `below` and `above` (alarm outside; missing where there is none), `status`,
    `cadence`, `action`, `owner`, and where a limit is crossed `told`, what is wrong, and what it `holds` until
    its owner acts. Limits other than fixed ones are crossed by chance in one of a hundred months.
    """
    register = register or load_register()
    rows = []
    for watched in register.asked_of(model, register.monitoring):
        usual = float(facts.get(watched.fact, np.nan))
        limits = _limit(watched, usual, facts)
        now = (
            float(facts.get("events", np.nan)) if watched.limit == "events" else facts.get(f"{watched.fact}_now", usual)
        )
        status, on = _status(now, *limits), (windows or {}).get(watched.window, watched.window)
        told = _beyond(watched, now, *limits, facts) if status == CROSSED else ""
        held = watched.holds if status == CROSSED else ""
        acts = watched.cadence, watched.action, watched.owner
        rows.append((watched.metric, now, on, *limits, status, *acts, told, held))
    columns = [
        "metric",
        "now",
        "measured on",
        "below",
        "above",
        "status",
        "cadence",
        "action",
        "owner",
        "told",
        "holds",
    ]
    return pd.DataFrame(rows, columns=columns)


def _status(now: float, below: float, above: float) -> str:
    if np.isnan(now):
        return NOT_KNOWN
    if np.isnan(below) and np.isnan(above):
        return NO_LIMIT
    return CROSSED if now < below or now > above else WITHIN


def _limit(watched: Watched, now: float, facts: Mapping[str, float]) -> tuple[float, float]:
    """Return the lower and the upper limit; NaN where there is none, or the facts do not tell.

    What was right without exception is taken for half a case less: else a single one would cross the limit.
    """
    none, chance = float("nan"), FALSE_ALARMS
    rows, events, actions = (float(facts.get(name, np.nan)) for name in ("rows", "events", "actions"))
    if watched.limit == "fixed":
        return none, watched.value
    if watched.limit == "given":
        return tuple(float(facts.get(f"{watched.fact}_{side}", np.nan)) for side in ("below", "above"))
    if watched.limit == "events":
        scale = float(facts.get("months", 1.0)) / float(facts.get("events_together", 1.0))
        fewest, most = stats.poisson.ppf((chance / 2, 1 - chance / 2), now * scale) / scale
        return (fewest if fewest > 0 else none), most  # there are never fewer than none
    if watched.limit == "share":
        alone = actions / float(facts.get("actions_together", 1.0))
        acted = round(alone) if alone > 0 else 0
        fewest = stats.binom.ppf(chance, acted, min(now, 1 - 0.5 / acted)) if acted else 0
        return (fewest / acted if fewest > 0 else none), none  # of so few, none at all may be chance
    short = min(now, 1 - 0.5 / min(events, rows - events)) if 0 < events < rows else now
    return now + stats.norm.ppf(chance) * _auc_error(short, events, rows - events), none


def _auc_error(auc: float, events: float, others: float) -> float:
    """Return the standard error of an AUC (Hanley and McNeil, Radiology 143, 1982)."""
    if not min(events, others) > 0:
        return float("nan")
    one, two = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (events - 1) * (one - auc**2) + (others - 1) * (two - auc**2)
    return float(np.sqrt(spread / (events * others)))


@dataclass(frozen=True)
class Validation:
    """What a study shows a validator."""

    answered: pd.DataFrame
    """`validation_table`."""
    assumptions: pd.DataFrame
    """`assumption_table`."""
    plan: pd.DataFrame
    """`monitoring_plan`."""

    @property
    def counts(self) -> dict[str, int]:
        """How many questions are `asked`, `answered` by evidence on the page, which `failed` in part, for `people`."""
        kinds = [PRESENT, FAILS, FOR_PEOPLE, VARIED]
        count = self.answered["status"].value_counts().reindex(kinds, fill_value=0).astype(int)
        return {
            "answered": int(count[PRESENT] + count[FAILS]), "asked": len(self.answered),
            "failed": int(count[FAILS]), "people": int(count[FOR_PEOPLE]), "varied": int(count[VARIED]),
        }  # fmt: skip

    @property
    def table(self) -> pd.DataFrame:
        """Questions with what the page tells and where, under the rule that asks them."""
        return self.answered[["rule", "question", "status", "shown in", "answer"]].set_index("rule")

    @property
    def watched(self) -> pd.DataFrame:
        """What is watched, its figures rounded each by its own size, and so that a value and its limit differ."""
        figures = self.plan[["now", "below", "above"]]
        told = [["" if pd.isna(n) else written(n, *row.dropna()) for n in row] for _, row in figures.iterrows()]
        return self.plan.assign(**dict(zip(figures, zip(*told, strict=True), strict=True))).drop(
            columns=["told", "holds"]
        )

    def holding(self, what: str) -> list[str]:
        """Name the owners who must act before that is done which a limit holds that is crossed today."""
        return list(self.plan.loc[self.plan["holds"] == what, "owner"].unique())

    @property
    def crossed(self) -> dict[str, object]:
        """How many limits are crossed today (`count`), and `which`, by how much, with what to do."""
        rows = self.plan[self.plan["status"] == CROSSED]
        told = [f"{row.told}: {row.action[0].lower()}{row.action[1:]}" for row in rows.itertuples()]
        return {"count": len(rows), "which": "; ".join(told) or "none"}


def _beyond(watched: Watched, now: float, below: float, above: float, facts: Mapping[str, float | str]) -> str:
    """Say what is wrong, and how far a figure is beyond which of its limits."""
    low = now < below
    limit, most = (below, "at least") if low else (above, "at most")
    words = (watched.too_low if low else watched.too_high) or watched.metric
    words = words.replace("$what", str(facts.get(f"{watched.fact}_of", "a part")))
    if watched.unit == "%":
        now, limit = round(100 * now, 2), round(100 * limit, 2)
        return f"{words} ({written(now, limit)}%, {most} {written(limit, now)}%)"
    return f"{words} ({written(now, limit)} {watched.unit}, {most} {written(limit, now)})"


def of_study(study: Study) -> Validation:
    """Hold a validator's questions against what a study found, and say what is watched from now on."""
    register = load_register()
    asked = {part for q in register.asked_of(study.name, register.questions) for part in q.shown}
    plan = monitoring_plan(study.name, _common_facts(study) | study.facts(), register, _windows(study))
    given = _common_answers(study) | study.answers() | _tests(study, plan)
    told = {part: found for part, found in given.items() if part in asked | {"assumptions"}}
    return Validation(validation_table(study.name, told, register), assumption_table(study.name, given, register), plan)


def _tests(study: Study, plan: pd.DataFrame) -> dict[str, Failed]:
    """Return the parts whose test fails, with what it found."""
    slope, level = (study.since_learnt.deviation(name) for name in ("slope", "in_the_large"))
    suspects = study.suspicion
    shifted, impact = study.moved.index[study.moved["shifted"]], _worst(optional(study, "impact"))
    crossed = plan.loc[plan["status"] == CROSSED, "metric"]
    off = not slope["low"] <= 1 <= slope["high"] or not level["low"] <= 0 <= level["high"]
    fails = {
        "calibration": f"{_spanned('slope', slope)}, {_spanned('level', level)}: 1 and 0 are right" if off else "",
        "sentinel": f"suspicious and used{suspects['which']}" if suspects["suspicious"] else "",
        "psi": f"{len(shifted)} of {len(study.moved)} predictors shifted by more than chance" if len(shifted) else "",
        "monitoring": f"crossed ({len(crossed)}): {'; '.join(crossed)}" if len(crossed) else "",
        "fairness": impact if isinstance(impact, Failed) else "",
    }
    return {part: Failed(told) for part, told in fails.items() if told}


def _spanned(name: str, found: pd.Series) -> str:
    return f"{name} {found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f})"


def _common_answers(study: Study) -> dict[str, object]:
    sample, split, judged = study.sample, study.split, study.judged
    auc, simple = judged.metric("auc"), judged.metric("auc", study.baseline)
    slope, moved = judged.deviation("slope"), study.moved
    return {
        "purpose": study.purpose,
        "definition": study.event,
        "definition_sensitivity": Lacking("the table tells the outcome itself"),
        "data": f"{len(sample):,} rows of {sample.entity.nunique():,} entities",
        "funnel": Lacking("a flat table does not tell who was left out"),
        "windows": study.parts.how,
        "sentinel": "suspicious columns: {suspected}, of them {refused} refused and {suspicious} used".format(
            **study.suspicion
        ),
        "leak_lab": f"toy twins claim up to {study.lies['auc_claims'].max():.3f}",
        "decision": _money(study),
        "profit_sensitivity": Lacking("costs are given, or are not told"),
        "assumptions": "listed below",
        "limits": "at the end of this page",
        "comparison": f"{len(study.recipes)} models on the same folds{_setting(study)}",
        "baseline": f"{study.baseline}, AUC {simple['value']:.3f}",
        "reasons": "themes in words, beeswarm and dependence",
        "performance": f"AUC {auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})",
        "split": f"{len(split.train):,} rows to learn from, {len(split.tune):,} to calibrate, {len(split.test):,} new"
        if sample.day is not None
        else Lacking("rows were split at random, and nothing was judged out of time"),
        "calibration": _spanned("slope", slope),
        "psi": f"{int(moved['shifted'].sum())} of {len(moved)} predictors shifted",
        "stability": "month by month" if sample.day is not None else Lacking("the table has no time"),
        "monitoring": "planned below",
        "reproducible": "fingerprint of the data and commit are in the manifest beside this page, seeds in the code",
        "versions": "in the manifest beside this page",
        "sensitive": Lacking("which predictors are sensitive is not told"),
        "fairness": _worst(optional(study, "impact")),
        "consent": Lacking("consent is not told"),
    }


def _setting(study: Study) -> str:
    found = optional(study, "setting")
    return "" if isinstance(found, Lacking) else f"; {found['told']}"


def _money(study: Study) -> str | Lacking:
    earned = optional(study, "earned")
    return f"{earned['profit'].iloc[0]:,.0f} {study.per}" if isinstance(earned, pd.DataFrame) else earned


def _worst(impact: dict[str, pd.DataFrame] | Lacking) -> str | Lacking:
    if isinstance(impact, Lacking):
        return impact
    attribute, group, ratio = fairness.worst_ratio(impact)
    if not attribute:
        return Lacking("no two groups are large enough to compare, or nobody is acted on")
    sure = impact[attribute].loc[group, "verdict"] == fairness.BELOW
    which = "lowest adverse impact ratio beyond chance" if sure else "lowest adverse impact ratio"
    told = f"{which}: {written(ratio, fairness.FOUR_FIFTHS)} ({attribute} {group})"
    return Failed(f"{told}, below {fairness.FOUR_FIFTHS:.2f}") if ratio < fairness.FOUR_FIFTHS else told


def _common_facts(study: Study) -> dict[str, float | str]:
    """Return what is watched of any model, a month, as the model in use has it."""
    judged, now, months = study.judged, study.today, study.months
    chance, before = judged.probability[[study.chosen]], study.fitted[0]
    # all rows of the days judged, as all of today are scored: outcomes are known of some only, as of credits granted
    # by one calibration, or a new one would look like other customers
    then, scores = before.probability[[study.chosen]], study.scores_as_judged.to_frame(study.chosen)
    moved = drift.psi_table(then, scores, before.rows.entity, now.entity).iloc[0]
    gained = now.predictors.isna().mean() - study.sample.at(study.split.train).predictors.isna().mean()
    apart = study.moved[study.moved["column"] != "score"].assign(
        limit=lambda found: found["alarm"].clip(lower=MATERIAL)
    )
    worst = apart.loc[(apart["psi"] / apart["limit"]).idxmax()]
    facts = {
        "rows": len(judged.rows) / months, "events": judged.rows.target.sum() / months,
        "events_together": _together(judged.rows, monthly=False), "months": months,
        "auc": judged.auc_of(~judged.newest),
        "expected_events": chance[study.chosen].sum() / months,
        "score_psi": moved["psi"], "score_psi_above": moved["alarm"], "missing_gain": gained.max(),
        "missing_gain_of": readable(str(gained.idxmax())), "model_age": study.months_since_judged,
        "characteristic_psi": worst["psi"], "characteristic_psi_above": worst["limit"],
        "characteristic_psi_of": readable(worst["column"]),
    }  # fmt: skip
    for fact, name, right in (("level", "in_the_large", 0.0), ("slope", "slope", 1.0)):
        found = study.since_learnt.deviation(name)
        half = (found["high"] - found["low"]) / 2 * stats.norm.ppf(1 - FALSE_ALARMS / 2) / stats.norm.ppf(0.975)
        facts |= {fact: found["value"], f"{fact}_below": right - half, f"{fact}_above": right + half}
    newest = judged.newest
    if newest.any():
        facts["auc_now"] = judged.auc_of(newest)
    acted = optional(study, "acted")
    if isinstance(acted, Lacking):
        return facts
    first = acted.iloc[:, 0].astype(bool)
    listed, target = first.loc[judged.rows.target.index].to_numpy(), judged.rows.target
    facts |= {
        "actions": first.sum() / months, "precision": target[listed & ~newest].mean(),
        "actions_together": _together(judged.rows.at(listed), monthly=True),
    }  # fmt: skip
    return facts | ({"precision_now": target[listed & newest].mean()} if newest.any() else {})


def _windows(study: Study) -> dict[str, str]:
    """Say in words on which rows a study measures what is watched."""
    judged = study.judged.rows
    newest = study.judged.rows.at(study.judged.newest)
    return {
        NEWEST: f"newest rows judged, {study.when(newest)}" if len(newest) else "rows judged",
        JUDGED: f"rows judged, {study.when(judged)}",
        UNSEEN: f"all rows not seen, {study.when(study.since_learnt.rows)}",
        SCORED: f"rows scored as of {study.source.as_of}" if judged.day is not None else "rows scored",
        NOTHING: "nothing so far",
    }  # fmt: skip


def _together(rows: Sample, *, monthly: bool) -> float:
    """Return how many events come together, as frauds of one attack in a month, or months in which one who leaves does.

    The mean over events of how many their entity has, in their month or in all.
    """
    by = [rows.entity, rows.day.dt.to_period("M")] if monthly and rows.day is not None else [rows.entity]
    events = rows.target.groupby(by).sum()
    return float((events**2).sum() / events.sum()) if events.sum() else 1.0
