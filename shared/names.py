"""Every stream and key of an installation. Nobody else joins strings into keys.

With `TOCSIN_KEY_PREFIX={tocsin}:` all of them share one slot of a Redis Cluster: scripts change several at once, and
what a replica takes over with is one history. Whoever changes what a key holds adds a step to `shared.layout`.
"""

import hashlib


class Names:
    """The names under one prefix. Two installations share a Redis by two prefixes."""

    def __init__(self, prefix: str = "tocsin:") -> None:
        self.prefix = prefix

        # Streams -----------------------------------------------------------------------------------
        self.published = f"{prefix}reports.published.v1"
        """ingest -> classify: one entry for each revision of a report."""
        self.tagged = f"{prefix}reports.tagged.v1"
        """classify -> notify, api and other systems."""
        self.subscription_changes = f"{prefix}subscriptions.v1"
        """api -> notify: which subscription changed."""
        self.deliveries = f"{prefix}deliveries.v1"
        """Deliveries due now; only ids."""
        self.feed_health = f"{prefix}feed-health.v1"
        """ingest -> anyone: a feed went bad, silent, or well again."""
        self.pushed = f"{prefix}pushed.v1"
        """api -> ingest: documents that WebSub hubs have sent; each is removed when it was read."""
        self.streams = (
            self.published,
            self.tagged,
            self.subscription_changes,
            self.deliveries,
            self.feed_health,
            self.pushed,
        )

        # Reports -----------------------------------------------------------------------------------
        self.reports = f"{prefix}reports"
        """Sorted set of report ids by the moment they were tagged, in microseconds."""
        self.catalogue = f"{prefix}topics"
        """JSON: the topics that the running rulebook knows."""
        self.rulebook_edit = f"{prefix}rulebook-edit"
        """What the last edit of the rulebook gained and lost, as JSON."""
        self.rulebook_problem = f"{prefix}rulebook-problem"
        """String: why the rulebook as it is on the disk was not taken over; absent while it is the one in use."""

        # Feeds -------------------------------------------------------------------------------------
        self.feeds = f"{prefix}feeds"
        """Hash feed id -> JSON of the feed as configured, so that api and cli can list it."""
        self.feeds_due = f"{prefix}feeds:due"
        """Sorted set of feed ids by the next poll, in seconds."""
        self.feeds_added = f"{prefix}feeds:added"
        """Hash feed id -> JSON: the feeds added through api, beside those of feeds.toml."""

        # Subscriptions and deliveries --------------------------------------------------------------
        self.subscriptions = f"{prefix}subscriptions"
        """Hash subscription id -> JSON."""
        self.deliveries_later = f"{prefix}deliveries:later"
        """Sorted set of the moments (seconds) for which deliveries wait."""
        self.endpoints_held = f"{prefix}endpoints:held"
        """Sorted set of endpoints for which deliveries are held, by when to let some go, in seconds."""
        self.waits = f"{prefix}endpoints:waits"
        """Hash with a short life: subscription id -> the endpoint for which its next reports wait, while others do."""
        self.digests_due = f"{prefix}digests:due"
        """Sorted set "digest's delivery id, subscription id[, note]", with spaces, by when it is due, in seconds."""

        # The installation itself -------------------------------------------------------------------
        self.layout = f"{prefix}layout"
        """String: the version of all that is said here, and of what the keys hold."""
        self.layout_lock = f"{prefix}layout:lock"
        """String with a short life: somebody is bringing the keys up to date."""
        self.counters = f"{prefix}counters"
        """Hash "name{labels}" -> total since the installation began."""
        self.instances = f"{prefix}instances"
        """Sorted set of "service consumer" by the last sign of life, in seconds."""
        self.paused = f"{prefix}paused"
        """Hash service -> since when an operator has paused it."""
        self.server_key = f"{prefix}server-key"
        """32 random bytes made once: signs the links in mails."""

    # Streams ---------------------------------------------------------------------------------------

    def dead(self, stream: str) -> str:
        """Dead letters of a stream."""
        return f"{stream}.dead"

    # Reports ---------------------------------------------------------------------------------------

    def report(self, report_id: str) -> str:
        """Hash {revision, event, story, position, sketch, traits, source, tagged.N}: the newest revision.

        A body is stored once.
        """
        return f"{self.prefix}report:{report_id}"

    def reports_of(self, topic: str) -> str:
        """Sorted set of the reports of one topic, by the same moments."""
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

    # Feeds -----------------------------------------------------------------------------------------

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

    # Subscriptions and deliveries ------------------------------------------------------------------

    def delivery(self, delivery_id: str) -> str:
        """String: one delivery with its log, as `shared.delivery` writes it."""
        return f"{self.prefix}{delivery_id}"

    def deliveries_of(self, subscription_id: str) -> str:
        """List of a subscription's delivery ids, the newest first."""
        return f"{self.prefix}deliveries:{subscription_id}"

    def later_at(self, moment: str) -> str:
        """List of the ids of deliveries that wait for one moment."""
        return f"{self.prefix}deliveries:later:{moment}"

    def held(self, endpoint: str) -> str:
        """List of the ids of deliveries that an endpoint cannot take now."""
        return f"{self.prefix}endpoints:held:{endpoint}"

    def well(self, endpoint: str) -> str:
        """String with a short life: the endpoint has taken something, from whichever process."""
        return f"{self.prefix}endpoints:well:{endpoint}"

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

    # The installation itself -----------------------------------------------------------------------

    def delivery_of_layout_1(self, delivery_id: str) -> str:
        """Hash: what a delivery was before layout 2."""
        return f"{self.prefix}delivery:{delivery_id}"

    def attempts_of_layout_1(self, delivery_id: str) -> str:
        """List of JSON: its attempts, the newest first."""
        return f"{self.prefix}delivery:{delivery_id}:attempts"

    def found_by(self, beginning: str = "") -> str:
        """Return what SCAN finds every key by, or those that begin so after the prefix."""
        return "".join(f"[{each}]" if each in "*?[" else each for each in self.prefix + beginning) + "*"

    def alive(self, consumer: str) -> str:
        """String with a life of a few seconds, renewed for as long as the process lives."""
        return f"{self.prefix}alive:{consumer}"

    def limit(self, kind: str, who: str) -> str:
        """String with a life: how often somebody asked for something within a window; who it is stays a hash."""
        return f"{self.prefix}limit:{kind}:{hashlib.sha256(who.encode()).hexdigest()[:24]}"
