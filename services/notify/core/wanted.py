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
        self._since: tuple[dict[str, Expression], set[str]] | None = None
        """What changed since the snapshot that is being compacted."""

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
        if not (self._put or self._drop):
            return
        self._snapshot = self._snapshot.with_changes(self._put, self._drop)
        if self._since is not None:
            put, drop = self._since
            kept = {name: each for name, each in put.items() if name not in self._drop}
            self._since = kept | self._put, drop | self._drop
        self._put, self._drop = {}, set()

    @property
    def is_scattered(self) -> bool:
        """Whether changes have made it slow, and nobody is at it yet."""
        return self._since is None and self._snapshot.is_scattered

    def begin_compaction(self) -> Snapshot:
        """Return what is to be compacted; takes seconds, so elsewhere. Changes go on meanwhile."""
        self.make_ready()
        self._since = {}, set()
        return self._snapshot

    def end_compaction(self, compacted: Snapshot | None) -> None:
        """Go on with what was compacted, and with what has changed since; None if it was given up."""
        self.make_ready()
        if compacted is not None and self._since is not None:
            self._snapshot = compacted.with_changes(*self._since)
        self._since = None
