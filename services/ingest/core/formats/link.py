"""Links as feeds write them."""

from urllib.parse import urljoin


def absolute_link(link: str, guid: str, url: str) -> str | None:
    """Return the link as an absolute address, of whatever scheme; None if there is none."""
    # An RSS guid counts as a link unless it says otherwise, and most guids that are none do not say so.
    if not link or (link == guid and "://" not in link):
        return None
    if link.startswith(("https://", "http://")):
        return link
    try:
        return urljoin(url, link) if "://" in url else link
    except ValueError:
        return link
