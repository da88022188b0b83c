"""The last so many things that were asked for."""

from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """Keeps `size` values, those that were asked for last."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        value = self._kept.get(key)
        if value is not None:
            self._kept.move_to_end(key)
        return value

    def peek(self, key: Key) -> Value | None:
        """Return a value without that it counts as asked for."""
        return self._kept.get(key)

    def drop(self, key: Key) -> None:
        self._kept.pop(key, None)

    def put(self, key: Key, value: Value) -> Value:
        self._kept[key] = value
        self._kept.move_to_end(key)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return value
