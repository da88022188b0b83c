"""The text of an article out of its web page."""

from services.ingest.core.entry import UnreadableDocument
from services.ingest.core.report import TEXT_LIMIT

PAGE_LIMIT = 3_000_000


def read_article(body: bytes, url: str) -> str:
    """Return the article's plain text, paragraphs separated by a blank line; raise UnreadableDocument."""
    # Here, because it is large, and few installations need it.
    import trafilatura

    text = trafilatura.extract(
        body[:PAGE_LIMIT],
        url=url,
        include_comments=False,
        include_tables=False,
        with_metadata=False,
        favor_precision=True,
    )
    paragraphs = [" ".join(line.split()) for line in (text or "").splitlines()]
    article = "\n\n".join(paragraph for paragraph in paragraphs if paragraph)[:TEXT_LIMIT]
    if not article:
        raise UnreadableDocument("no article is found on the page")
    return article
