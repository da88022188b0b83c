"""libcurl's sockets and its clock, watched by the running loop."""

import asyncio
import math
import selectors
from collections.abc import Callable

import pycurl

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_WANTED = {
    pycurl.POLL_REMOVE: 0,
    pycurl.POLL_IN: _READ,
    pycurl.POLL_OUT: _WRITE,
    pycurl.POLL_INOUT: _READ | _WRITE,
}
_MASKS = {
    _READ: pycurl.CSELECT_IN,
    _WRITE: pycurl.CSELECT_OUT,
    _READ | _WRITE: pycurl.CSELECT_IN | pycurl.CSELECT_OUT,
}


class Sockets:
    """Watches libcurl's sockets for it.

    They are in a selector of their own, which the loop watches as one. A socket stays in it while its connection is
    kept for the next request, and costs nothing there; the loop's own way would be two system calls a request.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, act: Callable[..., None]) -> None:
        self._loop, self._act = loop, act
        self._selector = selectors.DefaultSelector()
        self._watched: dict[int, int] = {}
        self._wanted: dict[int, int] = {}
        loop.add_reader(self._selector, self._ready)

    def want(self, what: int, fd: int, *_: object) -> None:
        """Watch a socket for something else from now on. libcurl calls this."""
        wanted = self._wanted[fd] = _WANTED[what]
        watched = self._watched.get(fd, 0)
        if wanted & ~watched or (watched & _WRITE and not wanted & _WRITE):
            self._watch(fd, wanted)

    def forget(self, fd: int) -> None:
        """The number belongs to a new socket now."""
        if self._watched.pop(fd, 0):
            self._selector.unregister(fd)

    def close(self) -> None:
        """Watch nothing any more."""
        self._loop.remove_reader(self._selector)
        self._selector.close()

    def _watch(self, fd: int, wanted: int) -> None:
        if not wanted:
            self.forget(fd)
            return
        change = self._selector.modify if fd in self._watched else self._selector.register
        change(fd, wanted)
        self._watched[fd] = wanted

    def _ready(self) -> None:
        events = []
        for key, mask in self._selector.select(0):
            if self._wanted.get(key.fd):
                events.append((key.fd, _MASKS[mask]))
            else:
                # A kept connection was closed by the other side; libcurl finds out when it would use it.
                self.forget(key.fd)
        if events:
            self._act(*events)


class Alarm:
    """Tells libcurl when it is time for what it wanted to do."""

    def __init__(self, loop: asyncio.AbstractEventLoop, act: Callable[..., None]) -> None:
        self._loop, self._act = loop, act
        self._due: float | None = None
        self._rings_at = math.inf
        self._handle: asyncio.Handle | None = None

    def set(self, milliseconds: int) -> None:
        """Wake libcurl after so long, never if below 0. libcurl calls this."""
        self._due = None if milliseconds < 0 else self._loop.time() + milliseconds / 1000
        if self._due is not None and self._due < self._rings_at:
            self._start(self._due)

    def stop(self) -> None:
        """Wake it no more."""
        self._due = None
        if self._handle:
            self._handle.cancel()

    def _start(self, due: float) -> None:
        if self._handle:
            self._handle.cancel()
        self._rings_at = due
        self._handle = self._loop.call_at(due, self._ring)

    def _ring(self) -> None:
        self._handle, self._rings_at = None, math.inf
        if self._due is None:
            return
        # Most alarms are put off before they ring; then this one came too early.
        if self._due > self._loop.time():
            self._start(self._due)
            return
        self._due = None
        self._act((pycurl.SOCKET_TIMEOUT, 0))
