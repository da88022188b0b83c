"""What an owner may change of a subscription, and what it is then."""

from pydantic import Field, model_validator

from shared.endpoints import Endpoint, Strict
from shared.schedule import Schedule
from shared.subscriptions import NAME_LIMIT, Filter, Subscription, Wish


class Change(Strict):
    """New values; what is left out stays as it is."""

    name: str | None = Field(default=None, max_length=NAME_LIMIT, examples=["Border crossings"])
    filter: Filter | None = None
    channel: Endpoint | None = Field(
        default=None, description="A new endpoint must answer first: the subscription is pending until then."
    )
    schedule: Schedule | None = None
    one_per_story: bool | None = None
    updates: bool | None = None
    fallback: Endpoint | None = Field(default=None, description="null takes it away.")
    fallback_after: int | None = Field(default=None, ge=1, le=1440)

    @model_validator(mode="after")
    def _says_something(self) -> "Change":
        if not self.named:
            raise ValueError(f"nothing to change: name at least one of {', '.join(type(self).model_fields)}")
        return self

    @property
    def named(self) -> set[str]:
        """The fields that are to change."""
        return {
            name for name in self.model_fields_set if name == "fallback" or getattr(self, name) is not None
        }

    def applied(self, subscription: Subscription) -> Wish:
        """Return the wish as it will be."""
        old = {name: getattr(subscription, name) for name in Wish.model_fields}
        return Wish(**old | {name: getattr(self, name) for name in self.named})
