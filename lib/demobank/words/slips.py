"""How texts go wrong between head and database: misspelled words, odd punctuation, and texts that harm software."""

from __future__ import annotations

import numpy as np

from demobank.words.frames import TEXT

PLANTED = {"feedback.hostile_share": 0.012}
"""Share of texts that harm software which trusts them."""

_SLIP, _WIDE, _HALF, _SPACED, _LONG = 0.05, 0.04, 0.12, 0.14, 0.002
_SLIPS = (
    ("的", "得"), ("登录", "登陆"), ("账", "帐"), ("一直", "一只"), ("在", "再"), ("提示", "题示"), ("续", "序"),
    ("以后", "已后"), ("怎么", "咋"), ("没有", "木有"), ("是不是", "4不4"), ("什么", "神马"), ("手续费", "手序费"),
    ("额度", "额渡"), ("客服", "克服"), ("利息", "利西"), ("服务", "服物"), ("闪退", "山退"), ("这", "介"),
)  # fmt: skip
"""Right and wrong: homophones of the pinyin keyboard, and slang."""
_HOSTILE = (
    "<script>alert('{text}')</script>", "=1+1{text}", "+{text}", "@SUM(1+1)*cmd|'{text}'!A0", '"{text}""', "'{text}';",
    "{text}'; DROP TABLE feedback; --", "<b>{text}</b><img src=x onerror=alert(1)>", "  {text}\r\n\r\n", "\t{text}\t|",
    "{text}\u200b\u202e", "${7*7}{text}", "{{{text}}}", "\\n{text}\\", "&lt;{text}&gt;&amp;nbsp;", "`{text}`",
    "# {text}\n- *", "{text}\U0001f468\u200d\U0001f469\u200d\U0001f467\U0001f3e6",
)  # fmt: skip
"""Texts that harm software which trusts them: markup, formulas, quotes, line ends, invisible characters."""


def misspell(rng: np.random.Generator, text: np.ndarray) -> np.ndarray:
    """Type some words wrong, and some digits in full width."""
    for right, wrong in _SLIPS:
        text = np.where(rng.random(len(text)) < _SLIP, np.strings.replace(text, right, wrong), text)
    wide = text
    for digit in range(10):
        wide = np.strings.replace(wide, str(digit), chr(0xFF10 + digit))
    return np.where(rng.random(len(text)) < _WIDE, wide, text)


def punctuate(rng: np.random.Generator, text: np.ndarray) -> np.ndarray:
    """Put commas of half width, or spaces, in the place of those of full width."""
    style = rng.random(len(text))
    text = np.where(style < _HALF, np.strings.replace(text, "，", ","), text)
    return np.where(style > 1 - _SPACED, np.strings.replace(text, "，", " "), text)


def harm(rng: np.random.Generator, text: np.ndarray) -> np.ndarray:
    """Wrap some texts into what harms software, and make a few very long."""
    wrapper = np.array(_HOSTILE, dtype=TEXT)[rng.integers(len(_HOSTILE), size=len(text))]
    chance = rng.random(len(text))
    text = np.where(chance < PLANTED["feedback.hostile_share"], np.strings.replace(wrapper, "{text}", text), text)
    times = np.where(chance > 1 - _LONG, rng.integers(40, 120, len(text)), 1)
    return np.strings.multiply(text, times)
