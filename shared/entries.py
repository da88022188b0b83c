"""What goes through a stream, and what may be written with its acknowledgement. Values only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from shared.redis_client import Argument, Command

Model = TypeVar("Model", bound=BaseModel)

BLOCK_MS = 1000
"""How long a read waits for an entry before it asks again."""


class Rejected(Exception):
    """An entry that can never be handled. The message is the reason on its dead letter."""


class Entry(NamedTuple):
    """One stream entry as read."""

    stream: str
    id: str
    fields: Mapping[bytes, bytes]
    deliveries: int = 1

    def field(self, name: str) -> bytes:
        """Return a field's value; raise Rejected if the entry has none of that name."""
        try:
            return self.fields[name.encode()]
        except KeyError as e:
            raise Rejected(f"the entry has no field {name!r}: it is not ours") from e

    def event(self, model: type[Model]) -> Model:
        """Return the event in the entry; raise Rejected, saying where, if it is not one of that type."""
        try:
            return model.model_validate_json(self.field("event"))
        except ValidationError as e:
            first = e.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise Rejected(f"not a {model.__name__}: {where}: {first['msg']}") from e


class Guard(NamedTuple):
    """Makes commands run once: only if the number at `key`.`field` is below `value`."""

    key: str
    field: str
    value: int


class Outcome(NamedTuple):
    """What is written in the same script as the acknowledgement."""

    commands: Sequence[Command] = ()
    unless: Guard | None = None


@dataclass(frozen=True, slots=True)
class Marked:
    """A change of one hash field and the event that tells of it: both happen, or neither."""

    key: str
    field: str
    expected: bytes | None
    mark: str | None
    stream: str
    fields: Mapping[str, str | bytes]


def xadd(stream: str, fields: Mapping[str, Argument] | Mapping[bytes, bytes]) -> Command:
    """Return the command that appends an entry."""
    return ("XADD", stream, "*", *(part for pair in fields.items() for part in pair))
