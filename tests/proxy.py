"""A TCP proxy between a client and a real server that can cut, freeze or answer for the server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Proxy:
    """Forwards connections to one server."""

    def __init__(self, host: str, port: int, scheme: str) -> None:
        self._host, self._port, self._scheme = host, port, scheme
        self._writers: set[asyncio.StreamWriter] = set()
        self._bytes = 0
        self._moved = asyncio.Condition()
        self.cuts = 0
        self.swallowing = False  # what the server sends is lost, as in a connection that dies unnoticed
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncIterator["Proxy"]:
        """A proxy to the server behind `url`; `proxy.url` is its own address."""
        parts = urlsplit(url)
        proxy = cls(parts.hostname or "127.0.0.1", parts.port or 80, parts.scheme)
        server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
        proxy.url = f"{parts.scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield proxy
        finally:
            server.close()
            proxy._drop()

    def cut(self) -> None:
        """Resets every connection."""
        self.cuts += 1
        self._drop()

    def _drop(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()
        self._writers.clear()

    async def passed(self, count: int) -> None:
        """Returns when `count` more bytes have come from the server."""
        goal = self._bytes + count
        async with self._moved:
            await self._moved.wait_for(lambda: self._bytes >= goal)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, server_writer}
        await asyncio.gather(
            self._pump(reader, server_writer, counted=False), self._pump(server_reader, writer, counted=True)
        )
        self._writers -= {writer, server_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool) -> None:
        try:
            while data := await reader.read(65536):
                if not (counted and self.swallowing):
                    writer.write(data)
                    await writer.drain()
                if counted:
                    async with self._moved:
                        self._bytes += len(data)
                        self._moved.notify_all()
        except (OSError, ConnectionError):
            pass  # cut, by us or by an end: that is what the test is about
        finally:
            writer.close()
