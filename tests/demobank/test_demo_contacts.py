"""Contacts of the demo bank: who, when, what is known when, and the effects that were planted."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression
from xgboost import XGBClassifier

from bankmine.bank.snapshot import Bank, open_source
from bankmine.features.customers import features
from bankmine.features.spine import spine_of
from demobank import generate, streams
from demobank.block import Block
from demobank.customers.lifecycle import NEVER
from demobank.offers import always_on, campaigns, price_offers, responses
from demobank.offers.contacts import CAMPAIGNS, CHANNELS, CONTACT, COSTS
from demobank.seasons import make_calendar
from demobank.tables import TABLES

pytestmark = pytest.mark.slow

RANDOMISED = ("term_deposit_2024_05", "card_instalments_2024_11", "retention_bonus_2025_09")
PICKED = "fund_plan_2025_04"
WINDOW = dt.timedelta(days=30)
RESAMPLES = 300
END = dt.date(2025, 12, 31)
CONTROLLED = (*RANDOMISED, PICKED)
TRAITS = ("wealth", "digital", "engagement", "price_sensitivity", "loyalty")


@dataclass(frozen=True)
class Difference:
    """Response of the treated less that of the control, its standard error, and the true average effect."""

    naive: float
    error: float
    truth: float

    @property
    def apart(self) -> float:
        """How many standard errors the difference is above the truth."""
        return (self.naive - self.truth) / self.error


def differences(folder: Path) -> dict[str, Difference]:
    """Return the plain difference of each campaign with a control, beside the truth."""
    rows = (
        pd.read_parquet(folder / "contacts")
        .drop_duplicates()
        .merge(pd.read_parquet(folder / "truth/contacts"), on="contact_id")
    )
    found = {}
    for campaign in (*RANDOMISED, PICKED):
        of_campaign = rows[rows.campaign == campaign]
        groups = of_campaign.responded.astype(float).groupby(of_campaign.treated)
        means, errors = groups.mean(), groups.var() / groups.size()
        found[campaign] = Difference(means[True] - means[False], np.sqrt(errors.sum()), of_campaign.effect.mean())
    return found


def listed(folder: Path) -> pd.DataFrame:
    """Return the contacts of the randomised campaigns with features as of the day before, and outcomes."""
    bank = open_source(str(folder))
    contacts = bank.as_of(bank.span[1]).contacts.to_pandas()
    contacts = contacts[contacts.campaign.isin(RANDOMISED)]
    contacts["day"] = pd.to_datetime(contacts.contacted_on) - pd.Timedelta(days=1)
    days = sorted(contacts.day.dt.date.unique())
    snapshot = bank.as_of(days[-1])
    known = features(snapshot, spine_of(snapshot, days)).to_pandas()
    known["day"] = pd.to_datetime(known["day"])
    return contacts.merge(known, on=["customer_id", "day"])


def scored(folder: Path) -> list[pd.DataFrame]:
    """Train on a random half of each campaign, and return the other half with the predicted effect."""
    rows, halves = listed(folder), []
    known = set(pd.read_parquet(folder / "contacts").columns) | {"day"}
    rng = np.random.default_rng(0)
    for _, campaign in rows.groupby("campaign"):
        train = rng.random(len(campaign)) < 0.5
        predictors = campaign.drop(columns=[*known]).astype(float)
        chance = {
            treated: _model().fit(predictors[chosen], campaign.responded[chosen].astype(int)).predict_proba(predictors)
            for treated in (False, True)
            for chosen in [train & (campaign.treated == treated)]
        }
        uplift = chance[True][:, 1] - chance[False][:, 1]
        halves.append(campaign.assign(uplift=uplift)[~train])
    return halves


def _model() -> XGBClassifier:
    return XGBClassifier(
        n_estimators=100, max_depth=2, learning_rate=0.05, min_child_weight=10, reg_lambda=5, subsample=0.7,
        colsample_bytree=0.5, n_jobs=1, random_state=0,
    )  # fmt: skip


def qini(rows: pd.DataFrame) -> float:
    """Return the area between the Qini curve and the straight line, in responses won for each customer treated."""
    rows = rows.sort_values("uplift", ascending=False, kind="stable")
    treated, responded = rows.treated.to_numpy(), rows.responded.to_numpy(dtype=float)
    in_treated, in_control = np.cumsum(treated), np.cumsum(~treated)
    ratio = np.divide(in_treated, in_control, out=np.zeros(len(rows)), where=in_control > 0)
    won = np.cumsum(responded * treated) - ratio * np.cumsum(responded * ~treated)
    share = np.arange(1, len(rows) + 1) / len(rows)
    return float((won - won[-1] * share).mean() / in_treated[-1])


def qini_interval(folder: Path) -> tuple[float, float, float]:
    """Return the mean Qini coefficient of the held-out halves, and its 95 % bootstrap interval."""
    halves = scored(folder)
    rng = np.random.default_rng(1)
    again = [
        np.mean([qini(half.iloc[rng.integers(0, len(half), len(half))]) for half in halves]) for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(again, [0.025, 0.975])
    return float(np.mean([qini(half) for half in halves])), float(low), float(high)


def block(number: int = 0, seed: int = 5, months: int = 24, end: dt.date = END, kept: int = 1000) -> Block:
    return Block(streams.Streams(seed, number), make_calendar(end, months), kept)


def plain(table: pa.Table) -> pd.DataFrame:
    """Fetch a table with its words as texts, as a file holds them."""
    rows = table.to_pandas(date_as_object=False)
    return rows.astype(dict.fromkeys(rows.select_dtypes("category"), object))


def frame(block: Block) -> pd.DataFrame:
    """The block's contacts with the truth about them and the true traits of the customers."""
    world, rows = block.world, block.contacts
    table, truth = plain(TABLES["contacts"](block)).drop_duplicates(), plain(TABLES["truth/contacts"](block))
    told = table.merge(truth, on="contact_id", validate="one_to_one")
    customer = rows["customer"]
    told["age"] = world.age[customer] + rows["day"] / 365.25
    told["female"] = world.female[customer]
    told["left"] = world.life.left[customer]
    return told.assign(
        **{trait: world.trait(trait)[customer] for trait in TRAITS}, day=rows["day"], delay=rows["delay"]
    )


@pytest.fixture(scope="module")
def many() -> pd.DataFrame:
    """Contacts of 12,000 customers."""
    return pd.concat([frame(block(number)) for number in range(12)], ignore_index=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("contacts") / "bank", customers=1000, months=6, seed=5, end=END)


@pytest.fixture(scope="module")
def bank(folder: Path) -> Bank:
    return open_source(str(folder))


@pytest.fixture(scope="module")
def contacts(folder: Path) -> pd.DataFrame:
    return pq.read_table(folder / "contacts").to_pandas(date_as_object=False).drop_duplicates()


def far(values: pd.Series, expected: pd.Series | float) -> float:
    """How many standard errors the mean of `values` is from the mean of what is expected of each."""
    gap = values.astype(float) - expected
    return abs(gap.mean()) * np.sqrt(len(gap)) / max(gap.std(), 1e-9)


def test_contacts_are_with_consent_after_joining_and_before_leaving(folder, contacts):
    people = pd.read_parquet(folder / "customers").merge(pd.read_parquet(folder / "truth/customers"), on="customer_id")
    rows = contacts.merge(people, on="customer_id", how="left", validate="many_to_one")
    assert rows.marketing_consent.all()
    assert (rows.contacted_on >= pd.to_datetime(rows.joined_on)).all()
    left = pd.to_datetime(rows.left_on)
    assert (left.isna() | (rows.contacted_on < left)).all()
    assert (left.isna() | ~(rows.responded == True) | (rows.responded_on < left)).all()  # noqa: E712
    assert rows.contacted_on.between("2025-07-01", "2025-12-31").all()
    of_campaign = rows[rows.campaign == "retention_bonus_2025_09"]
    assert of_campaign.customer_id.is_unique
    assert (of_campaign.contacted_on == "2025-09-08").all()
    here = people[people.marketing_consent & (people.joined_on <= dt.date(2025, 9, 8))]
    here = here[here.left_on.isna() | (here.left_on > dt.date(2025, 9, 8))]
    assert set(of_campaign.customer_id) == set(here.customer_id)


def test_identifiers_count_a_customers_contacts_and_tell_nothing_else(contacts):
    number = contacts.contact_id.str[8:].astype(int)
    assert (contacts.contact_id.str[1:8] == contacts.customer_id.str[1:]).all()
    assert (number == contacts.groupby("customer_id").cumcount()).all()
    assert (contacts.groupby("customer_id").contacted_on.diff().dropna() >= pd.Timedelta(0)).all()


def test_an_outcome_is_known_when_it_happens_or_the_offer_lapses(many):
    known = many[many.responded.notna()]
    waited = (known.responded_on - known.contacted_on).dt.days
    yes = known.responded.astype(bool)
    assert waited[yes].between(1, 30).all()
    assert waited[yes].median() < 10
    assert (waited[~yes] == 30).all()
    assert (known.revenue[~yes] == 0).all()
    assert (known.revenue[yes] > 0).all()
    # those of the last month whose outcome lies after the window are open, and only those
    unknown = many[many.responded.isna()]
    assert unknown[["responded_on", "revenue"]].isna().all().all()
    assert (unknown.contacted_on > "2025-12-01").all()
    assert known.responded_on.max() == pd.Timestamp(END)


@pytest.mark.parametrize(("day", "known"), [("2025-09-20", "some"), ("2025-10-08", "all")])
def test_a_snapshot_shows_no_outcome_before_it_was_known(bank, contacts, day, known):
    seen = bank.as_of(day).contacts.to_pandas()
    seen = seen[seen.campaign == "retention_bonus_2025_09"]
    final = contacts.set_index("contact_id").loc[seen.contact_id]
    assert len(seen) > 400
    shown = seen.responded.notna()
    assert (shown.to_numpy() == (final.responded_on <= day).to_numpy()).all()
    assert (seen.revenue.notna() == shown).all()
    if known == "some":
        assert seen.responded[shown].all()
        assert 0 < shown.mean() < 0.2
    else:
        assert shown.all()
    assert seen.treated.notna().all()


def test_volumes_shares_and_costs(many):
    size = many.groupby("campaign").size()
    assert set(size.index) == set(CAMPAIGNS)
    assert size[list(CONTROLLED)].between(0.42 * 12_000, 0.62 * 12_000).all()
    assert 0.3 * 12_000 < size["personal_loan_rate_test"] < 0.45 * 12_000
    assert 0.25 * 12_000 * 24 < size["always_on"] < 0.31 * 12_000 * 24
    share = many.groupby("campaign").treated.mean() - many.groupby("campaign").planned_share.first()
    assert share.drop(PICKED).abs().max() < 0.02
    assert share[PICKED] > 0.1
    assert (many.cost[~many.treated] == 0).all()
    cost = many.channel.map(dict(zip(CHANNELS, COSTS, strict=True))).astype(float)
    assert (many.cost == cost)[many.treated].all()
    assert many.channel[~many.treated].notna().all()
    assert many.groupby("campaign").offer.nunique().max() == 1


def test_chances_effects_and_outcomes_agree(many):
    assert many.baseline.between(0, 1).all()
    assert (many.baseline + many.effect).between(0, 1).all()
    for _, rows in many.groupby("campaign"):
        assert far(rows.outcome_without, rows.baseline) < 4 or not rows.outcome_without.any()
        assert far(rows.outcome_with, rows.baseline + rows.effect) < 4
    kind = {
        (False, False): "lost_cause", (True, True): "sure_thing",
        (False, True): "persuadable", (True, False): "sleeping_dog",
    }  # fmt: skip
    assert [kind[pair] for pair in zip(many.outcome_without, many.outcome_with, strict=True)] == many.kind.tolist()
    did = many.outcome_with.where(many.treated, many.outcome_without)
    known = many.responded.notna()
    assert (many.responded[known].astype(bool) == did[known]).all()


def test_nobody_responds_after_leaving_and_the_chances_know_it(many):
    leavers = many[many.left <= many.day + 30]
    responds = leavers.outcome_with | leavers.outcome_without
    assert responds.sum() > 10
    assert (leavers.day + leavers.delay < leavers.left)[responds].all()
    assert far(leavers.outcome_with, leavers.baseline + leavers.effect) < 4
    stayers = many.drop(leavers.index)
    gone_tomorrow = leavers[leavers.left == leavers.day + 1]
    assert (gone_tomorrow.baseline + gone_tomorrow.effect == 0).all()
    assert (stayers.baseline + stayers.effect).mean() > 1.3 * (leavers.baseline + leavers.effect).mean()


@pytest.mark.parametrize("campaign", CONTROLLED)
def test_effects_are_moderate_differ_and_may_hurt(many, campaign):
    rows = many[many.campaign == campaign]
    assert 0.04 < rows.baseline.mean() < 0.12
    assert 0.02 < rows.effect.mean() < 0.055
    assert 0.25 < (rows.effect < -0.002).mean() < 0.5
    assert rows.effect.quantile(0.95) > 0.15
    assert {"persuadable", "sleeping_dog", "sure_thing", "lost_cause"} == set(rows.kind)
    # the effect does not depend on gender, which drives nothing
    assert far(rows.effect[rows.female], rows.effect[~rows.female].mean()) < 4


def test_each_offer_moves_its_own_customers(many):
    effect = {campaign: rows.set_index("customer_id") for campaign, rows in many.groupby("campaign")}
    follows = {campaign: effect[campaign].effect.corr(effect[campaign].digital) for campaign in CONTROLLED}
    assert follows["term_deposit_2024_05"] < -0.3
    assert follows["card_instalments_2024_11"] > 0.5
    assert effect["retention_bonus_2025_09"].effect.corr(effect["retention_bonus_2025_09"].price_sensitivity) > 0.4
    richer = many[(many.campaign != "personal_loan_rate_test") & (many.revenue > 0)]
    assert np.log(richer.revenue).groupby(richer.campaign).std().between(0.6, 0.95).all()
    assert np.log(richer.revenue).groupby(richer.wealth > 0.5).mean().diff().iloc[-1] > 0.3


@pytest.mark.parametrize("campaign", RANDOMISED)
def test_treatment_is_left_to_chance(many, campaign):
    rows = many[many.campaign == campaign]
    treated, control = rows[rows.treated], rows[~rows.treated]
    for name in (*TRAITS, "age", "baseline", "effect"):
        error = np.sqrt(treated[name].var() / len(treated) + control[name].var() / len(control))
        assert abs(treated[name].mean() - control[name].mean()) < 4 * error, name


def test_picked_customers_are_the_better_ones_and_the_truth_tells_the_bias(many):
    rows = many[many.campaign == PICKED]
    treated, control = rows[rows.treated], rows[~rows.treated]
    assert treated.wealth.mean() > control.wealth.mean() + 0.4
    assert treated.engagement.mean() > control.engagement.mean() + 0.2
    # chance has its say in everybody: no kind of customer is treated always or never
    assert rows.treated.groupby(pd.qcut(rows.wealth, 5, labels=False)).mean().between(0.2, 0.97).all()
    told = pd.concat([TABLES["truth/campaigns"](block(number)).to_pandas() for number in range(12)])
    told = told[told.campaign == PICKED]
    mean = lambda column, by: np.average(told[column], weights=by)  # noqa: E731
    expected = mean("effect_on_treated", told.treated) + mean("baseline_of_treated", told.treated)
    expected -= mean("baseline_of_control", told.contacts - told.treated)
    naive = treated.responded.mean() - control.responded.mean()
    assert abs(naive - expected) < 0.02
    assert mean("average_effect", told.contacts) == pytest.approx(rows.effect.mean(), abs=1e-6)
    assert 0.05 < expected - rows.effect.mean() < 0.12
    assert not told.randomised.any()


def test_truth_of_campaigns_sums_up_the_contacts(folder, contacts):
    told = pd.read_parquet(folder / "truth/campaigns").set_index("campaign")
    rows = contacts.merge(pd.read_parquet(folder / "truth/contacts"), on="contact_id")
    assert list(told.index) == ["retention_bonus_2025_09", "always_on"]
    found = rows.groupby("campaign").agg(
        contacts=("treated", "size"),
        treated=("treated", "sum"),
        average_effect=("effect", "mean"),
        cost=("cost", "sum"),
    )
    for column in found:
        assert told[column].to_numpy() == pytest.approx(found.loc[told.index, column].to_numpy(), abs=1e-5), column
    assert told.randomised.all()
    assert told.starts_on.astype(str).tolist() == ["2025-09-08", "2025-07-01"]


def test_the_answer_to_the_price_is_the_planted_one(many):
    offers = many[many.campaign == "personal_loan_rate_test"]
    assert offers.treated.all()
    assert set(offers.offered_rate) == set(price_offers.RATES)
    assert offers.offered_rate.value_counts(normalize=True).between(0.18, 0.22).all()
    assert abs(offers.offered_rate.corr(offers.price_sensitivity)) < 0.06
    log_rate = np.log(offers.offered_rate / price_offers.PLANTED["price.reference_rate"])
    odds = np.log(offers.reference_chance / (1 - offers.reference_chance))
    causes = pd.DataFrame({"odds": odds, "rate": log_rate, "both": log_rate * offers.price_sensitivity})
    found = LogisticRegression(C=1e6, max_iter=1000).fit(causes, offers.outcome_with.astype(int)).coef_[0]
    assert found[0] == pytest.approx(1, abs=0.25)
    assert found[1] == pytest.approx(price_offers.PLANTED["price.elasticity"], abs=0.8)
    assert found[2] == pytest.approx(price_offers.PLANTED["price.elasticity.price_sensitivity"], abs=0.9)
    sensitive = offers.elasticity.corr(offers.price_sensitivity)
    assert sensitive == pytest.approx(-1, abs=1e-6)
    stay = offers.left > offers.day + 30
    chance = 1 / (1 + np.exp(-odds - offers.elasticity * log_rate))
    assert np.abs(chance - offers.effect)[stay].max() < 1e-4
    taken = offers.groupby("offered_rate").responded.mean().astype(float)
    assert taken.iloc[0] > 2.5 * taken.iloc[-1]
    won = offers.revenue.groupby(offers.offered_rate).mean()
    assert won.drop([0.036, 0.06]).max() > won[[0.036, 0.06]].max()
    assert many.offered_rate.isna().sum() == len(many) - len(offers)


def test_nobody_is_offered_a_loan_beside_an_open_one():
    one = block(3)
    rows = one.contacts[one.contacts["campaign"] == CAMPAIGNS.index("personal_loan_rate_test")]
    loan = one.accounts.opened[rows["customer"], 4], one.accounts.closed[rows["customer"], 4]
    assert not ((loan[0] <= rows["day"]) & (rows["day"] < loan[1])).any()
    assert (loan[0] < NEVER).any()


def test_channels_rank_otherwise_when_age_is_held(many):
    rows = many[(many.campaign == "always_on") & many.treated & many.responded.notna()]
    responded = rows.responded.astype(int)
    naive = responded.groupby(rows.channel).mean().sort_values(ascending=False)
    planted = sorted(CHANNELS, key=lambda channel: -always_on.PLANTED[f"channel.{channel}"])
    assert planted == ["call_centre", "branch", "sms", "mobile"]
    assert naive.index[0] == "mobile"
    assert naive.index[-1] == "branch"
    assert rows.groupby("channel").age.mean().sort_values().index.tolist() == ["mobile", "sms", "call_centre", "branch"]
    causes = pd.get_dummies(rows.channel)[planted[:-1]].astype(float).assign(age=rows.age / 15)
    adjusted = LogisticRegression(C=1e6, max_iter=1000).fit(causes, responded).coef_[0]
    for channel, found in zip(planted[:-1], adjusted[:-1], strict=True):
        added = always_on.PLANTED[f"channel.{channel}"] - always_on.PLANTED["channel.mobile"]
        assert found == pytest.approx(added, abs=0.2), channel
    assert list(adjusted[:3]) == sorted(adjusted[:3], reverse=True)


@pytest.mark.parametrize(
    ("end", "months", "held"),
    [
        (dt.date(2024, 5, 31), 1, {"term_deposit_2024_05", "always_on"}),
        (dt.date(2025, 6, 30), 3, {"fund_plan_2025_04", "personal_loan_rate_test", "always_on"}),
        (dt.date(2019, 2, 28), 2, {"always_on"}),
    ],
)
def test_campaigns_outside_the_window_do_not_happen(end, months, held):
    few, full = block(months=months, end=end, kept=7), block(months=months, end=end)
    assert set(frame(full).campaign) == held
    tables = [TABLES[name](few) for name in ("contacts", "truth/contacts", "truth/campaigns")]
    assert len(tables[0]) == len(tables[1]) < 30
    assert [t.schema.types for t in tables] == [
        TABLES[name](full).schema.types for name in ("contacts", "truth/contacts", "truth/campaigns")
    ]


def test_tables_without_a_row_have_their_columns():
    full, empty = block(), block()
    empty.contacts = np.empty(0, dtype=CONTACT)
    for name in ("contacts", "truth/contacts", "truth/campaigns"):
        table = TABLES[name](empty)
        assert isinstance(table, pa.Table)
        assert len(table) == 0
        assert table.schema.types == TABLES[name](full).schema.types


def test_a_contact_is_the_same_in_a_bank_of_any_size():
    few, many = frame(block(kept=60)), frame(block())
    again = many[many.customer_id.isin(few.customer_id)].reset_index(drop=True)
    assert len(few) > 300
    pd.testing.assert_frame_equal(few, again)


@pytest.mark.parametrize(
    ("stream", "changes"),
    [
        ("campaigns/term_deposit_2024_05", "term_deposit_2024_05"),
        ("responses/fund_plan_2025_04", "fund_plan_2025_04"),
        ("price_offers/rates", "personal_loan_rate_test"),
        ("price_offers/responses", "personal_loan_rate_test"),
        ("always_on/contacts", "always_on"),
        ("always_on/responses", "always_on"),
    ],
)
def test_a_changed_stream_changes_one_campaign(monkeypatch, stream, changes):
    before = block().contacts
    key = streams.stream_key
    monkeypatch.setattr(streams, "stream_key", lambda name: key(name + "!" if name == stream else name))
    after = block().contacts
    columns = [name for name in CONTACT.names if name != "number"]
    for code, campaign in enumerate(CAMPAIGNS):
        one, other = (rows[rows["campaign"] == code][columns] for rows in (before, after))
        same = len(one) == len(other) and all(np.array_equal(one[c], other[c], equal_nan=True) for c in columns)
        assert same == (campaign != changes), campaign


@pytest.mark.parametrize("module", [responses, campaigns, price_offers, always_on])
def test_every_planted_weight_is_of_a_trait(module):
    """A weight of anything else would be passed over in silence."""
    parts = [name.rpartition(".") for name in module.PLANTED]
    weights = [last for first, _, last in parts if first in module.PLANTED]
    assert weights
    assert set(weights) <= set(responses.TRAITS)


@pytest.mark.seeds
def test_uplift_is_there_to_be_found_on_every_seed(seed_bank):
    found, low, high = qini_interval(seed_bank)
    assert 0.003 < low < found < high < 0.05


@pytest.mark.seeds
def test_plain_differences_mislead_only_where_customers_were_picked(seed_bank):
    found: dict[str, Difference] = differences(seed_bank)
    assert max(abs(found[campaign].apart) for campaign in RANDOMISED) < 3.3
    assert found[PICKED].apart > 3.3
