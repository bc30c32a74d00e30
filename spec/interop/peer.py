"""A small peer of a grid in Python, written from docs/protocol.md and with the standard library alone.

It dials over WebSocket with a shared secret, and has handlers of its own. It leaves out what the page allows to leave
out: renewal, pings of its own, lending (its byte window holds its largest message), listening. It judges what the other
end sends no further than it must to understand it. `check.py` lets it talk with a manager of this repository.
"""
import asyncio
import hashlib
import hmac
import os
import struct
import zlib
from types import SimpleNamespace as Frame

from libraries import Cursor, WebSocket, pack, unpack

OPEN, DATA, CREDIT, RESET, PING, PONG, HANDLERS, GOAWAY = range(1, 9)
END, MORE, ERROR, BARE, METADATA = 0x10, 0x20, 0x40, 0x80, 0x80
ALLOWED = {OPEN: END | MORE | METADATA, DATA: END | MORE | ERROR | BARE, HANDLERS: MORE}
SINGLE, STREAMING = 0, 1
STOP, CANCELLED, DEADLINE, UNKNOWN_HANDLER, GOING_AWAY = 0, 1, 2, 3, 5
FRAGMENT = 65536
LIMITS = {'maxMessageBytes': 2**24, 'streamWindowBytes': 2**24, 'maxFragments': 4096, 'maxInboundStreams': 1000,
          'maxHandlers': 4096, 'maxNameBytes': 256, 'maxMetadataBytes': 8192}


class PeerError(Exception):
    """A call that failed: `code` is that of the error of a handler, or the reason why there is no answer."""

    def __init__(self, code, message='', details=None):
        super().__init__(f'{code}: {message}')
        self.code, self.details = code, details


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def string(data):
    return varint(len(data)) + data


def frame(kind, *fields):
    """The bytes of a frame: numbers are varints, the rest are byte strings."""
    return bytes([kind]) + b''.join(varint(field) if isinstance(field, int) else string(field) for field in fields)


class Fields(Cursor):
    """Reads the fields of frames."""

    def varint(self):
        value, shift = 0, 0
        while True:
            byte = self.number('B')
            value |= (byte & 127) << shift
            if byte < 128:
                if shift > 0 and byte == 0 or value >= 2**53:
                    raise ValueError('a varint that no number has')
                return value
            shift += 7
            if shift > 49:
                raise ValueError('a varint without an end')

    def string(self):
        return self.take(self.varint())


def read_frames(batch):
    cursor = Fields(batch)
    if batch == b'':
        raise ValueError('an empty batch')
    while cursor.at < len(batch):
        head = cursor.number('B')
        got = Frame(type=head & 15, flags=head & 0xf0)
        if got.type not in range(1, 9) or got.flags & ~ALLOWED.get(got.type, 0):
            raise ValueError(f'an unknown frame or flag: {head:x}')
        if got.type == HANDLERS:
            got.entries = [(cursor.number('B'), cursor.varint(), cursor.varint(), cursor.string(), cursor.string())
                           for _ in range(cursor.varint())]
        elif got.type in (PING, PONG):
            got.token = cursor.varint()
        elif got.type == GOAWAY:
            got.code, got.last, got.text = cursor.varint(), cursor.varint(), cursor.string()
        else:
            got.id = cursor.varint()
            if got.type == OPEN:
                got.handler, got.timeout = cursor.varint(), cursor.varint()
                got.metadata = cursor.string() if got.flags & METADATA else None
            elif got.type == CREDIT:
                got.messages, got.bytes = cursor.varint(), cursor.varint()
            elif got.type == RESET:
                got.code, got.text = cursor.varint(), cursor.string()
            if got.type in (OPEN, DATA):
                got.payload = b'' if got.type == DATA and got.flags & BARE else cursor.string()
        yield got


class Stream:
    """One call, of either end. Iterating gives the messages of the other end, and grants credit for each."""

    def __init__(self, peer, stream_id, kind, window):
        self.peer, self.id, self.single = peer, stream_id, kind == SINGLE
        self.sends = self.receives = True
        self.messages, self.bytes = window, peer.theirs['streamWindowBytes']
        self.changed, self.inbox, self.parts, self.task = asyncio.Event(), asyncio.Queue(), b'', None
        peer.streams[stream_id] = self

    async def send(self, value, flags=0):
        """Sends a message when there is credit for it; False when the other end takes no more."""
        payload, first = pack(value), True
        while first or payload:
            while self.sends and not self.single and (self.bytes <= 0 or first and self.messages <= 0):
                self.changed.clear()
                await self.changed.wait()
            if not self.sends:
                return False
            piece, payload = payload[:FRAGMENT], payload[FRAGMENT:]
            self.messages, self.bytes, first = self.messages - first, self.bytes - len(piece), False
            self.peer.send(frame(DATA | (MORE if payload else flags), self.id, piece))
            await self.peer.drain()
        if flags & END:
            self.half_over(sends=False)
        return True

    def end(self):
        if self.sends:
            self.peer.send(frame(DATA | END | BARE, self.id))
            self.half_over(sends=False)

    def reset(self, code, text=b''):
        if self.peer.streams.get(self.id) is self:
            self.peer.send(frame(RESET, self.id, code, text))
            self.fail(PeerError('reset', f'by this side with {code}'))

    def cancel(self):
        self.reset(CANCELLED)

    def half_over(self, sends=True, receives=True):
        self.sends, self.receives = self.sends and sends, self.receives and receives
        self.changed.set()
        if not self.sends and not self.receives:
            self.peer.forget(self)

    def fail(self, error):
        self.inbox.put_nowait(error)
        self.half_over(False, False)
        if self.task is not None:
            self.task.cancel()

    def on_data(self, got):
        if not self.receives:
            return
        self.parts += got.payload
        if got.flags & MORE:
            return
        payload, self.parts = self.parts, b''
        if got.flags & ERROR:
            fields = unpack(got.payload)
            error = PeerError(fields.get('code', 'ERR_REMOTE'), fields.get('message', ''), fields.get('details'))
            return self.fail(error)
        if got.type == OPEN or not got.flags & BARE:
            self.inbox.put_nowait(payload)
        if got.flags & END:
            self.inbox.put_nowait(None)
            self.half_over(receives=False)

    def __aiter__(self):
        return self

    async def __anext__(self):
        item = await self.inbox.get()
        if item is None or isinstance(item, Exception):
            self.inbox.put_nowait(item)
            raise item or StopAsyncIteration
        if self.receives and not self.single:
            self.peer.send(frame(CREDIT, self.id, 1, len(item)))
        return unpack(item)


class Peer:
    @classmethod
    async def dial(cls, url, host, remote, secret, handlers=()):
        """`handlers` are tuples of kind, inCapacity, outCapacity, id and a coroutine function."""
        self = cls()
        self.streams, self.remote_handlers, self.ready, self.gone = {}, {}, asyncio.Event(), None
        self.handlers, self.next_id, self.idle = list(handlers), 1, asyncio.Event()
        self.ws = await WebSocket.connect(url)
        await self.shake_hands(host, remote, secret)
        entries = [bytes([kind]) + varint(window_in) + varint(window_out) + string(b'') + string(name.encode())
                   for kind, window_in, window_out, name, _ in self.handlers]
        self.send(frame(HANDLERS, len(entries)) + b''.join(entries))
        self.reading = asyncio.ensure_future(self.read())
        await self.ready.wait()
        if self.gone:
            raise PeerError('disconnected', self.gone)
        return self

    async def shake_hands(self, host, remote, secret):
        hello = b'\x01' + pack({'versions': [1], 'nonce': os.urandom(32), 'instance': os.urandom(16), 'checksum': True,
                                'limits': LIMITS, 'host': host, 'remote': remote})
        challenge = await self.exchange(hello, 2)
        self.theirs = unpack(challenge[1:])['limits']
        transcript = hashlib.sha256(b''.join(struct.pack('<I', len(m)) + m for m in (hello, challenge))).digest()
        # HKDF-SHA256 of one block: extract with a salt of zeros, then expand.
        extracted = hmac.digest(bytes(32), secret.encode(), 'sha256')
        key = hmac.digest(extracted, b'it-grid.v1 shared secret\x01', 'sha256')
        ours, theirs = (hmac.digest(key, b'it-grid.v1 ' + role + b'\0' + transcript, 'sha256')
                        for role in (b'dialer', b'listener'))
        accept = unpack((await self.exchange(b'\x03' + pack({'proof': ours}), 4, theirs))[1:])
        if not hmac.compare_digest(accept['proof'], theirs) or (accept['version'], accept['host']) != (1, remote):
            raise PeerError('authFailed', 'the listener is not what was dialed')

    async def exchange(self, message, expected, proof=None):
        self.ws.send(message)
        answer = await asyncio.wait_for(self.ws.receive(), 10)
        if not answer or answer[0] not in (expected, 5):
            raise PeerError('handshake', f'no message of kind {expected} came')
        if answer[0] == 5:
            reject = unpack(answer[1:])
            is_theirs = proof is not None and hmac.compare_digest(reject.get('proof', b''), proof)
            raise PeerError(*(reject['reason'], reject['message']) if is_theirs else ('authFailed', ''))
        return answer

    def send(self, *frames):
        batch = b''.join(frames)
        self.ws.send(struct.pack('<I', zlib.crc32(batch)) + batch)

    async def drain(self):
        await self.ws.writer.drain()

    # Calls of this side

    async def request(self, name, value, timeout=0):
        """The answer to a single request. `timeout` is in seconds, 0 for none."""
        stream = await self.call(name, value, SINGLE, timeout)
        try:
            return await asyncio.wait_for(stream.__anext__(), timeout or None)
        except asyncio.TimeoutError:
            stream.reset(DEADLINE)
            raise PeerError('deadline') from None

    async def open(self, name, value):
        return await self.call(name, value, STREAMING, 0)

    async def call(self, name, value, kind, timeout):
        index, remote_kind, window_in = self.remote_handlers.get(name.encode(), (0, None, 0))
        if remote_kind != kind or self.gone:
            raise PeerError('unknownHandler' if not self.gone else 'disconnected', name)
        stream = Stream(self, self.next_id, kind, window_in)
        self.next_id += 2
        payload, end = pack(value), END if kind == SINGLE or window_in == 0 else 0
        flags = MORE if len(payload) > FRAGMENT else end
        self.send(frame(OPEN | flags, stream.id, index, int(timeout * 1000), payload[:FRAGMENT]))
        for at in range(FRAGMENT, len(payload), FRAGMENT):
            is_last = at + FRAGMENT >= len(payload)
            self.send(frame(DATA | (end if is_last else MORE), stream.id, payload[at:at + FRAGMENT]))
            await self.drain()
        if end:
            stream.half_over(sends=False)
        return stream

    # What arrives

    async def read(self):
        why = 'the conn has ended'
        try:
            while (batch := await self.ws.receive()) is not None:
                if zlib.crc32(batch[4:]) != struct.unpack('<I', batch[:4])[0]:
                    raise ValueError('a checksum that does not match')
                for got in read_frames(batch[4:]):
                    self.on_frame(got)
        except (ValueError, struct.error) as error:
            why = f'the other end broke the protocol: {error}'
            self.send(frame(GOAWAY, 1, 0, str(error).encode()))
            self.ws.close()
        self.gone = self.gone or why
        for stream in list(self.streams.values()):
            stream.fail(PeerError('disconnected', self.gone))
        self.ready.set()
        self.idle.set()

    def on_frame(self, got):
        if got.type == PING:
            self.send(frame(PONG, got.token))
        elif got.type == HANDLERS:
            for kind, window_in, _, subroute, name in got.entries:
                name = subroute + b'/' + name if subroute else name
                self.remote_handlers[name] = (len(self.remote_handlers), kind, window_in)
            if not got.flags & MORE:
                self.ready.set()
        elif got.type == GOAWAY:
            self.gone = f'the other end went away: {got.code} {got.text.decode()}'
            for stream in list(self.streams.values()):
                if stream.id % 2 == 1 and stream.id > got.last:
                    stream.fail(PeerError('disconnected', self.gone))
        elif got.type == OPEN:
            self.on_open(got)
        elif got.type != PONG and got.id in self.streams:
            self.on_stream_frame(self.streams[got.id], got)

    def on_open(self, got):
        if got.handler >= len(self.handlers) or self.gone:
            code = GOING_AWAY if self.gone else UNKNOWN_HANDLER
            return self.send(frame(RESET, got.id, code, b''))
        kind, _, window_out, _, fn = self.handlers[got.handler]
        stream = Stream(self, got.id, kind, window_out)
        stream.on_data(got)
        stream.task = asyncio.ensure_future(self.answer(stream, fn, got.timeout))

    def on_stream_frame(self, stream, got):
        if got.type == DATA:
            stream.on_data(got)
        elif got.type == CREDIT:
            stream.messages, stream.bytes = stream.messages + got.messages, stream.bytes + got.bytes
            stream.changed.set()
        elif got.code == STOP:
            stream.half_over(sends=False)
        else:
            stream.fail(PeerError('reset', f'{got.code} {got.text.decode()}'))

    async def answer(self, stream, fn, timeout):
        """Runs a handler: `fn(value)` gives the answer; a streaming one, `fn(value, stream)`, sends and takes."""
        try:
            # The payload is not in the window: no credit for it.
            item = await asyncio.wait_for(stream.inbox.get(), timeout / 1000 or None)
            if isinstance(item, Exception):
                return
            if stream.single:
                await stream.send(await asyncio.wait_for(fn(unpack(item)), timeout / 1000 or None), END)
            else:
                await asyncio.wait_for(fn(unpack(item), stream), timeout / 1000 or None)
                stream.end()
                if stream.receives:
                    self.send(frame(RESET, stream.id, STOP, b''))
                    stream.half_over(receives=False)
        except asyncio.TimeoutError:
            stream.task = None
            stream.reset(DEADLINE)
        except Exception as error:
            if stream.sends:
                code = getattr(error, 'code', 'ERR_REMOTE')
                fields = {'name': type(error).__name__, 'message': str(error), 'code': code}
                self.send(frame(DATA | END | ERROR, stream.id, pack(fields)))
                stream.half_over(False, False)

    # The end

    def forget(self, stream):
        self.streams.pop(stream.id, None)
        if not self.streams:
            self.idle.set()

    async def close(self):
        """Goes away: what runs may end, then the conn is closed in an orderly way."""
        self.gone = 'this side went away'
        self.send(frame(GOAWAY, 0, max([0, *(i for i in self.streams if i % 2 == 0)]), b'bye'))
        while self.streams:
            self.idle.clear()
            await self.idle.wait()
        self.ws.close()
        await self.reading
