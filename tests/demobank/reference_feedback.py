"""A plain, honest reader of feedback, with a rule of keywords beside it: what the difficulty is measured with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

KEYWORDS = {
    "fee": ("手续费", "年费", "扣费", "收费", "费用", "短信费", "扣了"),
    "app": ("手机银行", "app", "APP", "App", "闪退", "登录", "客户端", "页面", "软件"),
    "service": ("态度", "排队", "柜员", "窗口", "客服", "大堂经理", "服务", "耐心"),
    "card": ("信用卡", "额度", "卡", "积分", "白金卡"),
    "loan": ("贷款", "房贷", "审批", "月供", "放款", "还款", "按揭"),
    "interest": ("利率", "利息", "存单", "理财", "定期", "收益"),
    "security": ("冻结", "验证码", "盗刷", "诈骗", "风控", "安全", "限额"),
}


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


def labelled(folder: Path) -> pd.DataFrame:
    """Return all tickets with their truth, in order of time."""
    written = pd.read_parquet(folder / "feedback").drop_duplicates()  # some rows were delivered twice
    tickets = written.merge(pd.read_parquet(folder / "truth" / "feedback"), on="ticket_id")
    return tickets.sort_values("at", ignore_index=True)


def read_later(tickets: pd.DataFrame, told: str) -> pd.DataFrame:
    """Train on the first two thirds, return the last third with what was read of the column `told`."""
    early, late = tickets[: len(tickets) * 2 // 3], tickets[len(tickets) * 2 // 3 :]
    return late.assign(read=reader().fit(early.text, early[told]).predict(late.text))
