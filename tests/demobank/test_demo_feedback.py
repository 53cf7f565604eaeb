"""Feedback of the demo bank: whose it is, when and how it comes in, what it says, and how hard it is to read."""

from __future__ import annotations

import datetime as dt
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, recall_score
from sklearn.pipeline import Pipeline, make_pipeline

from bankmine.bank.contract import TABLES as CONTRACT
from demobank import generate, streams
from demobank.block import Block
from demobank.customers.complaints import TOPICS
from demobank.seasons import make_calendar
from demobank.streams import Streams
from demobank.tables import TABLES
from demobank.words import opinions, texts
from demobank.words.feedback import CHANNELS, PLANTED
from demobank.words.frames import RELIEF, SLOTS, VAGUE
from demobank.words.opinions import KINDS
from demobank.words.phrases import CLAUSES, PROBLEM
from demobank.words.texts import SENTIMENTS

pytestmark = pytest.mark.slow

KEYWORDS = {
    "fee": ("手续费", "年费", "扣费", "收费", "费用", "短信费", "扣了"),
    "app": ("手机银行", "app", "APP", "App", "闪退", "登录", "客户端", "页面", "软件"),
    "service": ("态度", "排队", "柜员", "窗口", "客服", "大堂经理", "服务", "耐心"),
    "card": ("信用卡", "额度", "卡", "积分", "白金卡"),
    "loan": ("贷款", "房贷", "审批", "月供", "放款", "还款", "按揭"),
    "interest": ("利率", "利息", "存单", "理财", "定期", "收益"),
    "security": ("冻结", "验证码", "盗刷", "诈骗", "风控", "安全", "限额"),
}
END = dt.date(2025, 12, 31)
BLOCKS = 4


def by_keywords(texts: pd.Series) -> np.ndarray:
    """Return the topic most of whose keywords are found, the first of those with as many."""
    hits = [sum(texts.str.contains(word, regex=False).astype(int) for word in words) for words in KEYWORDS.values()]
    return np.array(list(KEYWORDS))[np.stack(hits, axis=1).argmax(axis=1)]


def reader() -> Pipeline:
    """Return a logistic regression on runs of one to three characters."""
    return make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=3, sublinear_tf=True),
        LogisticRegression(C=10, max_iter=300, class_weight="balanced"),
    )


def read_later(tickets: pd.DataFrame, told: str) -> pd.DataFrame:
    """Train on the first two thirds, return the last third with what was read of the column `told`."""
    early, late = tickets[: len(tickets) * 2 // 3], tickets[len(tickets) * 2 // 3 :]
    return late.assign(read=reader().fit(early.text, early[told]).predict(late.text))


def block(number: int = 0, seed: int = 3, months: int = 36, kept: int = 1000, end: dt.date = END) -> Block:
    return Block(Streams(seed, number), make_calendar(end, months), kept)


def frame(made: Block, table: str) -> pd.DataFrame:
    """Return a table without the rows that were delivered twice."""
    return TABLES[table](made).to_pandas(date_as_object=False).drop_duplicates(ignore_index=True)


@pytest.fixture(scope="module")
def blocks() -> list[Block]:
    return [block(number) for number in range(BLOCKS)]


@pytest.fixture(scope="module")
def tickets(blocks: list[Block]) -> pd.DataFrame:
    """All tickets with their truth and what is known of the customer, in order of time."""
    parts = []
    for made in blocks:
        told = frame(made, "feedback").merge(frame(made, "truth/feedback"), on="ticket_id", validate="one_to_one")
        place = told.customer_id.str[1:].astype(int) - made.world.first
        told["waiting"] = opinions.open_complaints(
            made.world.complaints, made.world, made.tickets.customer, made.tickets.day
        )
        for trait in ("engagement", "loyalty"):
            told[trait] = made.world.trait(trait)[place]
        told["joined"] = pd.Timestamp(made.calendar.start) + pd.to_timedelta(made.world.joined[place], "D")
        told["left"] = made.world.life.left[place]
        told["day"] = (told["at"].dt.normalize() - pd.Timestamp(made.calendar.start)).dt.days
        parts.append(told)
    return pd.concat(parts).sort_values("at", ignore_index=True)


def test_columns_are_those_of_the_contract(blocks):
    arrow = {"string": pa.string(), "timestamp": pa.timestamp("us"), "int64": pa.int64(), "date": pa.date32()}
    schema = TABLES["feedback"](blocks[0]).schema
    assert schema.names == list(CONTRACT["feedback"].names)
    for column in CONTRACT["feedback"].columns:
        made = schema.field(column.name).type
        assert (made.value_type if pa.types.is_dictionary(made) else made) == arrow[column.type], column.name


def test_every_word_is_used_and_no_other(tickets):
    assert set(tickets.kind) == set(tickets.true_kind) == set(KINDS)
    assert set(tickets.channel) == set(tickets.true_channel) == set(CHANNELS)
    assert set(tickets.topic) == set(tickets.second_topic.dropna()) == set(TOPICS)
    assert set(tickets.sentiment) == set(SENTIMENTS)
    assert set(tickets.rating.dropna()) == {1, 2, 3, 4, 5}
    assert not (tickets.topic == tickets.second_topic).any()


def test_keys_are_unique_and_only_customers_write(tickets):
    assert tickets.ticket_id.is_unique
    assert tickets.ticket_id.str.fullmatch(r"F\d{10}").all()
    assert (tickets["at"].dt.normalize() > tickets.joined).all()
    assert (tickets.day < tickets.left).all()
    assert tickets.day.between(0, 1095).all()


def test_complaints_are_those_that_drive_customers_away(blocks):
    for made in blocks[:2]:
        told = frame(made, "feedback").merge(frame(made, "truth/feedback"), on="ticket_id")
        told = told[told.true_kind == "complaint"]
        upset = made.world.complaints
        stays = upset.day < made.world.life.left[upset.customer]
        start = pd.Timestamp(made.calendar.start)
        settled = start + pd.to_timedelta(upset.settled[stays], "D")
        assert len(told) == stays.sum() < len(stays)
        assert sorted(told["at"].dt.normalize() - start) == sorted(pd.to_timedelta(upset.day[stays], "D"))
        assert (np.bincount(upset.topic[stays]) == told.topic.value_counts()[list(TOPICS)]).all()
        open_still = settled > pd.Timestamp(END)
        assert told.resolved_on.isna().sum() == open_still.sum() > 0
        assert sorted(told.resolved_on.dropna()) == sorted(settled[~open_still])


def test_nothing_is_settled_before_it_is_written_or_after_the_extract(tickets):
    settled = tickets[tickets.resolved_on.notna()]
    assert (settled.resolved_on >= settled["at"].dt.normalize()).all()
    assert (settled.resolved_on <= pd.Timestamp(END)).all()
    assert set(settled.true_kind) == {"complaint", "question"}


def test_tickets_come_in_the_hours_of_their_channel(tickets):
    hour = tickets["at"].dt.hour + tickets["at"].dt.minute / 60
    assert (tickets["at"] != tickets["at"].dt.normalize()).all()
    in_branch, on_phone = (hour[tickets.true_channel == channel] for channel in ("branch", "mobile"))
    assert in_branch.between(8.5, 17.5).all()
    assert 0.2 < (on_phone > 19).mean() < 0.5
    china = block().calendar.working[-1096:]
    per_day = tickets[tickets.true_channel == "branch"].groupby("day").size().reindex(range(1096), fill_value=0)
    assert per_day[china].mean() > 2 * per_day[~china].mean() > 0


def test_how_much_of_each_there_is(tickets):
    per_default_bank = tickets.true_kind.value_counts() * 5 / BLOCKS
    assert 8000 < per_default_bank.sum() < 12_000
    assert 3500 < per_default_bank["complaint"] < 5000
    assert 700 < per_default_bank["praise"] < 1500
    assert per_default_bank[["question", "survey"]].between(1500, 3500).all()
    assert 0.05 < tickets.sarcastic.mean() < 0.08
    assert 0.08 < tickets.mixed.mean() < 0.12
    assert set(tickets[tickets.sarcastic].sentiment) == {"negative"}


def test_a_few_are_filed_wrong_and_the_truth_knows(tickets):
    filed = pd.crosstab(tickets.true_kind, tickets.kind, normalize="index")
    assert filed.loc["complaint", "question"] == pytest.approx(
        PLANTED["feedback.complaints_filed_as_questions"], abs=0.015
    )
    assert filed.loc["question", "complaint"] == pytest.approx(
        PLANTED["feedback.questions_filed_as_complaints"], abs=0.015
    )
    assert filed.loc["praise", "praise"] == filed.loc["survey", "survey"] == 1
    astray = tickets.channel != tickets.true_channel
    assert astray.mean() == pytest.approx(PLANTED["feedback.wrong_channel_share"], abs=0.006)


def test_ratings_of_surveys_follow_engagement_topic_and_open_complaints(tickets):
    surveys = tickets[(tickets.true_kind == "survey") & tickets.rating.notna()]
    planted = opinions.PLANTED
    columns = [np.ones(len(surveys)), surveys.engagement, surveys.waiting > 0]
    columns += [surveys.topic == name for name in TOPICS if name != "app"]
    effects, *_ = np.linalg.lstsq(np.stack(columns, axis=1).astype(float), surveys.rating.to_numpy(float), rcond=None)
    assert effects[1] == pytest.approx(planted["feedback.survey_satisfaction_by_engagement"], abs=0.1)
    assert -1.5 < effects[2] < -0.7
    of_topic = surveys.groupby("topic", observed=True).rating.mean()
    assert of_topic["service"] > of_topic["interest"] + 0.2
    assert of_topic["app"] > of_topic["fee"] + 0.2


def test_loyal_customers_praise_and_engaged_ones_ask(blocks):
    for kind, trait, name in ((2, "loyalty", "praise_by_loyalty"), (1, "engagement", "questions_by_engagement")):
        counts = np.concatenate(
            [np.bincount(b.tickets.customer[b.tickets.kind == kind], minlength=1000) for b in blocks]
        )
        traits = np.concatenate([b.world.trait(trait) for b in blocks])
        stayed = np.concatenate([b.world.life.activity.sum(axis=1) for b in blocks])
        high, low = (counts[part].sum() / stayed[part].sum() for part in (traits > 0.5, traits < -0.5))
        between = traits[traits > 0.5].mean() - traits[traits < -0.5].mean()
        assert np.log(high / low) / between == pytest.approx(PLANTED[f"feedback.{name}_log_rate"], abs=0.15)


def test_sarcasm_has_nothing_to_do_with_topic_or_customer(tickets):
    negative = tickets[tickets.sentiment == "negative"]
    assert stats.chi2_contingency(pd.crosstab(negative.topic, negative.sarcastic)).pvalue > 0.001
    assert abs(negative.sarcastic.corr(negative.engagement)) < 0.05


def test_texts_vary_and_hold_no_slot_and_no_number_of_anybody(tickets):
    assert tickets.text.nunique() > 0.85 * len(tickets)
    assert not tickets.text.str.contains(r"\d{7,}").any()
    assert not tickets.text.str.contains("|".join(rf"\{{{name}\}}" for name in SLOTS)).any()
    assert not tickets.text.str.contains("{text}", regex=False).any()
    assert (tickets.text.str.len() >= 3).all()
    assert 15 < tickets.text.str.len().median() < 40
    assert tickets.text.str.contains("[０-９]").mean() > 0.005
    assert (tickets.text.map(lambda text: text.encode().decode()) == tickets.text).all()


def test_some_texts_harm_software_that_trusts_them(tickets):
    for harm in ("<script>", "^=1", "DROP TABLE", "\r\n", "\u200b", "onerror", '""'):
        found = tickets.text.str.contains(harm).sum()
        assert 0 < found < 0.005 * len(tickets), harm
    assert tickets.text.str.len().max() > 1000
    assert tickets.text.str.contains("[咗唔嘅]").any()
    assert tickets.text.str.contains("(?i)login|transfer|account").any()


def test_some_name_no_topic_and_some_write_another_language(tickets):
    plain = tickets[~tickets.mixed & ~tickets.sarcastic]
    pieces = {max(re.split(r"\{\w+\}", clause), key=len) for mood in VAGUE for clause in mood.tolist()}
    vague = plain.text.str.contains("|".join(piece for piece in pieces if len(piece) > 3))
    assert 0.5 < vague.mean() / texts.PLANTED["feedback.vague_share_of_plain"] < 1.2
    bad = plain[plain.sentiment == "negative"]
    foreign = bad.text.str.contains("[咗唔嘅費戶貸調]|[a-z]{4} [a-z]+ [a-z]+ ").mean()
    assert 0.5 < foreign / texts.PLANTED["feedback.foreign_share_of_negative"] < 2


def test_some_praise_tells_of_a_trouble_that_is_over(tickets):
    praise = tickets[(tickets.true_kind == "praise") & ~tickets.mixed]
    over = praise.text.str.contains("|".join(phrase[1:] for phrase in RELIEF.tolist())).mean()
    assert 0.6 < over / texts.PLANTED["feedback.relieved_share_of_positive"] < 1.2


def test_new_words_come_into_use_by_and_by(tickets):
    assert texts.in_use(np.array(["2023-06-01", "2026-03-01"], dtype="datetime64[D]")).tolist() == [0.75, 1.0]
    clauses = [clause for moods in CLAUSES.values() for clause in moods[PROBLEM][-(len(moods[PROBLEM]) // 4) :]]
    pieces = [max(re.split(r"\{\w+\}", clause), key=len) for clause in clauses]
    new = tickets[tickets.text.str.contains("|".join(piece for piece in pieces if len(piece) > 4))]
    year = new["at"].dt.year.value_counts().reindex([2023, 2024, 2025], fill_value=0)
    assert year[2023] == 0
    assert 0 < 2 * year[2024] < year[2025]


@pytest.mark.seeds
def test_the_topic_can_be_read_but_not_looked_up(tickets):
    later = read_later(tickets, "topic")
    read = f1_score(later.topic, later["read"], average="macro")
    looked_up = f1_score(later.topic, by_keywords(later.text), average="macro")
    assert 0.82 < read < 0.95
    assert 0.4 < looked_up < read - 0.15


@pytest.mark.seeds
def test_sarcasm_is_the_hard_part(tickets):
    later = read_later(tickets, "sentiment")
    assert 0.8 < f1_score(later.sentiment, later["read"], average="macro") < 0.95
    bad = later[later.sentiment == "negative"]
    plain, sarcastic = (
        recall_score(part.sentiment, part["read"], labels=["negative"], average="macro")
        for part in (bad[~bad.sarcastic], bad[bad.sarcastic])
    )
    assert sarcastic < plain - 0.05
    assert sarcastic > 0.4


@pytest.mark.parametrize("changed", ["feedback/texts", "feedback/surveys"])
def test_streams_are_independent(monkeypatch, changed):
    before = {table: TABLES[table](block()) for table in ("feedback", "truth/feedback", "customers")}
    key = streams.stream_key
    monkeypatch.setattr(streams, "stream_key", lambda name: key(name + " changed" if name == changed else name))
    after = {table: TABLES[table](block()) for table in before}
    same = {table for table in before if before[table] == after[table]}
    assert same == ({"truth/feedback", "customers"} if changed == "feedback/texts" else {"customers"})


@pytest.mark.parametrize(("customers", "months", "end"), [(7, 1, dt.date(2024, 2, 29)), (90, 2, dt.date(2026, 6, 30))])
def test_any_window_any_size(tmp_path, customers, months, end):
    few, many = (generate(tmp_path / str(n), customers=n, months=months, seed=8, end=end) for n in (customers, 400))
    for table in ("feedback", "truth/feedback"):
        written, again = (pq.read_table(folder / table) for folder in (few, many))
        ids = pq.read_table(few / "feedback")["ticket_id"]
        assert written.schema == again.schema
        assert written == again.filter(pa.compute.is_in(again["ticket_id"], ids))
        assert len(ids) >= customers // 20
    assert len(pq.read_table(many / "feedback")) > len(ids)
