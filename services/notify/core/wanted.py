"""Which subscriptions want a report. Knows no clock and no store."""

from collections.abc import Iterator

from shared.events import TaggedReport
from shared.matching.expression import Expression
from shared.matching.snapshot import Match, Snapshot
from shared.matching.text import Text
from shared.subscriptions import CompiledFilter, Subscription, document_of


class Wanted:
    """The active subscriptions, filters made ready."""

    def __init__(self) -> None:
        self._snapshot = Snapshot.build({})
        self._active: set[str] = set()
        self._put: dict[str, Expression] = {}
        self._drop: set[str] = set()

    def __len__(self) -> int:
        return len(self._active)

    def put(self, subscription: Subscription) -> None:
        """Take in a subscription as it is now; one that is not active is left out."""
        if subscription.state != "active":
            self.drop(subscription.id)
            return
        self._active.add(subscription.id)
        self._put[subscription.id] = CompiledFilter.of(subscription.filter).expression
        self._drop.discard(subscription.id)

    def drop(self, subscription_id: str) -> None:
        self._active.discard(subscription_id)
        self._put.pop(subscription_id, None)
        self._drop.add(subscription_id)

    def find(self, tagged: TaggedReport, text: Text | None = None) -> Iterator[tuple[str, Match]]:
        """Yield the id of each subscription that wants the report, and what of its filter held.

        `text` is the report's words, if they are there already.
        """
        self._apply()
        yield from self._snapshot.match(document_of(tagged, text))

    def _apply(self) -> None:
        # Changes are gathered until a report comes: thousands at the start cost one change, not thousands.
        if self._put or self._drop:
            self._snapshot = self._snapshot.with_changes(self._put, self._drop)
            self._put, self._drop = {}, set()
        if self._snapshot.is_scattered:
            self._snapshot = self._snapshot.compacted()
