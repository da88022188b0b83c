"""Digests in Redis: built from what was held when the first attempt is made, kept until it is delivered."""

import time
from collections.abc import Sequence
from hashlib import sha256

from services.notify.core.case import Wanting
from services.notify.core.digest import Held, build_digest
from services.notify.core.recent import Recent
from shared.bus import Bus
from shared.deliveries import DIGEST_SECONDS, DeliveryLog
from shared.delivery import Delivery
from shared.digest import Digest
from shared.report_store import read_stored
from shared.subscriptions import Matched, document_of, find_match

CONTENTS_KEPT = 16
# A report may be revised; who asks later is told of it as it is then.
SHARED_SECONDS = 60.0
CONTENT_SECONDS = DIGEST_SECONDS + 3600


class Digests:
    """Finds the content of a digest. Whoever asks first builds it; everybody after gets the same.

    Thousands may be owed the same at one moment: it is built and kept once, under the hash of what it says.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._names = bus.names
        self._built: Recent[tuple[object, ...], tuple[float, str]] = Recent(CONTENTS_KEPT)
        self._contents: Recent[str, Digest] = Recent(CONTENTS_KEPT)

    async def find(self, delivery: Delivery, wanting: Wanting) -> tuple[str, Digest] | None:
        """Return the digest of a delivery and the name of its content; None if nothing of it is kept any more."""
        key = self._names.digest_content(delivery.id)
        asked = self._bus.redis.pipeline(transaction=False).get(key)
        kept, ids = await asked.lrange(self._names.digest(delivery.id), 0, -1).execute()
        if kept is None:
            built = await self._build([raw.decode() for raw in ids], delivery, wanting)
            if built is None:
                return None
            first = self._bus.redis.pipeline(transaction=False).set(key, built, nx=True, ex=DIGEST_SECONDS)
            _, kept = await first.get(key).execute()
        content = await self._content(kept.decode())
        return (kept.decode(), content.model_copy(update={"id": delivery.id})) if content else None

    async def _content(self, name: str) -> Digest | None:
        known = self._contents.get(name)
        if known is None and (raw := await self._bus.redis.get(self._names.digest_content(name))):
            known = self._contents.put(name, Digest.model_validate_json(raw))
        return known

    async def _build(self, ids: Sequence[str], delivery: Delivery, wanting: Wanting) -> str | None:
        """The name of the content, which is kept when this returns."""
        waited = await self._waited(ids, but_delivered=delivery.to_fallback)
        due = (
            next((each.next_attempt_at for each in waited if each.state == "held"), None)
            or delivery.created_at
        )
        told = (wanting.wish, due, frozenset((each.report, each.refers_to) for each in waited))
        built = self._built.get(told)
        if built and time.monotonic() - built[0] < SHARED_SECONDS:
            return built[1]
        held = await self._held(waited, wanting)
        if not held:
            return None
        stories = list(dict.fromkeys(item.tagged.story.id for item in held))
        wanted = wanting.subscription.filter
        digest = build_digest(due, held, wanted, await self._sources(stories))
        content = digest.model_dump_json()
        name = sha256(content.encode()).hexdigest()[:24]
        await self._bus.redis.set(self._names.digest_content(name), content, ex=CONTENT_SECONDS)
        return self._built.put(told, (time.monotonic(), name))[1]

    async def _waited(self, ids: Sequence[str], *, but_delivered: bool = False) -> list[Delivery]:
        """The deliveries of reports that a digest is of; where it stands for another digest, those of that one."""
        found = [each for each in await DeliveryLog(self._bus).many(ids) if each]
        if but_delivered:
            # The first channel was back before the second was told.
            found = [each for each in found if each.state != "delivered"]
        digests = [each.id for each in found if each.kind == "digest"]
        if not digests:
            return found
        pipe = self._bus.redis.pipeline(transaction=False)
        for digest in digests:
            pipe.lrange(self._names.digest(digest), 0, -1)
        within = [raw.decode() for row in await pipe.execute() for raw in row]
        return [each for each in found if each.kind != "digest"] + await self._waited(within)

    async def _held(self, waited: Sequence[Delivery], wanting: Wanting) -> list[Held]:
        pipe = self._bus.redis.pipeline(transaction=False)
        for each in waited:
            pipe.hget(self._names.report(each.report or ""), "event")
        reports = [read_stored(raw) for raw in await pipe.execute()]
        return [
            Held(each, tagged, find_match(wanting.compiled, tagged, document_of(tagged)) or Matched((), ()))
            for each, tagged in zip(waited, reports, strict=True)
            if tagged
        ]

    async def _sources(self, stories: Sequence[str]) -> dict[str, int]:
        pipe = self._bus.redis.pipeline(transaction=False)
        for story in stories:
            pipe.hlen(self._names.story(story))
        # One field counts the reports; each other is a source.
        return {
            story: max(1, length - 1) for story, length in zip(stories, await pipe.execute(), strict=True)
        }
