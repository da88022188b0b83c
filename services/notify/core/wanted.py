"""Which subscriptions want a report. Knows no clock and no store."""

from collections.abc import Iterator

from shared.events import TaggedReport
from shared.matching.text import Text
from shared.subscriptions import CompiledFilter, Subscription, find_match


class Wanted:
    """The active subscriptions, filters made ready."""

    def __init__(self) -> None:
        self._by_id: dict[str, CompiledFilter] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def put(self, subscription: Subscription) -> None:
        """Take in a subscription as it is now; one that is not active is left out."""
        if subscription.state == "active":
            self._by_id[subscription.id] = CompiledFilter.of(subscription.filter)
        else:
            self.drop(subscription.id)

    def drop(self, subscription_id: str) -> None:
        self._by_id.pop(subscription_id, None)

    def find(self, tagged: TaggedReport, text: Text) -> Iterator[str]:
        """Yield the id of each subscription that wants the report; `text` is its words."""
        for subscription_id, compiled in self._by_id.items():
            if find_match(compiled, tagged, text) is not None:
                yield subscription_id
