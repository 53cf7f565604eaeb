"""Secrecy: what must never show is blanked in all that a run writes."""

from __future__ import annotations

import html


def whole(outputs: list[dict]) -> list[dict]:
    """Join what a cell wrote to the same stream in pieces: a secret that was cut in two would escape."""
    found: list[dict] = []
    for output in outputs:
        if found and output.get("output_type") == "stream" and output.get("name") == found[-1].get("name"):
            found[-1]["text"] += output["text"]
        else:
            found.append(output)
    return found


def hide(told: object, secrets: list[str]) -> object:
    """Blank secrets wherever text stands: a notebook may have printed its environment, as text or as HTML."""
    if isinstance(told, dict):
        return {name: hide(value, secrets) for name, value in told.items()}
    if isinstance(told, list):
        return [hide(value, secrets) for value in told]
    if isinstance(told, str):
        for secret in sorted(secrets, key=len, reverse=True):
            for form in (secret, html.escape(secret), repr(secret)[1:-1]):
                told = told.replace(form, "***")
    return told
