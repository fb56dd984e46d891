"""Child processes that cannot outlive their parent: each holds a pipe from it, and ends when that closes.

A pipe closes however the parent ends, ``kill -9`` included, and on every platform alike.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

_KEPT_LINES = 5000
LISTENERS: list[Callable[[str, str], None]] = []
"""Each is called with the name of a child and a line that it wrote."""


class ChildError(Exception):
    """A child did not start, or ended by itself. The message ends with the last of what it wrote."""


@dataclass(slots=True)
class Child:
    """A process under way, and what it wrote to its standard output and error."""

    name: str
    process: asyncio.subprocess.Process
    echo: bool = False
    lines: collections.deque[str] = field(default_factory=lambda: collections.deque(maxlen=_KEPT_LINES))
    _heard: asyncio.Condition = field(default_factory=asyncio.Condition)
    _reading: asyncio.Task[None] | None = None
    _closed: bool = False

    @classmethod
    async def spawn(cls, name: str, command: Sequence[str], environment: Mapping[str, str], *, echo: bool = False) -> Child:
        """Starts it. The command has to end when its standard input does; ``echo`` repeats its output on stderr."""
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # Ctrl-C goes to the parent, which ends its children in order.
            start_new_session=True,
        )
        child = cls(name, process, echo)
        child._reading = asyncio.create_task(child._read())
        return child

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.returncode is None

    async def lines_with(self, text: str, *, count: int = 1, within: float) -> list[str]:
        """Waits, at most ``within`` seconds, until it has written so many lines with this text, and gives all such.

        Raises ``ChildError`` when it does not, or ends before it has.
        """
        async with self._heard:
            try:
                async with asyncio.timeout(within):
                    while len(found := [line for line in self.lines if text in line]) < count:
                        if self._closed:
                            raise self.fault(f"ended before it wrote {text!r}")
                        await self._heard.wait()
            except TimeoutError:
                raise self.fault(f"did not write {text!r} in {within:g} s") from None
        return found

    async def answers(self, port: int, *, within: float) -> None:
        """Waits until something listens at the port. Raises ``ChildError`` when nothing does in ``within`` seconds."""
        try:
            async with asyncio.timeout(within):
                while not await listens(port):
                    if not self.running:
                        raise self.fault("ended before it was ready")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise self.fault(f"was not ready in {within:g} s") from None

    async def ended(self) -> ChildError:
        """Waits for its end, and gives what there is to say about it."""
        await self.process.wait()
        await self._drained()
        return self.fault(f"ended with status {self.process.returncode}")

    async def stop(self, *, grace: float) -> int:
        """Asks it to end (SIGTERM) and, after ``grace`` seconds, makes it. Gives its exit status."""
        if self.running:
            self._signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(grace):
                    await self.process.wait()
            except TimeoutError:
                self._signal(signal.SIGKILL)
        return await self._over()

    async def kill9(self) -> None:
        """Ends it as a crash would: at once, with nothing said."""
        self._signal(signal.SIGKILL)
        await self._over()

    def fault(self, what: str) -> ChildError:
        """``what`` happened to this child, with the end of its output."""
        return ChildError("\n".join((f"{self.name} {what}", *list(self.lines)[-20:])))

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    async def _over(self) -> int:
        status = await self.process.wait()
        await self._drained()
        if self.process.stdin is not None:
            self.process.stdin.close()
        return status

    async def _drained(self) -> None:
        if self._reading is not None:
            await self._reading

    async def _read(self) -> None:
        stream = self.process.stdout
        while stream is not None and (line := await _line(stream)):
            self.lines.append(line.decode(errors="replace").rstrip("\n"))
            for each in LISTENERS:
                each(self.name, self.lines[-1])
            if self.echo:
                print(self.lines[-1], file=sys.stderr, flush=True)
            async with self._heard:
                self._heard.notify_all()
        self._closed = True
        async with self._heard:
            self._heard.notify_all()


async def _line(stream: asyncio.StreamReader) -> bytes:
    """The next line; of one that is longer than the stream's limit, what follows the limit."""
    while True:
        try:
            return await stream.readline()
        except ValueError:
            continue


async def listens(port: int) -> bool:
    """Whether something on this machine answers at the port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens at, all different.

    They lie below the ports that an operating system gives to outgoing connections: such a connection cannot take one before
    a child listens there. Each process has a stretch of its own, from which it takes one port after the other.
    """
    found: list[int] = []
    while len(found) < count:
        port = next(_ports)
        with socket.socket() as trial, contextlib.suppress(OSError):
            trial.bind(("127.0.0.1", port))
            found.append(port)
    return found


_FIRST_PORT, _STRETCH, _STRETCHES = 20_000, 60, 200
"""Up to 32,000. Linux gives outgoing connections ports from 32,768 on, macOS and Windows from 49,152 on."""


def _own_ports() -> Iterator[int]:
    while True:
        first = _FIRST_PORT + os.getpid() % _STRETCHES * _STRETCH
        yield from range(first, first + _STRETCH)


_ports = _own_ports()
