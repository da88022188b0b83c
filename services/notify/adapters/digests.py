"""Digests in Redis: built from what was held when the first attempt is made, kept until it is delivered."""

from collections.abc import Sequence

from services.notify.adapters.cases import Wanting
from services.notify.core.digest import Held, build_digest
from shared.bus import Bus
from shared.deliveries import DIGEST_SECONDS, read_delivery
from shared.delivery import Delivery
from shared.digest import Digest
from shared.report_store import read_stored
from shared.subscriptions import Matched, find_match, text_of


class Digests:
    """Finds the content of a digest. Whoever asks first builds it; everybody after gets the same."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._names = bus.names

    async def find(self, delivery: Delivery, wanting: Wanting) -> Digest | None:
        """Return the digest of a delivery; None if nothing of it is kept any more."""
        key = self._names.digest_content(delivery.id)
        kept = await self._bus.redis.get(key)
        if kept is None:
            built = await self._build(delivery, wanting)
            if built is None:
                return None
            await self._bus.redis.set(key, built.model_dump_json(), nx=True, ex=DIGEST_SECONDS)
            kept = await self._bus.redis.get(key)
        return Digest.model_validate_json(kept)

    async def _build(self, delivery: Delivery, wanting: Wanting) -> Digest | None:
        ids = await self._bus.redis.lrange(self._names.digest(delivery.id), 0, -1)
        waited = [each for each in await self._deliveries([raw.decode() for raw in ids]) if each]
        held = await self._held(waited, wanting)
        if not held:
            return None
        stories = list(dict.fromkeys(item.tagged.story.id for item in held))
        due = next((each.next_attempt_at for each in waited if each.next_attempt_at), delivery.created_at)
        wanted = wanting.subscription.filter
        return build_digest(delivery, due, held, wanted, await self._sources(stories))

    async def _deliveries(self, ids: Sequence[str]) -> list[Delivery | None]:
        pipe = self._bus.redis.pipeline(transaction=False)
        for each in ids:
            pipe.hgetall(self._names.delivery(each))
        return [read_delivery(raw) for raw in await pipe.execute()]

    async def _held(self, waited: Sequence[Delivery], wanting: Wanting) -> list[Held]:
        pipe = self._bus.redis.pipeline(transaction=False)
        for each in waited:
            pipe.hget(self._names.report(each.report or ""), "event")
        reports = [read_stored(raw) for raw in await pipe.execute()]
        return [
            Held(each, tagged, find_match(wanting.compiled, tagged, text_of(tagged)) or Matched((), ()))
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
