"""Whether the wall clock went back under our hands: what was put off by it would wait for as long."""

import time
from collections.abc import Callable

JUMP_SECONDS = 30.0


class ClockJumps:
    """Compares the wall clock with one that only goes forward."""

    def __init__(
        self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall, self._steady = wall, steady
        # Before we started it may have gone back as well.
        self._ahead = float("inf")

    def went_back(self) -> bool:
        """Return whether the wall clock has lost time since it was last asked; the first time it may have."""
        before, self._ahead = self._ahead, self._wall() - self._steady()
        return self._ahead < before - JUMP_SECONDS
