"""Campaign: whether campaigns worked, whom they move, whom to contact next, and at which price."""

from bankmine.topics.campaign.study import study

__all__ = ["study"]
