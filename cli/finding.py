"""What `tocsin check` says of one thing."""

from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from shared.settings import ServiceSettings

S = TypeVar("S", bound=ServiceSettings)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `good` is None where there is nothing to mend, and something to know."""

    subject: str
    good: bool | None
    detail: str


def readable(kind: type[S], **given: Any) -> S:
    """Return the settings of a service, with the default for each that is wrong: that is said elsewhere."""
    try:
        return kind(**given)
    except ValidationError as e:
        wrong = {str(problem["loc"][0]) for problem in e.errors(include_url=False, include_input=False)}
        # A maximum is wrong by its minimum.
        wrong |= {name.replace("_max", "_min") for name in wrong} & kind.model_fields.keys()
        return kind(**given, **{name: kind.model_fields[name].get_default() for name in wrong})
    except (OSError, ValueError):
        # It is a file that cannot be read: .env, or else a secret's, which leaves nothing but the defaults.
        if "_env_file" in given:
            return kind.model_construct()  # type: ignore[return-value]
        return readable(kind, _env_file=None)
