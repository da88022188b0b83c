"""Which entries of a feed were seen, kept in Redis as the marks that core/change.py reads and writes."""

from collections.abc import Collection, Mapping, Sequence

from shared.names import Names
from shared.together import Together, script

_CHUNK = 1000

# Only if nobody published meanwhile: an old mark put back would make a known revision look new.
# KEYS: seen   ARGV: field, expected ('' = absent), mark, field, expected, mark...
_RENEW = script(
    """
local fields, set = {}, {}
for i = 1, #ARGV, 3 do fields[#fields + 1] = ARGV[i] end
for n, now in ipairs(redis.call('HMGET', KEYS[1], unpack(fields))) do
  if (now or '') == ARGV[3 * n - 1] then
    set[#set + 1] = fields[n]
    set[#set + 1] = ARGV[3 * n]
  end
end
if #set > 0 then redis.call('HSET', KEYS[1], unpack(set)) end
return 1
"""
)


class Marks:
    """The marks of all feeds, by feed and report."""

    def __init__(self, together: Together, names: Names) -> None:
        self._together = together
        self._names = names

    async def of(self, feed_id: str, report_ids: Sequence[str]) -> dict[str, bytes]:
        """Return the marks of those reports that were seen before."""
        if not report_ids:
            return {}
        found = await self._together.ask("HMGET", self._names.seen(feed_id), *report_ids)
        return {report: mark for report, mark in zip(report_ids, found, strict=True) if mark is not None}

    async def all_of(self, feed_id: str) -> dict[str, bytes]:
        """Return every mark of a feed."""
        found = await self._together.ask("HGETALL", self._names.seen(feed_id))
        return {report.decode(): mark for report, mark in found.items()}

    async def renew(self, feed_id: str, changes: Mapping[str, tuple[bytes, str]]) -> None:
        """Write marks, given as id -> (expected, new), where they still are as expected; b"" is for none."""
        args = [part for report, (expected, mark) in changes.items() for part in (report, expected, mark)]
        for start in range(0, len(args), 3 * _CHUNK):
            await self._together.run(_RENEW, [self._names.seen(feed_id)], args[start : start + 3 * _CHUNK])

    async def forget(self, feed_id: str, report_ids: Collection[str]) -> None:
        """Drop marks."""
        if report_ids:
            await self._together.ask("HDEL", self._names.seen(feed_id), *report_ids)
