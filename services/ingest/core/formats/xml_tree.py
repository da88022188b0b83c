"""A document's tree, of XML without entities of its own."""

import re
from xml.etree.ElementTree import Element, ParseError, XMLParser

# A root that nothing stands before which could declare an entity. A look at the beginning is enough for most.
_PLAIN_START = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s|<\?.*?\?>|<!--.*?-->)*+<(?=[^?!])", re.DOTALL)


def read_tree(body: bytes) -> Element:
    """Return the root of an XML document; raise ValueError, in words, if it is not well-formed or has a document type.

    Without a document type there are no entities of its own, and nothing to attack a parser with.
    """
    if not _PLAIN_START.match(body) and (b"<!DOCTYPE" in body or b"<!ENTITY" in body):
        raise ValueError("it has entities of its own, which are not read")
    try:
        parser = XMLParser()  # noqa: S314  # see above
        parser.feed(body)
        root: Element = parser.close()
    except (ParseError, ValueError) as e:
        raise ValueError(f"it is not well-formed XML ({e})") from e
    return root
