"""Every stream and key of an installation. Nobody else joins strings into keys.

With `TOCSIN_KEY_PREFIX={tocsin}:` all of them share one slot of a Redis Cluster: scripts change several at once, and
what a replica takes over with is one history. Whoever changes what a key holds adds a step to `shared.layout`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Names:
    """The names under one prefix. Two installations share a Redis by two prefixes."""

    prefix: str = "tocsin:"

    # Streams -----------------------------------------------------------------------------------

    @property
    def published(self) -> str:
        """ingest -> classify: one entry for each revision of a report."""
        return f"{self.prefix}reports.published.v1"

    @property
    def tagged(self) -> str:
        """classify -> notify, api and other systems."""
        return f"{self.prefix}reports.tagged.v1"

    @property
    def subscription_changes(self) -> str:
        """api -> notify: which subscription changed."""
        return f"{self.prefix}subscriptions.v1"

    @property
    def deliveries(self) -> str:
        """Deliveries due now; only ids."""
        return f"{self.prefix}deliveries.v1"

    @property
    def feed_health(self) -> str:
        """ingest -> anyone: a feed went bad, silent, or well again."""
        return f"{self.prefix}feed-health.v1"

    @property
    def pushed(self) -> str:
        """api -> ingest: documents that WebSub hubs have sent; each is removed when it was read."""
        return f"{self.prefix}pushed.v1"

    @property
    def streams(self) -> tuple[str, ...]:
        return (
            self.published,
            self.tagged,
            self.subscription_changes,
            self.deliveries,
            self.feed_health,
            self.pushed,
        )

    def dead(self, stream: str) -> str:
        """Dead letters of a stream."""
        return f"{stream}.dead"

    # Reports -----------------------------------------------------------------------------------

    def report(self, report_id: str) -> str:
        """Hash {revision, event, story, position, sketch, traits, source, tagged.N}: the newest revision.

        A body is stored once.
        """
        return f"{self.prefix}report:{report_id}"

    @property
    def reports(self) -> str:
        """Sorted set of report ids by the moment they were tagged, in microseconds."""
        return f"{self.prefix}reports"

    def reports_of(self, topic: str) -> str:
        """The same for one topic."""
        return f"{self.prefix}reports:{topic}"

    def story(self, story_id: str) -> str:
        """Hash: how many reports a story has, and a field for each source that has told it."""
        return f"{self.prefix}story:{story_id}"

    def story_band(self, band: str) -> str:
        """String with a short life: the newest report whose sketch has this band."""
        return f"{self.prefix}story-band:{band}"

    def story_figures(self, figures: str) -> str:
        """Hash with a short life, by language: the newest report with these figures, its topics and countries."""
        return f"{self.prefix}story-figures:{figures}"

    @property
    def catalogue(self) -> str:
        """JSON: the topics that the running rulebook knows."""
        return f"{self.prefix}topics"

    @property
    def rulebook_edit(self) -> str:
        """What the last edit of the rulebook gained and lost, as JSON."""
        return f"{self.prefix}rulebook-edit"

    @property
    def rulebook_problem(self) -> str:
        """String: why the rulebook as it is on the disk was not taken over; absent while it is the one in use."""
        return f"{self.prefix}rulebook-problem"

    # Feeds -------------------------------------------------------------------------------------

    def feed(self, feed_id: str) -> str:
        """Hash: validators, pace and health of one feed."""
        return f"{self.prefix}feed:{feed_id}"

    def handed_over(self, feed_id: str) -> str:
        """Hash {body, answer}: what `tocsin feeds add` has fetched, for the first poll of the feed."""
        return f"{self.prefix}handed-over:{feed_id}"

    def seen(self, feed_id: str) -> str:
        """Hash entry id -> "revision fingerprint day": what has been published of a feed."""
        return f"{self.prefix}feed:{feed_id}:seen"

    def push(self, feed_id: str) -> str:
        """Hash: our subscription at the feed's WebSub hub."""
        return f"{self.prefix}feed:{feed_id}:push"

    def host(self, host: str) -> str:
        """Hash: when a host of feeds may be asked again; forgotten soon after."""
        return f"{self.prefix}host:{host}"

    @property
    def feeds(self) -> str:
        """Hash feed id -> JSON of the feed as configured, so that api and cli can list it."""
        return f"{self.prefix}feeds"

    @property
    def feeds_due(self) -> str:
        """Sorted set of feed ids by the next poll, in seconds."""
        return f"{self.prefix}feeds:due"

    @property
    def feeds_added(self) -> str:
        """Hash feed id -> JSON: the feeds added through api, beside those of feeds.toml."""
        return f"{self.prefix}feeds:added"

    # Subscriptions and deliveries --------------------------------------------------------------

    @property
    def subscriptions(self) -> str:
        """Hash subscription id -> JSON."""
        return f"{self.prefix}subscriptions"

    def delivery(self, delivery_id: str) -> str:
        """String: one delivery with its log, as `shared.delivery` writes it."""
        return f"{self.prefix}{delivery_id}"

    def deliveries_of(self, subscription_id: str) -> str:
        """List of a subscription's delivery ids, the newest first."""
        return f"{self.prefix}deliveries:{subscription_id}"

    @property
    def deliveries_later(self) -> str:
        """Sorted set of the moments (seconds) for which deliveries wait."""
        return f"{self.prefix}deliveries:later"

    def later_at(self, moment: str) -> str:
        """List of the ids of deliveries that wait for one moment."""
        return f"{self.prefix}deliveries:later:{moment}"

    @property
    def endpoints_held(self) -> str:
        """Sorted set of endpoints for which deliveries are held, by when to let some go, in seconds."""
        return f"{self.prefix}endpoints:held"

    def held(self, endpoint: str) -> str:
        """List of the ids of deliveries that an endpoint cannot take now."""
        return f"{self.prefix}endpoints:held:{endpoint}"

    def failing(self, endpoint: str) -> str:
        """String with a life: since when an endpoint has failed without a success in between, in seconds."""
        return f"{self.prefix}endpoints:failing:{endpoint}"

    def revised(self, report_id: str) -> str:
        """Hash: subscription id -> "revision mark", up to which revision a report was decided, if not the first that
        matched; "@revision" -> its mark."""
        return f"{self.prefix}revised:{report_id}"

    def told(self, story_id: str) -> str:
        """Hash subscription id -> what its owner was told of a story."""
        return f"{self.prefix}told:{story_id}"

    def sent_in(self, hour: int) -> str:
        """Hash subscription id -> how many of its matches were sent at once in a clock hour since 1970."""
        return f"{self.prefix}sent:{hour}"

    def digest(self, delivery_id: str) -> str:
        """List of delivery ids that wait for one digest; the digest is a delivery of that id once it is due."""
        return f"{self.prefix}digest:{delivery_id}"

    def digest_content(self, name: str) -> str:
        """By a digest's delivery id: the hash that names its content, until it is delivered; by that hash: the JSON."""
        return f"{self.prefix}digest-content:{name}"

    @property
    def digests_due(self) -> str:
        """Sorted set "digest's delivery id, subscription id[, note]", with spaces, by when it is due, in seconds."""
        return f"{self.prefix}digests:due"

    # The installation itself -------------------------------------------------------------------

    @property
    def layout(self) -> str:
        """String: the version of all that is said here, and of what the keys hold."""
        return f"{self.prefix}layout"

    @property
    def layout_lock(self) -> str:
        """String with a short life: somebody is bringing the keys up to date."""
        return f"{self.prefix}layout:lock"

    def delivery_of_layout_1(self, delivery_id: str) -> str:
        """Hash: what a delivery was before layout 2."""
        return f"{self.prefix}delivery:{delivery_id}"

    def attempts_of_layout_1(self, delivery_id: str) -> str:
        """List of JSON: its attempts, the newest first."""
        return f"{self.prefix}delivery:{delivery_id}:attempts"

    def found_by(self, beginning: str = "") -> str:
        """Return what SCAN finds every key by, or those that begin so after the prefix."""
        return "".join(f"[{each}]" if each in "*?[" else each for each in self.prefix + beginning) + "*"

    @property
    def counters(self) -> str:
        """Hash "name{labels}" -> total since the installation began."""
        return f"{self.prefix}counters"

    @property
    def instances(self) -> str:
        """Sorted set of "service consumer" by the last sign of life, in seconds."""
        return f"{self.prefix}instances"

    def alive(self, consumer: str) -> str:
        """String with a life of a few seconds, renewed for as long as the process lives."""
        return f"{self.prefix}alive:{consumer}"

    @property
    def paused(self) -> str:
        """Hash service -> since when an operator has paused it."""
        return f"{self.prefix}paused"

    def limit(self, kind: str, who: str) -> str:
        """String with a life: how often something was asked for within a window; `who` is a hash."""
        return f"{self.prefix}limit:{kind}:{who}"

    @property
    def server_key(self) -> str:
        """32 random bytes made once: signs the links in mails."""
        return f"{self.prefix}server-key"
