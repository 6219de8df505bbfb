"""A PostgreSQL relay that speaks TLS to the client and plain TCP to a server on the same machine.

The lab's servers have no TLS compiled in; with this before them, programs talk to them exactly as they talk to Heroku
or RDS, with verification, and need no insecure switch. It also cuts, hangs up, slows, stalls and refuses, on purpose.
Bytes after the handshake are passed on untouched and unread. One thread with one event loop per relay; every public
method may be called from any thread.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar, cast

CHUNK_BYTES = 256 * 1024
"""One read. With asyncio's own 64 KiB, COPY through the relay is slower than the servers are."""
QUEUE_BYTES = 1024 * 1024
HANDSHAKE_S = 10.0
ANSWER_S = 30.0
TLS_GOODBYE_S = 1.0
# Message codes and layouts: https://www.postgresql.org/docs/current/protocol-message-formats.html
SSL_REQUEST = 80877103
GSSENC_REQUEST = 80877104
CANCEL_REQUEST = 80877102
STARTUP_BYTES = range(8, 10_001)
"""PostgreSQL's own bounds for the first packet."""
RESET_ON_CLOSE = struct.pack("ii", 1, 0)

T = TypeVar("T")


class Relay:
    """Listens on 127.0.0.1. `require_tls` may be changed while it runs and counts from the next connection."""

    def __init__(self, upstream_port: int, cert: Path, key: Path, *, require_tls: bool = True, port: int = 0) -> None:
        self.upstream_port = upstream_port
        self.require_tls = require_tls
        self.port = port
        self._files = (cert, key)
        self._context, self._loaded_ns = self._load()
        self._running: _Running | None = None

    def start(self) -> int:
        """Returns the port it listens on.

        Raises:
            OSError: the port that was asked for is taken.
        """
        listener = _bound(self.port)
        self.port = int(listener.getsockname()[1])
        self._running = _Running(self, listener)
        return self.port

    def stop(self) -> None:
        """Every connection is cut, the port is free, the thread is gone. Twice is not an error."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    def context(self) -> ssl.SSLContext:
        """What the next handshake presents: a certificate whose files were replaced counts from then on."""
        if self._files[0].exists() and self._files[0].stat().st_mtime_ns != self._loaded_ns:
            self._context, self._loaded_ns = self._load()
        return self._context

    def _load(self) -> tuple[ssl.SSLContext, int]:
        loaded_ns = self._files[0].stat().st_mtime_ns
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self._files)
        return context, loaded_ns

    @property
    def connections(self) -> int:
        """Clients connected through it now."""
        return 0 if self._running is None else len(self._running.ends) // 2

    @property
    def relayed_bytes(self) -> int:
        """Bytes passed on in both directions since the start."""
        return 0 if self._running is None else self._running.relayed_bytes

    def cut(self) -> None:
        """Reset every connection now; new ones are welcome."""
        self._ask(self._on.cut())

    def cut_after(self, byte_count: int) -> None:
        """Reset every connection once that many bytes went through, in both directions together; once.

        To the precision of one read.
        """
        self._on.budget_bytes = byte_count

    def hang_up(self) -> None:
        """Close every connection politely now, as a proxy that ends: what was passed on arrives, then the end."""
        self._ask(self._on.hang_up())

    def slow(self, bytes_per_s: float | None) -> None:
        """Pass on no more than that, both directions of all connections together; None: as fast as it goes."""
        self._ask(self._on.slow(bytes_per_s))

    def stall(self) -> None:
        """Pass nothing on, in either direction, also for new connections: a network that went silent."""
        self._ask(self._on.stall())

    def resume(self) -> None:
        self._ask(self._on.resume())

    def refuse(self, refused: bool) -> None:  # noqa: FBT001  (reads as a sentence: `relay.refuse(True)`)
        """Refuse new connections, as a server that is down does; those that exist go on. The port stays ours."""
        self._ask(self._on.refuse(refused=refused))

    @property
    def _on(self) -> "_Running":
        if self._running is None:
            raise RuntimeError("the relay is not running")
        return self._running

    def _ask(self, work: Coroutine[Any, Any, T]) -> T:
        return self._on.ask(work)


class _Running:
    """A relay between start and stop: the loop, its thread, and what is connected. Methods that are coroutines, and
    everything they call, run in the thread."""

    def __init__(self, relay: Relay, listener: socket.socket) -> None:
        self.relay = relay
        self.ends: set[_End] = set()
        self.buffer = memoryview(bytearray(CHUNK_BYTES))
        self.relayed_bytes = 0
        self.budget_bytes: int | None = None
        self._bytes_per_s: float | None = None
        self._due_s = 0.0
        self.flowing = asyncio.Event()
        self.flowing.set()
        self._listener = listener
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting: asyncio.Task[None] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"relay-{relay.port}", daemon=True)
        self._thread.start()
        self.ask(self._listen())

    def ask(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(ANSWER_S)

    def stop(self) -> None:
        self.ask(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def cut(self) -> None:
        await self._cancel(self._tasks)
        for end in self.ends:
            end.reset()
        while self.ends:
            await asyncio.sleep(0)

    async def hang_up(self) -> None:
        await self._cancel(self._tasks)
        for end in tuple(self.ends):
            end.release("stall")
            end.close()

    async def slow(self, bytes_per_s: float | None) -> None:
        self._bytes_per_s, self._due_s = bytes_per_s, 0.0

    async def stall(self) -> None:
        self.flowing.clear()
        for end in self.ends:
            end.hold("stall")

    async def resume(self) -> None:
        self.flowing.set()
        for end in self.ends:
            end.release("stall")

    async def refuse(self, *, refused: bool) -> None:
        if refused == (self._accepting is None):
            return
        if refused:
            await self._stop_listening()
            # Bound without listening: connecting is refused, and nobody else gets the port.
            self._listener = _bound(self.relay.port)
        else:
            await self._listen()

    def passed(self, byte_count: int, end: "_End") -> None:
        self.relayed_bytes += byte_count
        if self._bytes_per_s is not None:
            now = self._loop.time()
            self._due_s = max(now, self._due_s) + byte_count / self._bytes_per_s
            end.hold("slow")
            self._loop.call_later(self._due_s - now, end.release, "slow")
        if self.budget_bytes is not None:
            self.budget_bytes -= byte_count
            if self.budget_bytes <= 0:
                self.budget_bytes = None
                for end in self.ends:
                    end.reset()

    async def _listen(self) -> None:
        self._listener.listen(128)
        self._accepting = self._loop.create_task(self._accept())

    async def _stop_listening(self) -> None:
        if self._accepting is not None:
            await self._cancel({self._accepting})
            self._accepting = None
        self._listener.close()

    async def _close(self) -> None:
        await self._stop_listening()
        await self.cut()

    @staticmethod
    async def _cancel(tasks: "set[asyncio.Task[None]]") -> None:
        wanted = tuple(tasks)
        for task in wanted:
            task.cancel()
        await asyncio.gather(*wanted, return_exceptions=True)

    async def _accept(self) -> None:
        while True:
            try:
                client, _ = await self._loop.sock_accept(self._listener)
            except OSError:
                # Out of descriptors: accept again when some connection has gone.
                await asyncio.sleep(0.1)
                continue
            task = self._loop.create_task(self._serve(client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: socket.socket) -> None:
        upstream = _End(self)
        try:
            await self.flowing.wait()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(HANDSHAKE_S):
                first = await self._first_packet(client)
                if first is not None:
                    await self._loop.create_connection(lambda: upstream, "127.0.0.1", self.relay.upstream_port)
                    await self._join(client, first, upstream)
        except (OSError, EOFError, TimeoutError, asyncio.CancelledError):
            upstream.reset()
            client.close()

    async def _first_packet(self, client: socket.socket) -> bytes | None:
        """What the server must see first: nothing when the client asked for TLS. None: the client was sent away."""
        while True:
            packet = await self._packet(client)
            (code,) = struct.unpack_from("!I", packet, 4)
            if code == SSL_REQUEST:
                return b""
            if code == GSSENC_REQUEST:
                await self._loop.sock_sendall(client, b"N")
            elif self.relay.require_tls and code != CANCEL_REQUEST:
                await self._loop.sock_sendall(client, _refusal(packet))
                client.close()
                return None
            else:
                return packet

    async def _packet(self, client: socket.socket) -> bytes:
        """One startup packet and not a byte more: what follows an SSLRequest belongs to the handshake."""
        head = await self._exactly(client, 4)
        (length,) = struct.unpack("!I", head)
        if length not in STARTUP_BYTES:
            raise EOFError("not a PostgreSQL client")
        return head + await self._exactly(client, length - 4)

    async def _exactly(self, client: socket.socket, byte_count: int) -> bytes:
        got = b""
        while len(got) < byte_count:
            more = await self._loop.sock_recv(client, byte_count - len(got))
            if not more:
                raise EOFError("the client went away")
            got += more
        return got

    async def _join(self, client: socket.socket, first: bytes, upstream: "_End") -> None:
        end = _End(self)
        end.other, upstream.other = upstream, end
        if first:
            upstream.write(first)
            await self._loop.connect_accepted_socket(lambda: end, client)
        else:
            await self._loop.sock_sendall(client, b"S")
            await self._loop.connect_accepted_socket(
                lambda: end,
                client,
                ssl=self.relay.context(),
                ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=TLS_GOODBYE_S,
            )


class _End(asyncio.BufferedProtocol):
    """One end of a relayed connection: what it reads, it writes to the other."""

    def __init__(self, running: _Running) -> None:
        self.other: _End | None = None
        self._running = running
        self._transport: asyncio.Transport | None = None
        self._held: set[str] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=QUEUE_BYTES)
        self._running.ends.add(self)
        if not self._running.flowing.is_set():
            self.hold("stall")

    def get_buffer(self, sizehint: int) -> memoryview:
        # One buffer for all: between this call and `buffer_updated` the loop runs nothing else.
        return self._running.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._running.passed(nbytes, self)
        if self.other is not None:
            self.other.write(bytes(self._running.buffer[:nbytes]))

    def eof_received(self) -> None:
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self._running.ends.discard(self)
        if self.other is not None:
            self.other.close()

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.hold("full")

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.release("full")

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def hold(self, reason: str) -> None:
        """Read no further, until every reason is released."""
        if not self._held and self._transport is not None:
            self._transport.pause_reading()
        self._held.add(reason)

    def release(self, reason: str) -> None:
        if reason in self._held:
            self._held.discard(reason)
            if not self._held and self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()

    def close(self) -> None:
        """Send what is queued, then close."""
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        """Drop what is queued; the peer sees a reset."""
        if self._transport is not None:
            with contextlib.suppress(OSError):
                self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self._transport.abort()


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setblocking(False)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("127.0.0.1", port))
    except OSError:
        bound.close()
        raise
    return bound


def _refusal(startup: bytes) -> bytes:
    """What a server whose pg_hba.conf holds `hostssl` lines only says to a client without TLS."""
    words = startup[8:].split(b"\0")
    given = dict(zip(words[::2], words[1::2], strict=False))
    user = given.get(b"user", b"").decode(errors="replace")
    database = given.get(b"database", b"").decode(errors="replace") or user
    said = f'no pg_hba.conf entry for host "127.0.0.1", user "{user}", database "{database}", no encryption'
    fields = b"".join(
        f"{key}{value}".encode() + b"\0" for key, value in (("S", "FATAL"), ("V", "FATAL"), ("C", "28000"), ("M", said))
    )
    return b"E" + struct.pack("!I", len(fields) + 5) + fields + b"\0"
