"""What the names of elements mean to the fast reader: known, of no interest, or a doubt."""

import re
from xml.etree.ElementTree import Element

_PREFIXES = re.compile(rb"xmlns:([\w.-]{1,40})\s*=\s*[\"']([^\"']*)[\"']")
_NAMESPACES = {
    "": "",
    "http://www.w3.org/2005/Atom": "atom",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#": "rdf",
    "http://purl.org/rss/1.0/modules/content/": "content",
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://purl.org/dc/terms/": "dcterms",
    "http://purl.org/rss/1.0/modules/syndication/": "sy",
    "http://search.yahoo.com/mrss/": "media",
    "http://search.yahoo.com/mrss": "media",
    "http://www.itunes.com/dtds/podcast-1.0.dtd": "itunes",
    "http://www.itunes.com/DTDs/PodCast-1.0.dtd": "itunes",
    "http://purl.org/rss/1.0/modules/slash/": "ignored",
    "http://wellformedweb.org/CommentAPI/": "ignored",
    "http://rssnamespace.org/feedburner/ext/1.0": "ignored",
    "http://www.georss.org/georss": "ignored",
    "http://www.w3.org/2003/01/geo/wgs84_pos#": "ignored",
    "http://purl.org/syndication/thread/1.0": "ignored",
    "http://www.google.com/schemas/sitemap-news/0.9": "ignored",
    "http://schema.org/": "ignored",
    "http://base.google.com/ns/1.0": "ignored",
    "com-wordpress:feed-additions:1": "ignored",
    "http://purl.org/rss/1.0/modules/company": "ignored",
    "http://webns.net/mvcb/": "ignored",
}
"""Namespaces that are known, by the prefix that names in them get below."""

# What feedparser reads by the prefix where it does not know the namespace.
_CLAIMED = frozenset(
    """
    admin cc content convertlicense creativecommons dc dcterms email ev feedburner fm foaf georss geo
    gml icbm image itunes l media pingback prism psc rdf rdfs ref reqv rss091 search slash soap ss str
    sub sy szf taxo thr ti trackback wfw wiki xhtml xlink xml
    """.split()  # noqa: SIM905
)

# Elements of an item or a channel that say nothing that we ask for.
IGNORED = frozenset(
    """
    category comments enclosure copyright rights generator webmaster docs cloud textinput rating
    contributor logo icon source atom_category atom_rights atom_contributor atom_source atom_generator
    atom_logo atom_icon atom_subtitle dc_subject dc_publisher dc_rights dc_format dc_identifier dc_type
    dc_source dc_relation dc_coverage dc_contributor dcterms_created dcterms_valid dcterms_alternative
    dcterms_references itunes_explicit itunes_duration itunes_image itunes_category itunes_keywords
    itunes_block itunes_owner itunes_episode itunes_season itunes_episodetype itunes_order itunes_type
    media_content media_group media_title media_thumbnail media_credit media_category media_keywords
    media_rating media_player media_restriction media_license media_copyright media_text media_statistics
    media_community
    """.split()  # noqa: SIM905
)
DATES = {
    "pubdate": "published",
    "dcterms_issued": "published",
    "atom_published": "published",
    "dc_date": "updated",
    "dcterms_modified": "updated",
    "atom_updated": "updated",
}
# What a channel says that we do not ask for.
NOT_ASKED = frozenset(
    """
    description managingeditor author dc_creator atom_author lastbuilddate sy_updatebase image textinput items
    itunes_author itunes_summary itunes_subtitle itunes_name itunes_email
    """.split()  # noqa: SIM905
)


class Doubt(Exception):
    """This document is for the tolerant reader."""


def check_prefixes(body: bytes) -> None:
    """Raise Doubt if feedparser would read a namespace by its prefix, and we by its address."""
    for prefix, uri in set(_PREFIXES.findall(body)):
        name, known = prefix.decode(errors="replace").lower(), _NAMESPACES.get(uri.decode(errors="replace"))
        if known is None and (name in _CLAIMED or b"userland" in uri.lower() or b"&" in uri):
            raise Doubt


class Vocabulary:
    """The names in one document."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def seen(self) -> set[str]:
        """Return all names that were asked for."""
        return set(self._names.values())

    def name(self, element: Element) -> str:
        """Return the name in lower case with the prefix of its namespace, empty if unknown; raise Doubt."""
        tag = element.tag
        name = self._names.get(tag)
        if name is None:
            uri, _, local = tag[1:].rpartition("}") if tag.startswith("{") else ("", "", tag)
            prefix = _NAMESPACES.get(uri)
            local = local.lower()
            name = local if prefix == "" else "" if prefix in (None, "ignored") else f"{prefix}_{local}"
            if prefix is None and (not uri or local in ("svg", "math") or "userland" in uri.lower()):
                raise Doubt
            self._names[tag] = name
        return name
