"""Which subscriptions want a report, and on which terms. Knows no clock and no store."""

from shared.decision import Terms, terms_of
from shared.matching.document import Document
from shared.matching.expression import Expression
from shared.matching.snapshot import Snapshot
from shared.subscriptions import CompiledFilter, Subscription


class Wanted:
    """The active subscriptions, filters made ready."""

    def __init__(self) -> None:
        self._snapshot = Snapshot.build({})
        self._active: dict[str, Terms] = {}
        self._put: dict[str, Expression] = {}
        self._drop: set[str] = set()

    def __len__(self) -> int:
        return len(self._active)

    def put(self, subscription: Subscription) -> None:
        """Take in a subscription as it is now; one that is not active is left out."""
        if subscription.state != "active":
            self.drop(subscription.id)
            return
        compiled = CompiledFilter.of(subscription.filter)
        self._active[subscription.id] = terms_of(subscription, compiled)
        self._put[subscription.id] = compiled.expression
        self._drop.discard(subscription.id)

    def drop(self, subscription_id: str) -> None:
        self._active.pop(subscription_id, None)
        self._put.pop(subscription_id, None)
        self._drop.add(subscription_id)

    def find(self, document: Document) -> list[Terms]:
        """Return the terms of each subscription whose filter holds for a report."""
        self.make_ready()
        return [self._active[name] for name, _ in self._snapshot.match(document)]

    def make_ready(self) -> None:
        """Work in what changed, so that the next report need not wait for it."""
        # Changes are gathered until a report comes: thousands at the start cost one change, not thousands.
        if self._put or self._drop:
            self._snapshot = self._snapshot.with_changes(self._put, self._drop)
            self._put, self._drop = {}, set()
        if self._snapshot.is_scattered:
            self._snapshot = self._snapshot.compacted()
