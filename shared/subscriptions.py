"""A subscription, a standing wish: filter + channel + schedule; and the function that says what it matches.

Pure: the store is in `shared.subscription_store`.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import Field, field_validator, model_validator

from shared.endpoints import EmailEndpoint, Endpoint, Strict, shown
from shared.events import Evidence, Moment, TaggedReport
from shared.matching.document import Document, country_key, language_key, source_key, topic_key
from shared.matching.expression import AllOf, AnyOf, Expression, Fact
from shared.matching.query import Query, QueryError, parse_query
from shared.matching.text import Text
from shared.schedule import Schedule
from shared.webhook_keys import public_key, scheme_of

State = Literal["pending", "active", "paused", "disabled"]

NAME_LIMIT = 120
LIST_LIMIT = 50


class Filter(Strict):
    """What is wanted. Within one field the values are OR, between fields AND."""

    topics: tuple[str, ...] = Field(default=(), max_length=LIST_LIMIT, examples=[["displacement"]])
    query: str | None = Field(
        default=None,
        examples=['"humanitarian corridor" OR evacuat*'],
        description='Words and phrases: AND (or a space), OR, NOT, "a phrase", prefix*, ( ), title:word, text:word, '
        "topic:aid, country:UA; a NEAR/8 b (at most 8 words apart), a ONEAR/8 b (in this order), a SAME b (in one "
        "sentence), 2 OF (a, b, c).",
    )
    languages: tuple[str, ...] = Field(default=(), max_length=LIST_LIMIT, examples=[["en", "uk"]])
    sources: tuple[str, ...] = Field(default=(), max_length=LIST_LIMIT, description="Ids of feeds.")
    countries: tuple[str, ...] = Field(
        default=(), max_length=LIST_LIMIT, examples=[["SD", "TD"]], description="ISO 3166-1 alpha-2."
    )

    @field_validator("query")
    @classmethod
    def _parses(cls, value: str | None) -> str | None:
        if not value:
            return None
        try:
            parse_query(value)
        except QueryError as e:
            raise ValueError(str(e)) from e
        return value

    @field_validator("countries")
    @classmethod
    def _codes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [code for code in value if not (len(code) == 2 and code.isascii() and code.isalpha())]:
            raise ValueError(f"{wrong[0]!r:.20} is no country code: write two letters, as in SD for Sudan")
        return tuple(code.upper() for code in value)

    @model_validator(mode="after")
    def _says_something(self) -> "Filter":
        if not (self.topics or self.query or self.sources or self.countries):
            raise ValueError(
                "name at least one topic, country or source, or some words: an empty filter matches everything"
            )
        return self


FALLBACK_MINUTES = 15
_LATE = "the first address could not be reached"


class Wish(Strict):
    """What a subscriber asks for."""

    name: str = Field(default="", max_length=NAME_LIMIT)
    filter: Filter
    channel: Endpoint
    schedule: Schedule = Schedule()
    one_per_story: bool = Field(
        default=True,
        description="Tell a story once, and again only when a topic or country is new in it that was asked for.",
    )
    fallback: Endpoint | None = Field(
        default=None,
        description="A second channel: told when the first is switched off, and of what that has missed for a while. "
        "It must answer like the first.",
    )
    fallback_after: int = Field(default=FALLBACK_MINUTES, ge=1, le=1440, description="Minutes of failure.")
    updates: bool = Field(
        default=True,
        description="Tell of a new revision of a report that was told, if its headline or a figure changed.",
    )

    @field_validator("name")
    @classmethod
    def _one_line(cls, value: str) -> str:
        return " ".join(value.split())


class Move(Strict):
    """A change of mail address that both addresses have to agree to."""

    channel: EmailEndpoint
    asked_at: Moment
    agreed: tuple[Literal["from", "to"], ...] = Field(default=(), description="The old address, the new one.")


class Subscription(Wish):
    """A wish with an identity and a state. Pending until its owner has answered."""

    id: str
    state: State = "pending"
    reason: str = Field(default="", description="Why it is paused or disabled, or why it is still pending.")
    token_hash: str = Field(description="sha256 of the manage token; the token itself is not kept.")
    secret: str | None = Field(default=None, description="whsec_… or whsk_…: signs the webhooks.")
    former_secret: str | None = Field(
        default=None,
        description="Signs as well for a day after a rotation; several are parted by spaces, the newest first.",
    )
    former_secret_until: Moment | None = None
    fallback_confirmed: bool = False
    created_at: Moment
    changed_at: Moment
    move: Move | None = Field(default=None, description="The change of mail address that is asked for.")
    feed_number: int = Field(default=0, description="How often its feed was given a new address.")
    since: Moment | None = Field(
        default=None,
        description="Reports seen before are not told: when it was switched on last, or its filter was changed.",
    )


@dataclass(frozen=True, slots=True)
class Matched:
    """Which clauses of a filter held, in words, and where in the report."""

    clauses: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    words: tuple[Evidence, ...] = ()
    """Of the evidence, what the query found."""


@dataclass(frozen=True, slots=True)
class CompiledFilter:
    """A filter made ready for many reports."""

    filter: Filter
    query: Query | None

    @classmethod
    def of(cls, wanted: Filter) -> "CompiledFilter":
        return cls(wanted, parse_query(wanted.query) if wanted.query else None)

    @property
    def expression(self) -> Expression:
        """The filter as one condition, which holds for the document of a report that is wanted."""
        fields = (
            map(source_key, self.filter.sources),
            map(language_key, self.filter.languages),
            map(country_key, self.filter.countries),
            map(topic_key, self.filter.topics),
        )
        facts = (tuple(map(Fact, keys)) for keys in fields)
        parts: list[Expression] = [AnyOf(keys) if len(keys) > 1 else keys[0] for keys in facts if keys]
        if self.query:
            parts.append(self.query.root)
        return AllOf(tuple(parts)) if len(parts) > 1 else parts[0]


def document_of(tagged: TaggedReport) -> Document:
    """Return a report as conditions see it, to be made once and matched many times."""
    return Document.of(
        Text.of(tagged.report.title, tagged.report.text),
        topics={tag.topic: tag.evidence for tag in tagged.tags},
        countries={country.code: country.evidence for country in tagged.countries},
        language=tagged.report.language,
        source=tagged.report.source.id,
    )


def find_match(
    compiled: CompiledFilter, tagged: TaggedReport, document: Document | None = None
) -> Matched | None:
    """Return why the report is wanted, or None. Cheap fields are looked at before words.

    `document` is what `document_of` says of the report, if it is there already.
    """
    wanted = compiled.filter
    clauses: list[str] = []
    evidence: list[Evidence] = []
    words: tuple[Evidence, ...] = ()
    if wanted.sources:
        if tagged.report.source.id not in wanted.sources:
            return None
        clauses.append(f"source: {tagged.report.source.title}")
    if wanted.languages:
        if _primary(tagged.report.language) not in {_primary(code) for code in wanted.languages}:
            return None
        clauses.append(f"language: {tagged.report.language}")
    if wanted.countries:
        countries = [country for country in tagged.countries if country.code in wanted.countries]
        if not countries:
            return None
        clauses += [f"country: {country.code}" for country in countries]
        evidence += [piece for country in countries for piece in country.evidence]
    if wanted.topics:
        tags = [tag for tag in tagged.tags if {tag.topic, tag.topic.partition("/")[0]} & {*wanted.topics}]
        if not tags:
            return None
        clauses += [f"topic: {topic}" for topic in dict.fromkeys(tag.topic for tag in tags)]
        evidence += [piece for tag in tags for piece in tag.evidence]
    if compiled.query:
        held = compiled.query.match(document or document_of(tagged))
        if held is None:
            return None
        clauses += [f"words: {clause.text}" for clause in held]
        words = tuple(piece for clause in held for piece in clause.evidence)
        evidence += words
    if len(clauses) > 1:
        evidence = list(dict.fromkeys(evidence))
    return Matched(tuple(clauses), tuple(evidence), words)


def _primary(language: str | None) -> str:
    return (language or "").split("-")[0].lower()


def hash_token(token: str) -> str:
    """Return the sha256 of a manage token, 64 hex digits."""
    return hashlib.sha256(token.encode()).hexdigest()


def owns(token: str, subscription: Subscription) -> bool:
    """Return whether this is the subscription's manage token; takes the same time for any wrong one."""
    return hmac.compare_digest(hash_token(token), subscription.token_hash)


def public_view(subscription: Subscription) -> Mapping[str, object]:
    """Return what the owner sees of a subscription: no hash, no secret, of headers only the names."""
    view = subscription.model_dump(
        mode="json", exclude={"token_hash", "secret", "former_secret", "feed_number"}
    )
    view["channel"] = shown(subscription.channel)
    view["fallback"] = shown(subscription.fallback) if subscription.fallback else None
    if subscription.secret and scheme_of(subscription.secret) == "v1a":
        view["public_key"] = public_key(subscription.secret)
    return view


def with_fallback_confirmed(subscription: Subscription, now: datetime) -> Subscription:
    """Return it with its second channel answered."""
    # An active one has a reason only if the second channel before this was taken off.
    reason = "" if subscription.state == "active" else subscription.reason
    return subscription.model_copy(update={"fallback_confirmed": True, "reason": reason, "changed_at": now})


def without_fallback(subscription: Subscription, now: datetime, why: str = "") -> Subscription:
    """Return it without a second channel; `why` is for its owner, who did not ask for that."""
    gone: dict[str, object] = {"fallback": None, "fallback_confirmed": False, "changed_at": now}
    if subscription.state == "active":
        gone["reason"] = f"its second channel was taken off: {why}" if why else ""
    return subscription.model_copy(update=gone)


def as_fallback(subscription: Subscription) -> Subscription | None:
    """Return the subscription as its second channel sees it; None if it has none."""
    if subscription.fallback is None:
        return None
    name = f"{subscription.name or 'Your alert'} (late: {_LATE})"
    return subscription.model_copy(update={"channel": subscription.fallback, "name": name[:NAME_LIMIT]})


def signing_secrets(subscription: Subscription, now: datetime) -> tuple[str, ...]:
    """Return the secrets that sign at this moment, the newest first."""
    secret, former, until = (
        subscription.secret,
        subscription.former_secret,
        subscription.former_secret_until,
    )
    if secret is None:
        return ()
    return (secret, *former.split()) if former and until and now < until else (secret,)
