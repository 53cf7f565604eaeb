"""Sessions and page views: they hold the contract, and every effect that was planted is there in its size."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from sklearn.metrics import roc_auc_score
from sklearn.naive_bayes import MultinomialNB

from bankmine.bank.contract import TABLES as CONTRACT
from demobank import streams
from demobank.bank import write_part
from demobank.block import Block
from demobank.customers.lifecycle import NEVER
from demobank.seasons import make_calendar
from demobank.streams import Streams
from demobank.tables import TABLES
from demobank.web import pages, sessions

pytestmark = pytest.mark.slow

LAUNCH = pd.Timestamp("2025-03-01")
MINE = ("events", "truth/sessions")


def block_of(seed: int = 3, number: int = 0, months: int = 36, kept: int = 1000, end: dt.date = dt.date(2025, 12, 31)):
    return Block(Streams(seed, number), make_calendar(end, months), kept)


def undisturbed(block: Block) -> pa.Table:
    """Return the events with those of the day on which the app was down."""
    return block.cut(pages.events(block.world, block.accounts, block.sessions, block.streams))


def frame(block: Block, table: str) -> pd.DataFrame:
    rows = (TABLES | {"events": undisturbed})[table](block).to_pandas(date_as_object=False)
    return rows.astype(dict.fromkeys(rows.select_dtypes("category"), str))


@pytest.fixture(scope="module")
def block() -> Block:
    return block_of()


@pytest.fixture(scope="module")
def drawn(block: Block) -> pd.DataFrame:
    """Sessions with what nobody sees: state, and the traits of the customer."""
    rows = pd.DataFrame({name: getattr(block.sessions, name) for name in ("customer", "day", "mobile", "state")})
    rows["session_id"] = sessions.session_ids(block.sessions.number).to_pandas()
    return rows.assign(**{name: block.world.trait(name)[rows.customer] for name in ("digital", "price_sensitivity")})


@pytest.fixture(scope="module")
def events(block: Block) -> pd.DataFrame:
    return frame(block, "events")


@pytest.fixture(scope="module")
def seen(events: pd.DataFrame, drawn: pd.DataFrame) -> pd.DataFrame:
    """Events with the session that they belong to; product pages and the renamed one under the name of their share."""
    rows = events.merge(drawn.drop(columns="mobile"), on="session_id", validate="many_to_one")
    plain = rows.page.where(~rows.page.str.startswith("product_"), "product").replace("start", "home")
    return rows.assign(plain=plain, state=np.array(sessions.STATES)[rows.state])


def test_columns_are_those_of_the_contract_and_a_session(block, tmp_path):
    write_part(tmp_path, "events", 0, TABLES["events"](block))
    part = tmp_path / "events" / "part-0000.parquet"
    schema = pq.read_schema(part)
    assert schema.names == [*CONTRACT["events"].names, "session_id"]
    types = {"string": "string", "timestamp": "timestamp[us]", "float64": "double"}
    for column in CONTRACT["events"].columns:
        assert str(schema.field(column.name).type) == types[column.type], column.name
    assert part.stat().st_size < 8e6


def test_events_are_in_order_and_happen_while_the_customer_is_here(block, events, drawn):
    assert not events.isna().any().any()
    assert events.customer_id.is_monotonic_increasing
    assert (events.groupby("customer_id")["at"].diff().dropna() >= pd.Timedelta(0)).all()
    assert (events["at"] > events["at"].dt.normalize()).all()
    assert pd.Timestamp("2023-01-01") < events["at"].min() < events["at"].max() < pd.Timestamp("2026-01-01")
    assert (drawn.day >= block.world.joined[drawn.customer]).all()
    assert (drawn.day < block.world.life.left[drawn.customer]).all()
    assert (events.seconds >= 1).all()


def test_sessions_begin_with_a_login_do_not_overlap_and_belong_to_one_customer(block, events):
    truth = frame(block, "truth/sessions")
    assert truth.session_id.is_unique
    assert set(truth.session_id) == set(events.session_id)
    changes = events.session_id != events.session_id.shift()
    assert changes.sum() == len(truth)
    assert (events[changes].page == "login").all()
    assert not (events[~changes].page == "login").any()
    assert (events[changes].session_id.to_numpy() == truth.session_id.to_numpy()).all()
    assert (events[changes].customer_id.to_numpy() == truth.customer_id.to_numpy()).all()
    times = events.groupby("session_id")["at"].agg(["min", "max"])
    assert ((times["max"] - times["min"]).dt.total_seconds() < sessions.LONGEST).all()
    assert events.groupby("session_id").channel.nunique().max() == 1
    spent = events.groupby("session_id").seconds.shift().where(~changes, 0.0)
    assert (events["at"].diff().dt.total_seconds().where(~changes, 0.0) - spent).abs().max() < 1


def test_volume_hours_and_weeks_are_plausible(events):
    assert 240_000 < len(events) < 400_000
    assert 3.0 < len(events) / events.session_id.nunique() < 4.0
    logins = events[events.page == "login"]
    assert 0.6 < (logins.channel == "mobile").mean() < 0.85
    hour, day = logins["at"].dt.hour, logins["at"].dt.dayofweek
    evening = hour.between(19, 23).groupby(logins.channel).mean()
    assert evening["mobile"] > 1.5 * evening["online"]
    assert hour.between(1, 4).mean() < 0.05
    assert (day >= 5).mean() < 0.9 * 2 / 7
    assert logins.groupby("customer_id").size().quantile(0.9) > 3 * logins.groupby("customer_id").size().median()


def test_rates_follow_traits_and_activity(block, drawn):
    life, months = block.world.life, block.calendar.months
    here = (block.world.joined < 0) & (life.left == NEVER)
    count = np.zeros((1000, months))
    np.add.at(count, (drawn.customer, block.calendar.month[drawn.day]), 1)
    traits = np.stack([block.world.trait(name) for name in ("digital", "engagement")], axis=1)
    per_activity = count[here].sum(axis=1) / life.activity[here].sum(axis=1)
    fitted = PoissonRegressor(alpha=0, max_iter=500).fit(
        traits[here], per_activity, sample_weight=life.activity[here].sum(axis=1)
    )
    for slope, name in zip(fitted.coef_, ("digital", "engagement"), strict=True):
        assert abs(slope - sessions.PLANTED[f"events.log_rate.{name}"]) < 0.12, name
    fading = (life.state == 3) & here[:, None]
    logins_lost = count[fading].sum() / (count.sum(axis=1, keepdims=True) / months * fading).sum()
    activity_lost = life.activity[fading].sum() / (life.activity.mean(axis=1, keepdims=True) * fading).sum()
    assert activity_lost < 0.75
    assert abs(logins_lost - activity_lost) < 0.15


def steps(drawn: pd.DataFrame) -> pd.DataFrame:
    after = drawn[["customer", "state"]].shift(-1)
    return drawn.assign(after=after.state)[drawn.customer == after.customer].astype({"after": int})


def test_states_follow_the_planted_chain(drawn):
    followed = steps(drawn)
    for number, before in enumerate(sessions.STATES):
        rows = followed[followed.state == number]
        shares = np.bincount(rows.after, minlength=4) / len(rows)
        told = [sessions.PLANTED[f"events.transition.{before}.{after}"] for after in sessions.STATES]
        error = 4 * np.sqrt(shares * (1 - shares) / len(rows))
        assert (np.abs(shares - told) < error + 0.01).all(), before


def test_the_chain_has_no_longer_memory(drawn):
    rows = steps(drawn).assign(earlier=drawn.groupby("customer").state.shift()).dropna()
    rows = rows[rows.state == sessions.EXPLORING]
    again = (rows.after == sessions.EXPLORING).groupby(rows.earlier).mean()
    assert abs(again[sessions.EXPLORING] - again[sessions.ROUTINE]) < 0.03


@pytest.mark.parametrize(("trait", "state"), [("price_sensitivity", "exploring"), ("digital", "struggling")])
def test_traits_tilt_the_chain(drawn, trait, state):
    number = sessions.STATES.index(state)
    rows = steps(drawn).query("after == @number or after == 0")
    columns = pd.get_dummies(rows.state).astype(float).assign(trait=rows[trait]).to_numpy()
    fitted = LogisticRegression(C=1e6, max_iter=1000).fit(columns, rows.after == number)
    assert abs(fitted.coef_[0, -1] - sessions.PLANTED[f"events.tilt.{trait}.{state}"]) < 0.06


def test_pages_have_the_planted_shares(seen):
    later = seen[seen.plain != "login"]
    shares = pd.crosstab(later.state, later.plain, normalize="index")
    told = pd.Series({key: share for key, share in pages.PLANTED.items() if key.startswith("events.share.")})
    told.index = pd.MultiIndex.from_tuples([key.split(".")[2:] for key in told.index])
    assert np.allclose(told.groupby(level=0).sum(), 1)
    assert (shares - told.unstack()).abs().max().max() < 0.012
    length = later.groupby("state").size() / seen[seen.plain == "login"].groupby("state").size()
    for state in sessions.STATES:
        assert abs(length[state] - pages.PLANTED[f"events.pages.{state}"]) < 0.12, state


def test_pages_tell_the_state_in_part_only(seen):
    wrong = seen.action.isin(["failed", "cancel"]).rename("wrong").groupby(seen.session_id).sum()
    counts = pd.crosstab(seen.session_id, seen.plain).join(wrong)
    state = seen.groupby("session_id").state.first().loc[counts.index]
    half = len(counts) // 2
    model = MultinomialNB().fit(counts[:half], state[:half])
    chance = model.predict_proba(counts[half:])
    for column, name in enumerate(model.classes_):
        assert 0.8 < roc_auc_score(state[half:] == name, chance[:, column]) < 0.96, name


def test_things_go_wrong_more_often_for_those_who_struggle(seen):
    failed = (seen.action == "failed")[seen.page == "login"].groupby(seen.state).mean()
    assert failed["struggling"] > 4 * failed["routine"] > 0
    assert seen.groupby("state").seconds.median()["struggling"] > seen.groupby("state").seconds.median()["routine"]


def test_the_home_screen_changes_the_page_and_the_channel(block, events, drawn):
    late = events["at"] >= LAUNCH
    homes = events[events.page.isin(["home", "start"])]
    new = homes.page == "start"
    assert (new == late[homes.index] & (homes.channel == "mobile")).all()
    assert 500 < new.sum() < len(homes)
    launched = (drawn.day >= sessions.launch_day(block.calendar)).astype(float)
    fitted = LogisticRegression(C=1e6).fit(np.stack([launched, drawn.digital], axis=1), drawn.mobile)
    assert abs(fitted.coef_[0, 0] - sessions.PLANTED["events.home_screen.mobile"]) < 0.1
    [(name, kind, day, table, description)] = sessions.DRIFTS
    assert (name, kind, pd.Timestamp(day), table) == ("app_home_screen", "covariate", LAUNCH, "events")
    assert description


@pytest.mark.parametrize(("end", "expected"), [(dt.date(2025, 2, 28), 0), (dt.date(2025, 3, 31), 1)])
def test_the_home_screen_may_lie_outside_the_window(end, expected):
    pages_seen = frame(block_of(months=1, end=end), "events").page
    assert (pages_seen == "start").any() == expected
    assert (pages_seen == "home").any()


def test_products_are_looked_at_before_they_are_opened(block, seen):
    looks = seen[seen.plain == "product"]
    product = looks.page.str.removeprefix("product_").map({n: i for i, n in enumerate(pages._SHOWN)})
    ahead = block.accounts.opened[looks.customer, 1:] - looks.day.to_numpy()[:, None]
    shown = product.to_numpy()[:, None] == np.arange(ahead.shape[1])
    popular = np.broadcast_to(pages._POPULAR, shown.shape)
    one = ((ahead > 0) & (ahead <= pages.PLANTED["events.interest.days"])).sum(axis=1) == 1
    soon = one[:, None] & (ahead > 0) & (ahead <= pages.PLANTED["events.interest.days"])
    weight = pages.PLANTED["events.interest.weight"]
    assert soon.sum() > 300
    assert abs(shown[soon].mean() - ((popular[soon] + weight) / (1 + weight)).mean()) < 0.08
    unrelated = ~((ahead > 0) & (ahead <= pages.PLANTED["events.interest.days"])).any(axis=1)
    past = unrelated[:, None] & (ahead < 0) & (ahead > -60)
    assert past.sum() > 300
    assert abs(shown[past].mean() - popular[past].mean()) < 0.05


def test_states_do_not_depend_on_what_is_opened(block, drawn):
    ahead = block.accounts.opened[drawn.customer] - drawn.day.to_numpy()[:, None]
    soon = ((ahead > 0) & (ahead <= 30)).any(axis=1)
    buying = (drawn.state == sessions.BUYING).groupby(soon).mean()
    assert abs(buying[True] - buying[False]) < 0.02


@pytest.mark.parametrize("changed", [{"seed": 11}, {"months": 1}, {"months": 1, "end": dt.date(2019, 2, 28)}])
def test_another_seed_or_window_works(changed):
    block = block_of(**{"months": 6, "number": 2} | changed)
    events, truth = (frame(block, table) for table in MINE)
    assert len(events) > 3000
    assert set(events.session_id) == set(truth.session_id)
    assert events.customer_id.between("C0002000", "C0002999").all()
    assert (events["at"].min() >= block.calendar.start) & (events["at"].max() < block.calendar.days[-1] + 1)


def test_a_customer_is_the_same_in_a_small_bank(block, events):
    few = block_of(kept=7)
    for table, all_rows in (("events", events), ("truth/sessions", frame(block, "truth/sessions"))):
        rows = frame(few, table)
        assert rows.customer_id.nunique() > 1
        pd.testing.assert_frame_equal(rows, all_rows[all_rows.customer_id <= "C0000006"])


def test_a_bank_without_sessions_has_the_same_columns(monkeypatch, tmp_path):
    def written(folder: Path) -> list[pa.Schema]:
        block = block_of(months=1)
        for table in MINE:
            write_part(folder, table, 0, TABLES[table](block))
        return [pq.read_schema(folder / table / "part-0000.parquet") for table in MINE]

    some = written(tmp_path / "some")
    monkeypatch.setattr(sessions, "_PER_DAY", 0.0)
    assert written(tmp_path / "none") == some
    assert pq.read_table(tmp_path / "none" / "events").num_rows == 0


@pytest.mark.parametrize(
    ("name", "may_change"),
    [("events/seconds", {"events"}), ("events/products", {"events"}), ("events/states", set(MINE))],
)
def test_a_changed_stream_leaves_other_tables_alone(monkeypatch, name, may_change):
    others = ("customers", "accounts", "relations", "truth/adoptions", "truth/communities")
    before = block_of(months=2)
    made = {table: TABLES[table](before) for table in (*MINE, *others)}
    key = streams.stream_key
    monkeypatch.setattr(streams, "stream_key", lambda n: key(n + "!" if n == name else n))
    after = block_of(months=2)
    assert {table for table in made if not made[table].equals(TABLES[table](after))} == may_change
