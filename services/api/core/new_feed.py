"""What may be asked for when a feed is added through api."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _is_one_line(title: str) -> str:
    if not title.isprintable():
        raise ValueError("must be one line of text")
    return title


class NewFeed(BaseModel):
    """A feed to watch. `url` is the feed's address, or that of a page that names its feed."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    url: str = Field(max_length=2048, examples=["https://news.example.org/rss.xml"])
    title: Annotated[str, AfterValidator(_is_one_line)] | None = Field(
        default=None, min_length=1, max_length=200
    )
    interval: float | None = Field(
        default=None, ge=60, le=2_592_000, description="Seconds between two polls."
    )
    full_text: bool = Field(
        default=False, description="Fetch each new entry's page and take the article's text."
    )
