"""Ties, communities and contagion: they hold the contract, funds spread along ties, and insurance does not."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import SpectralClustering
from sklearn.metrics import adjusted_rand_score

from bankmine.bank.contract import PRODUCTS
from bankmine.bank.contract import TABLES as CONTRACT
from bankmine.bank.snapshot import open_source
from demobank import generate, streams
from demobank.bank import write_part
from demobank.block import Block
from demobank.books.accounts import draw_openings
from demobank.books.bookings import FUND, INSURANCE, SAVINGS
from demobank.customers import contagion, ties
from demobank.seasons import make_calendar
from demobank.streams import Streams
from demobank.tables import TABLES

pytestmark = pytest.mark.slow

MINE = ("relations", "truth/communities", "truth/adoptions")
USED = (*MINE, "customers", "accounts", "truth/customers")
LAST = dt.date(2025, 12, 31)
START = pd.Timestamp("2023-01-01")


def block_of(seed: int = 3, number: int = 0, months: int = 36, kept: int = 1000, end: dt.date = LAST) -> Block:
    return Block(Streams(seed, number), make_calendar(end, months), kept)


def frame(block: Block, table: str) -> pd.DataFrame:
    rows = TABLES[table](block).to_pandas(date_as_object=False)
    return rows.astype(dict.fromkeys(rows.select_dtypes("category"), str))


@pytest.fixture(scope="module")
def blocks() -> list[Block]:
    return [block_of(number=number) for number in range(5)]


@pytest.fixture(scope="module")
def tables(blocks) -> dict[str, pd.DataFrame]:
    return {table: pd.concat([frame(b, table) for b in blocks], ignore_index=True) for table in USED}


@pytest.fixture(scope="module")
def directed(tables) -> pd.DataFrame:
    """Both directions of every tie."""
    rows = tables["relations"]
    back = rows.rename(columns={"from_id": "to_id", "to_id": "from_id"})
    return pd.concat([rows, back], ignore_index=True)


def test_columns_are_those_of_the_contract(blocks, tmp_path):
    write_part(tmp_path, "relations", 0, TABLES["relations"](blocks[0]))
    schema = pq.read_schema(tmp_path / "relations" / "part-0000.parquet")
    types = {"string": "string", "date": "date32[day]", "float64": "double"}
    assert {f.name: str(f.type) for f in schema} == {c.name: types[c.type] for c in CONTRACT["relations"].columns}


def test_ties_are_written_once_between_customers_who_are_there(tables):
    rows, people = tables["relations"], tables["customers"].set_index("customer_id").joined_on
    assert (rows.from_id < rows.to_id).all()
    assert not rows.duplicated(["from_id", "to_id"]).any()
    assert rows.from_id.isin(people.index).all()
    assert rows.to_id.isin(people.index).all()
    left = tables["truth/customers"].set_index("customer_id").left_on.fillna(pd.Timestamp("2100-01-01"))
    for end in ("from_id", "to_id"):
        assert (rows.since >= rows[end].map(people)).all()
        assert (rows.since < rows[end].map(left)).all()
    assert rows.since.max() <= pd.Timestamp(LAST)
    assert 0.1 < (rows.since >= START).mean() < 0.6


def test_the_checker_finds_nothing_wrong(tmp_path):
    snapshot = open_source(str(generate(tmp_path / "bank", customers=300, months=2, seed=3))).as_of(LAST)
    found = snapshot.violations()
    assert found.table.nunique() > 1
    assert not set(found.table) & {"events", "relations"}
    assert snapshot.checks["relations"].kept > 100
    assert snapshot.checks["events"].kept > 2000


def test_kinds_weights_and_number_of_ties_are_plausible(tables, directed):
    rows = tables["relations"]
    shares = rows.kind.value_counts(normalize=True)
    assert set(shares.index) == set(ties.KINDS)
    assert shares.between(0.05, 0.5).all()
    assert rows.weight.between(0.01, 1).all()
    assert rows.weight[rows.kind == "family"].mean() > 1.4 * rows.weight[rows.kind == "payment"].mean()
    assert 4 < len(directed) / len(tables["customers"]) < 6
    lonely = 1 - directed.from_id.nunique() / len(tables["customers"])
    assert lonely < 0.1
    referred = rows[rows.kind == "referral"]
    people = tables["customers"].set_index("customer_id").joined_on
    joined = np.maximum(referred.from_id.map(people), referred.to_id.map(people))
    assert ((referred.since - joined).dt.days < 30).all()


def test_communities_have_15_to_60_customers_and_most_ties(tables):
    home = tables["truth/communities"].set_index("customer_id").community
    assert home.index.is_unique
    assert home.value_counts().between(ties.SMALLEST, ties.LARGEST).all()
    inside = tables["relations"].from_id.map(home) == tables["relations"].to_id.map(home)
    assert 0.85 < inside.mean() < 0.97


def test_sizes_always_fill_the_block():
    drawn = [ties._sizes(np.random.default_rng(seed)) for seed in range(500)]
    assert {sizes.sum() for sizes in drawn} == {1000}
    assert min(sizes.min() for sizes in drawn) == ties.SMALLEST
    assert max(sizes.max() for sizes in drawn) == ties.LARGEST


def test_customers_live_among_their_like_as_planted(blocks):
    """Pairs of one region in one community, between what chance gives and what a perfect order would."""
    found = []
    for block in blocks:
        world, community = block.world, block.ties.community
        order = np.lexsort((world.age, world.segment, world.region))
        sorted_home = np.empty(1000, dtype=int)
        sorted_home[order] = np.repeat(np.arange(community.max() + 1), np.bincount(community))
        for kind in (world.region, world.segment):
            found.append([alike(community, kind), alike(sorted_home, kind), (np.bincount(kind) ** 2).sum() / 1e6])
    there, perfect, chance = np.mean(found, axis=0)
    strength = np.sqrt((there - chance) / (perfect - chance))
    assert abs(strength - ties.PLANTED["relations.homophily"]) < 0.05


def alike(home: np.ndarray, kind: np.ndarray) -> float:
    table = np.zeros((home.max() + 1, kind.max() + 1))
    np.add.at(table, (home, kind), 1)
    size = table.sum(axis=1)
    return (table * (table - 1)).sum() / (size * (size - 1)).sum()


def test_communities_can_be_found_from_the_ties(blocks):
    drawn = blocks[0].ties
    both = np.r_[drawn.first, drawn.second], np.r_[drawn.second, drawn.first]
    graph = csr_matrix((np.ones(len(both[0])), both), (1000, 1000))
    parts = connected_components(graph)[1]
    largest = np.flatnonzero(parts == np.bincount(parts).argmax())
    model = SpectralClustering(drawn.community.max() + 1, affinity="precomputed", random_state=0)
    found = model.fit_predict(graph[largest][:, largest])
    score = adjusted_rand_score(drawn.community[largest], found)
    assert 0.4 < score < 0.98
    shuffled = np.random.default_rng(0).permutation(found)
    assert adjusted_rand_score(drawn.community[largest], shuffled) < 0.02


def test_only_funds_spread_and_openings_of_ones_own_stay(blocks):
    for block in blocks:
        alone, opened = draw_openings(block.world, block.streams), block.adoptions.opened
        others = [p for p in range(len(PRODUCTS)) if p != FUND]
        assert (opened[:, others] == alone[:, others]).all()
        assert (opened[:, FUND] <= alone[:, FUND]).all()
        infected = block.adoptions.infected_by[:, FUND] >= 0
        assert (infected == (opened[:, FUND] < alone[:, FUND])).all()
        assert infected.sum() > 5


def test_adoptions_are_the_accounts(tables):
    held = tables["accounts"][tables["accounts"]["product"].isin(["fund", "insurance"])]
    held = held.rename(columns={"opened_on": "adopted_on"})[["customer_id", "product", "adopted_on"]]
    told = tables["truth/adoptions"][list(held)]
    order = ["product", "customer_id"]
    pd.testing.assert_frame_equal(
        held.sort_values(order, ignore_index=True), told.sort_values(order, ignore_index=True)
    )


def test_who_was_infected_knew_an_adopter_and_could_open_a_fund(tables, directed):
    adopted = tables["truth/adoptions"]
    assert adopted[adopted["product"] == "insurance"].infected_by.isna().all()
    day = adopted[adopted["product"] == "fund"].set_index("customer_id").adopted_on
    infected = adopted.dropna().merge(
        directed, left_on=["infected_by", "customer_id"], right_on=["from_id", "to_id"], how="left"
    )
    before = infected.infected_by.map(day)
    assert 80 < len(infected) < 0.6 * len(day)
    assert (infected.adopted_on - before).dt.days.between(10, 60).all()
    assert (before >= START).all()
    assert (infected.since <= before).all()
    accounts = tables["accounts"]
    savings = accounts[accounts["product"] == "savings"].set_index("customer_id").opened_on
    assert (infected.customer_id.map(savings) <= before).all()
    left = tables["truth/customers"].set_index("customer_id").left_on.fillna(pd.Timestamp(2026, 1, 1))
    assert (infected.adopted_on < infected.customer_id.map(left)).all()


@pytest.mark.parametrize(("weakest", "strongest"), [(0.0, 0.5), (0.5, 1.0)])
def test_transmission_is_the_planted_one(blocks, weakest, strongest):
    """Successes among the ways that were open to the end of the longest delay, for weak and for strong ties."""
    brought = expected = 0.0
    chance = contagion.PLANTED["contagion.transmission.fund"]
    for block in blocks:
        source, target, told, weight, ready = ways(block)
        ready &= (weight > weakest) & (weight <= strongest) & (told < block.adoptions.opened[target, FUND])
        brought += (block.adoptions.infected_by[target[ready], FUND] == source[ready]).sum()
        expected += chance * weight[ready].sum()
    assert expected > 20
    # a little fewer, as some are brought by another friend first
    assert abs(brought - 0.97 * expected) < 3 * np.sqrt(expected)


def ways(block: Block) -> tuple[np.ndarray, ...]:
    """Give each direction of each tie: who, whom, day of telling, weight, and whether it could bring an adoption."""
    drawn = block.ties
    source, target = np.r_[drawn.first, drawn.second], np.r_[drawn.second, drawn.first]
    told = block.adoptions.opened[source, FUND]
    ends = np.minimum(block.world.life.left[target], block.calendar.length)
    ready = (told >= 0) & (np.tile(drawn.since, 2) <= told) & (block.accounts.opened[target, SAVINGS] <= told)
    return source, target, told, np.tile(drawn.weight, 2), ready & (told + 60 < ends)


def followers(tables: dict[str, pd.DataFrame], directed: pd.DataFrame, product: str) -> tuple[float, float]:
    """Adoptions within 60 days of a friend's, and how many standard errors above what permuted dates give."""
    rows = tables["accounts"].query("product == @product").set_index("customer_id").opened_on
    rows = rows[rows >= START]
    known = directed[directed.from_id.isin(rows.index) & directed.to_id.isin(rows.index)]
    first, second = (rows.index.get_indexer(known[end]) for end in ("from_id", "to_id"))
    days, since = (values.to_numpy().astype("datetime64[D]").astype(int) for values in (rows, known.since))

    def count(days: np.ndarray) -> int:
        gap = days[second] - days[first]
        return ((gap > 0) & (gap <= 60) & (since <= days[first])).sum()

    rng = np.random.default_rng(0)
    permuted = [count(rng.permutation(days)) for _ in range(200)]
    return count(days), (count(days) - np.mean(permuted)) / np.std(permuted)


def test_funds_follow_friends_and_insurance_does_not(tables, directed):
    found, errors = followers(tables, directed, "fund")
    assert found > 80
    assert errors > 8
    _, errors = followers(tables, directed, "insurance")
    assert abs(errors) < 3


def test_friends_hold_alike_even_without_contagion(blocks):
    """Funds held before the window were never passed on: that friends both hold them is homophily."""
    together, apart = [], []
    for block in blocks:
        held = block.adoptions.opened[:, FUND] < 0
        drawn = block.ties
        inside = drawn.community[drawn.first] == drawn.community[drawn.second]
        together += list(held[drawn.first[inside]] & held[drawn.second[inside]])
        apart.append(held.mean() ** 2)
    assert np.mean(together) > 1.15 * np.mean(apart)


def test_seeds_that_reach_most_are_not_those_with_most_ties(blocks):
    """Greedy choice over possible worlds: as all ties carry in both ways, a seed reaches its connected part."""
    drawn = blocks[0].ties
    rng = np.random.default_rng(0)

    def parts() -> np.ndarray:
        kept = rng.random(len(drawn.first)) < contagion.PLANTED["contagion.transmission.fund"] * drawn.weight
        graph = csr_matrix((np.ones(kept.sum()), (drawn.first[kept], drawn.second[kept])), (1000, 1000))
        return connected_components(graph, directed=False)[1]

    def reach(seeds: np.ndarray, worlds: list[np.ndarray]) -> float:
        return np.mean([np.bincount(world)[np.unique(world[seeds])].sum() for world in worlds])

    training, test = ([parts() for _ in range(100)] for _ in range(2))
    left = [np.bincount(world).astype(float) for world in training]
    chosen = []
    for _ in range(10):
        chosen.append(int(sum(size[world] for size, world in zip(left, training, strict=True)).argmax()))
        for size, world in zip(left, training, strict=True):
            size[world[chosen[-1]]] = 0
    most = np.argsort(-np.bincount(np.r_[drawn.first, drawn.second], minlength=1000))[:10]
    anyone = rng.choice(1000, 10, replace=False)
    assert reach(np.array(chosen), test) > 1.15 * reach(most, test) > reach(anyone, test)


@pytest.mark.parametrize("changed", [{"seed": 11}, {"months": 1}, {"months": 1, "end": dt.date(2019, 2, 28)}])
def test_another_seed_or_window_works(changed):
    block = block_of(**{"months": 6, "number": 2} | changed)
    rows, home, adopted = (frame(block, table) for table in MINE)
    assert len(rows) > 1000
    assert rows.from_id.between("C0002000", "C0002999").all()
    assert home.community.between("G0000200", "G0000299").all()
    assert adopted["product"].isin(["fund", "insurance"]).all()
    assert (adopted.infected_by.dropna() >= "C0002000").all()


@pytest.mark.parametrize("kept", [1, 7, 300])
def test_a_small_bank_has_the_ties_of_two_kept_customers(blocks, tables, kept):
    few, last = block_of(kept=kept), f"C{kept - 1:07d}"
    for table in MINE:
        key = "to_id" if table == "relations" else "customer_id"
        expected = tables[table][tables[table][key] <= last]
        pd.testing.assert_frame_equal(frame(few, table), expected.reset_index(drop=True), check_dtype=False)
    assert TABLES["relations"](few).schema == TABLES["relations"](blocks[0]).schema


CHANGES = [
    ("relations/dates", {"relations", "accounts", "truth/adoptions"}),
    ("contagion/fund", {"accounts", "truth/adoptions"}),
    ("contagion/insurance", set()),
]


@pytest.mark.parametrize(("name", "changes"), CHANGES)
def test_a_changed_stream_leaves_other_tables_alone(monkeypatch, name, changes):
    """All but what follows from accounts: bookings, and the product pages that customers look at."""
    names = (*USED, "truth/sessions", "truth/months")
    before = block_of(months=12)
    made = {table: TABLES[table](before) for table in names}
    key = streams.stream_key
    monkeypatch.setattr(streams, "stream_key", lambda n: key(n + "!" if n == name else n))
    after = block_of(months=12)
    assert {table for table in names if not made[table].equals(TABLES[table](after))} == changes
    assert (after.accounts.opened[:, INSURANCE] == before.accounts.opened[:, INSURANCE]).all()


def test_without_transmission_everyone_acts_alone(monkeypatch):
    monkeypatch.setitem(contagion.PLANTED, "contagion.transmission.fund", 0.0)
    block = block_of()
    assert (block.accounts.opened == draw_openings(block.world, block.streams)).all()
    assert (block.adoptions.infected_by < 0).all()


def test_certain_transmission_reaches_whoever_can_be_reached(monkeypatch):
    """With every way open each neighbour who could adopt does, unless the window or the customer's time here ends."""
    monkeypatch.setitem(contagion.PLANTED, "contagion.transmission.fund", 1e6)
    block = block_of()
    _, target, told, _, ready = ways(block)
    day = block.adoptions.opened[:, FUND]
    ready &= told < day[target]
    assert ready.sum() > 300
    assert (day[target[ready]] <= told[ready] + 60).all()
