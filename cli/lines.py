"""Files of JSON lines, read strictly: a wrong line is named."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

Model = TypeVar("Model", bound=BaseModel)


class Sample(BaseModel):
    """A report as far as tags depend on it."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    id: str
    title: str = ""
    text: str = ""
    language: str | None = None


def read_lines(model: type[Model], lines: Iterable[str]) -> Iterator[tuple[int, Model]]:
    """Yield each line with its number; raise ValueError at one that is wrong. Empty ones are passed over."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, read_line(model, line, number)


def read_line(model: type[Model], line: str, number: int) -> Model:
    """Return what a line says; raise ValueError, as in "line 3: id: Field required"."""
    try:
        return model.model_validate_json(line.removeprefix("\ufeff"))
    except ValidationError as e:
        first = e.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(": ".join(filter(None, (f"line {number}", where, first["msg"])))) from e
