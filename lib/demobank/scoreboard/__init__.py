"""The scoreboard: what analyses recovered of what was planted. Nothing but notebook 00 and tests may import this."""
