"""Whether what a wish names is there: topics, countries, languages, a mail address; and what is right if not."""

import re
from collections.abc import Mapping, Sequence

from email_validator import EmailNotValidError, validate_email

from services.api.core.problem import FieldError
from services.api.core.wording import listed
from shared.countries import country_names, find_country
from shared.endpoints import KEPT, ChatEndpoint, Endpoint, WebhookEndpoint
from shared.matching.slips import slips
from shared.matching.tokens import tokens

_MEANT = {"EL": "GR"}
_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(-[A-Za-z0-9]{2,8})*")
# ISO 639-1. Feeds may be in any of them; only topics and countries are looked for in six.
_CODES = frozenset(
    """
    aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo
    es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka
    kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng
    nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su
    sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
    """.split()  # noqa: SIM905
)


def check_topics(wanted: Sequence[str], known: Sequence[str]) -> list[FieldError]:
    """Return an error that names the known topics if one is not among them."""
    unknown = [topic for topic in wanted if topic not in known]
    if not unknown:
        return []
    names = listed([repr(topic[:60]) for topic in unknown], "and")
    return [FieldError("filter.topics", f"unknown topic {names}; known are {listed(known, 'and')}")]


def check_languages(wanted: Sequence[str]) -> list[FieldError]:
    """Return an error for each code that no language has (ISO 639-1; three letters are for those that have no two)."""
    return [
        FieldError("filter.languages", f"{code[:40]!r} is no code of a language, as en, uk or ar are")
        for code in wanted
        if not (found := _LANGUAGE.fullmatch(code)) or (len(found[1]) == 2 and found[1].lower() not in _CODES)
    ]


def check_countries(wanted: Sequence[str]) -> list[FieldError]:
    """Return an error for each code that no country has."""
    return [FieldError("filter.countries", _no_country(code)) for code in wanted if not _is_country(code)]


def check_headers(headers: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the values of headers, which go out to the letter: those that are not ASCII.

    So is what the names are shown with, sent back as it was read.
    """
    return [
        f"the header {name[:60]!r} holds a character that is no letter, digit or sign of ASCII"
        for name, value in headers.items()
        if not value.isascii()
    ]


def check_shown(endpoint: ChatEndpoint) -> list[tuple[str, str]]:
    """Return each field that comes back as it is shown, without its secret, and what to do."""
    words = f"what is shown with {KEPT} is to be written whole"
    return [(field, words) for field in ("url", "token") if KEPT in getattr(endpoint, field)]


def check_signatures(channel: Endpoint, fallback: Endpoint | None) -> list[FieldError]:
    """Return an error if two webhooks are to be signed in two ways: an alert has one key."""
    hooks = [each for each in (channel, fallback) if isinstance(each, WebhookEndpoint)]
    if len({hook.signature for hook in hooks}) < 2:
        return []
    words = f"both webhooks of an alert are signed by one key: write {hooks[0].signature!r} here as well, or for both"
    return [FieldError("fallback.signature", words)]


def check_query(query: str | None, topics: Sequence[str]) -> list[FieldError]:
    """Return an error for each topic: and country: in a query that there is not, with its position."""
    errors = []
    for token in tokens(query) if query else ():
        if token.field == "country" and not _is_country(token.phrase.upper()):
            errors.append(f"{_no_country(token.phrase)}, at character {token.position + 1}")
        elif token.field == "topic" and token.phrase.lower() not in topics:
            known = listed(topics, "and")
            where = f"at character {token.position + 1}"
            errors.append(f"unknown topic {token.phrase[:60]!r} {where}; known are {known}")
    return [FieldError("filter.query", error) for error in errors]


def check_slips(query: str | None) -> list[FieldError]:
    """Return an error for each word of a query that was meant as an operator, by its looks."""
    return [FieldError("filter.query", str(slip)) for slip in slips(query or "")]


def _is_country(code: str) -> bool:
    return code in country_names()


def _no_country(code: str) -> str:
    right = find_country(code) or _MEANT.get(code.upper())
    return f"{code[:20]!r} is no country: write {right or 'its code, as in SD for Sudan'}"


def mail_address(address: str) -> str:
    """Return the address normalised; raise ValueError that says what is wrong. Nothing is looked up."""
    try:
        found = validate_email(address, check_deliverability=False)
    except EmailNotValidError as e:
        raise ValueError(str(e)) from e
    return found.ascii_email or f"{found.local_part}@{found.ascii_domain}"
