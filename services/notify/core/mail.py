"""A mail to a subscriber, ready to go: a letter and its headers."""

from datetime import UTC, datetime
from email.headerregistry import Address
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr
from functools import lru_cache

import idna

from services.notify.core.letter import Letter, gap, written
from services.notify.core.mail_words import MailKind, header_text, mark_of, name_of
from services.notify.core.message import Reference
from shared.delivery import delivery_id
from shared.endpoints import EmailEndpoint
from shared.links import Links
from shared.subscriptions import Subscription


class MailError(ValueError):
    """A mail that cannot be written, because an address is none."""


def write_mail(
    letter: Letter,
    kind: MailKind,
    subscription: Subscription,
    story: str | None = None,
    reference: Reference | None = None,
    *,
    links: Links,
    mail_from: str,
    message_id: str,
    date: datetime,
) -> bytes:
    """Return the mail, complete; raise MailError if the sender's or the subscriber's address is none.

    `message_id` is the delivery's id: with the sender's domain it makes the Message-ID, always the same.
    """
    sender, recipient, about = sender_of(mail_from), _recipient(subscription), subscription.id
    is_second = subscription.channel == subscription.fallback
    # Who reads at the second address may stop what comes there; the alert is the first one's, until that is given up.
    with_token = is_second and kind != "notice"
    unsubscribe = links.end_fallback(subscription) if is_second else links.unsubscribe(about)
    headers = [
        ("From", _encoded_sender(mail_from)),
        ("To", str(recipient)),
        ("Date", _date(date)),
        ("Message-ID", f"<{message_id}@{sender.domain}>"),
        *_thread(about, story, reference, sender.domain),
        ("List-Id", f"<{about}.{sender.domain}>"),
        ("Auto-Submitted", "auto-generated"),
        ("Precedence", "bulk"),
    ]
    # Who is asked whether an alert may move there has none to end: one click would end the owner's.
    if kind != "move_to":
        headers += [
            ("List-Unsubscribe", f"<{unsubscribe}>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ]
    values = {
        "name": name_of(kind, subscription),
        "manage": links.manage_with_token(about) if with_token else links.manage(about),
        "unsubscribe": unsubscribe,
    }
    opening = gap(mark_of(links.server_key), "name")
    subject = letter.subject
    if opening in subject:
        subject = header_text(subject.replace(opening, subscription.name))
    return written(headers, subject, letter, values, message_id)


@lru_cache(64)
def _date(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC))


def _thread(
    subscription_id: str, story: str | None, reference: Reference | None, domain: str
) -> list[tuple[str, str]]:
    """Make mails of one story a thread: they refer to one root, which is never sent itself, and to what was told."""
    if story is None:
        return []
    root = f"<{delivery_id(subscription_id, f'story:{story}')}@{domain}>"
    told = f"<{reference.delivery}@{domain}>" if reference else ""
    return [("References", f"{root} {told}".rstrip()), ("In-Reply-To", told or root)]


@lru_cache(16)
def sender_of(mail_from: str) -> Address:
    """Return who a mail is from; raise MailError."""
    name, address = parseaddr(mail_from)
    try:
        if not mail_from.isprintable():
            raise ValueError("a line break or another control character")
        local, _, domain = address.rpartition("@")
        ascii_domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
        return Address(display_name=header_text(name), addr_spec=_ascii(f"{local}@{ascii_domain}"))
    except (ValueError, IndexError) as e:
        raise MailError("TOCSIN_MAIL_FROM is not a mail address") from e


@lru_cache(16)
def _encoded_sender(mail_from: str) -> str:
    policy = EmailPolicy(max_line_length=None)
    # A plain string would be left as it is; only a header knows that a name in other letters is to be encoded.
    folded = policy.header_factory("From", str(sender_of(mail_from))).fold(policy=policy)
    return str(folded).removeprefix("From: ").strip()


def _recipient(subscription: Subscription) -> Address:
    channel = subscription.channel
    if not isinstance(channel, EmailEndpoint):
        raise MailError(f"subscription {subscription.id} does not ask for mail")
    try:
        # Its letters may be any (RFC 6531); its domain was made ASCII when it was typed in.
        local, _, domain = channel.address.rpartition("@")
        if not local or not channel.address.isprintable() or any(each in channel.address for each in " ,;<>"):
            raise ValueError("not a plain mail address")
        return Address(username=local, domain=_ascii_domain(domain))
    except (ValueError, IndexError) as e:
        raise MailError(f"the mail address of subscription {subscription.id} is none") from e


def _ascii_domain(domain: str) -> str:
    if not domain or not domain.isascii():
        raise ValueError("the domain of a mail address is written in ASCII (IDNA)")
    return domain


def _ascii(address: str) -> str:
    if not address.isascii() or not address.isprintable() or any(each in address for each in " ,;<>"):
        raise ValueError("not a plain mail address")
    if not all(address.rpartition("@")):
        raise ValueError("no domain or no mailbox")
    return address
