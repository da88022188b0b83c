"""What a mail says, in text and HTML: what was reported and why. No images, no tracking.

The words are in the templates of the mail channel; here is what goes into them.
"""

import hmac
import unicodedata
from collections.abc import Mapping
from datetime import UTC
from functools import lru_cache
from typing import Any, Literal

from jinja2 import Environment

from services.notify.core.digest import topic_of
from services.notify.core.letter import Letter, gap, pieces
from services.notify.core.message import Reference
from shared.countries import country_names
from shared.delivery import MOVE_KINDS
from shared.digest import Digest
from shared.events import TaggedReport
from shared.excerpts import Segment, marked_excerpt, segments
from shared.links import Links
from shared.schedule import zone_of
from shared.subscriptions import Filter, Matched, Subscription

MailKind = Literal["report", "digest", "confirm", "test", "notice", "move_from", "move_to"]

EXCERPT_WIDTH = 1_200
SUBJECT_LIMIT = 200
WORDS_SHOWN = 8
WISH_LIMIT = 200
JOINERS = "\u200c\u200d"


def write_letter(
    kind: MailKind,
    subscription: Subscription,
    tagged: TaggedReport | None,
    matched: Matched | None,
    *,
    digest: Digest | None = None,
    reference: Reference | None = None,
    late: bool = False,
    links: Links,
    templates: Environment,
) -> Letter:
    """Return what a mail says. `templates` has `<kind>.txt` and `<kind>.html`.

    A report's is the same for all who have the same filter, `reference`, `late`, and a name or none; one digest's for
    all who have the same zone as well.
    """
    mark = mark_of(links.server_key)
    name = gap(mark, "name") if name_of(kind, subscription) else ""
    words = {
        **_words(kind, subscription, tagged, matched, links),
        "reference": reference,
        "digest": digest,
        "late": late,
        "name": name,
        "manage": gap(mark, "manage"),
        "unsubscribe": gap(mark, "unsubscribe"),
    }
    text, html = (templates.get_template(f"{kind}.{ending}").render(words) for ending in ("txt", "html"))
    unnamed = subscription.model_copy(update={"name": name})
    subject = subject_of(kind, unnamed, tagged, digest, reference)
    return Letter(subject, pieces(text, mark), pieces(html, mark))


def name_of(kind: MailKind, subscription: Subscription) -> str:
    """Return the name that a mail may say."""
    # Without a word of the form's: nobody shall use us to write to strangers.
    return "" if kind in ("confirm", "move_to") else subscription.name


@lru_cache(4)
def mark_of(server_key: bytes) -> str:
    """Return what gaps in letters are marked with."""
    return hmac.digest(server_key, b"gap in a letter", "sha256").hex()[:24]


def subject_of(
    kind: MailKind,
    subscription: Subscription,
    tagged: TaggedReport | None,
    digest: Digest | None = None,
    reference: Reference | None = None,
) -> str:
    """Return the subject: one line that no feed and no name can make into another header."""
    if digest:
        reports = "1 report" if digest.count == 1 else f"{digest.count} reports"
        return header_text(f"{subscription.name or 'Your alert'}: {reports}")
    if kind == "notice":
        return header_text(f"Switched off: {subscription.name or 'your alert'}")
    if kind == "confirm":
        # Without a word of the form's: nobody shall use us to write to strangers.
        return "Please confirm your alert"
    if kind in MOVE_KINDS:
        return "Please agree to a change of address"
    if tagged is None:
        return header_text(f"[test] {subscription.name or 'Your alert'}")
    about = " · ".join(
        [main_topic(subscription.filter, tagged), *main_countries(subscription.filter, tagged)]
    )
    mark = "test: " if kind == "test" else "update: " if reference and reference.is_update else ""
    return header_text(f"[{mark}{about}] {tagged.report.title or 'untitled report'}")


def main_topic(wanted: Filter, tagged: TaggedReport) -> str:
    """Return the topic that a reader would look for, in words; "report" if there is none."""
    return (topic_of(wanted, tagged) or "report").replace("_", " ")


def main_countries(wanted: Filter, tagged: TaggedReport) -> list[str]:
    """Return the names of the countries that a reader would look for, two at most."""
    codes = [country.code for country in tagged.countries]
    names = country_names()
    return [names.get(code, code) for code in ([c for c in codes if c in wanted.countries] or codes)[:2]]


def header_text(text: str) -> str:
    """Return the text as one line, without control and format characters, at most 200 long.

    Those that join letters or keep them apart stay: without them words of Persian or Hindi are others.
    """
    visible = "".join(" " if unicodedata.category(each) in ("Cc", "Zl", "Zp") else each for each in text)
    plain = "".join(
        each for each in visible if each in JOINERS or unicodedata.category(each) not in ("Cf", "Cs")
    )
    # An encoded word in a title would be decoded by the standard library, line breaks and all.
    line = " ".join(plain.replace("=?", "= ?").split())
    return line if len(line) <= SUBJECT_LIMIT else line[: SUBJECT_LIMIT - 1].rstrip() + "…"


def reasons(tagged: TaggedReport, matched: Matched) -> tuple[str, ...]:
    """Return why the report was wanted, a line for each clause; a topic's with its rule and its words."""
    lines = []
    for clause in matched.clauses:
        tags = [tag for tag in tagged.tags if clause == f"topic: {tag.topic}"]
        lines += [
            f"{clause.replace('_', ' ')}, by rule {tag.rule.id} (version {tag.rule.version})"
            f", which found {_quoted([piece.text for piece in tag.evidence])}"
            for tag in tags
        ] or [clause]
    return tuple(lines)


def wish_in_words(wanted: Filter) -> str:
    """Return what a filter asks for, on one line."""
    parts = [
        ("topics", " or ".join(topic.replace("_", " ") for topic in wanted.topics)),
        ("words", wanted.query or ""),
        ("countries", " or ".join(wanted.countries)),
        ("languages", " or ".join(wanted.languages)),
        ("sources", " or ".join(wanted.sources)),
    ]
    return "; ".join(f"{name}: {header_text(value)[:WISH_LIMIT]}" for name, value in parts if value)


def _quoted(words: list[str]) -> str:
    each = list(dict.fromkeys(" ".join(word.split()) for word in words))
    more = f" and {len(each) - WORDS_SHOWN} more" if len(each) > WORDS_SHOWN else ""
    return ", ".join(f"“{word}”" for word in each[:WORDS_SHOWN]) + more


def _words(
    kind: MailKind,
    subscription: Subscription,
    tagged: TaggedReport | None,
    matched: Matched | None,
    links: Links,
) -> Mapping[str, Any]:
    """What the templates may say."""
    to_fallback = subscription.channel == subscription.fallback
    return {
        "wish": wish_in_words(subscription.filter),
        "report": _report(tagged, matched or Matched((), ()), subscription, links) if tagged else None,
        "confirm": links.confirm_fallback(subscription) if to_fallback else links.confirm(subscription.id),
        "to_fallback": to_fallback,
        "reason": subscription.reason,
        "page_of": links.report,
        "zone": subscription.schedule.timezone,
        "local": lambda moment: moment.astimezone(zone_of(subscription.schedule.timezone)),
        "move_link": links.move(subscription, kind.removeprefix("move_")) if kind in MOVE_KINDS else "",
        "new_address": subscription.move.channel.address if subscription.move else "",
    }


def _report(
    tagged: TaggedReport, matched: Matched, subscription: Subscription, links: Links
) -> Mapping[str, Any]:
    report = tagged.report
    title = segments(report.title, matched.evidence, "title") or [("untitled report", False)]
    text = marked_excerpt(report.text or report.summary, matched.evidence, EXCERPT_WIDTH)
    return {
        "topic": main_topic(subscription.filter, tagged),
        "title": title,
        "text": text,
        "plain_title": _starred(title),
        "plain_text": _starred(text),
        "language": report.language,
        "source": report.source.title,
        "published": f"{report.published_at.astimezone(UTC):%d %B %Y, %H:%M} UTC".lstrip("0"),
        # A link is only ever http or https, whoever wrote the event.
        "url": report.url if (report.url or "").startswith(("http://", "https://")) else None,
        "page": links.report(report.id),
        "reasons": reasons(tagged, matched),
    }


def _starred(pieces: list[Segment]) -> str:
    return "".join(f"*{piece}*" if is_evidence else piece for piece, is_evidence in pieces)
