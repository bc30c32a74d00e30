"""What libraries do elsewhere: MessagePack, and the client's side of WebSocket, with the standard library alone.

Of MessagePack it has the subset that docs/protocol.md allows (section "Values"), which most libraries read; one must
refuse the rest, and take integers in every format. Of RFC 6455 it has what a dialer needs.
"""
import asyncio
import base64
import hashlib
import os
import struct
from urllib.parse import urlsplit


def pack(value):
    if value is None or isinstance(value, bool):
        return {None: b'\xc0', False: b'\xc2', True: b'\xc3'}[value]
    if isinstance(value, int):
        if -32 <= value < 128:
            return struct.pack('B', value & 0xff)
        for n, size in enumerate((8, 16, 32, 64)):
            if 0 <= value < 1 << size:
                return struct.pack('>B' + 'BHIQ'[n], 0xcc + n, value)
            if -(1 << size - 1) <= value < 0:
                return struct.pack('>B' + 'bhiq'[n], 0xd0 + n, value)
    if isinstance(value, float):
        return struct.pack('>Bd', 0xcb, value)
    if isinstance(value, str):
        data = value.encode()
        return (struct.pack('B', 0xa0 | len(data)) if len(data) < 32 else length(0xd9, data)) + data
    if isinstance(value, bytes):
        return length(0xc4, value) + value
    if isinstance(value, (list, tuple)):
        return length(0xdb, value, 1) + b''.join(map(pack, value))
    return length(0xdd, value, 1) + b''.join(pack(key) + pack(item) for key, item in value.items())


def length(first, value, least=0):
    """The head of an item with a length of 8, 16 or 32 bits; `least` leaves out the first ones."""
    n = next(n for n in range(least, 3) if len(value) < 1 << (8 << n))
    return struct.pack('>B' + 'BHI'[n], first + n, len(value))


def unpack(data):
    cursor = Cursor(data)
    value = cursor.value()
    if cursor.at != len(data):
        raise ValueError('trailing bytes')
    return value


class Cursor:
    """Reads values from bytes, checking each length against what is there."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if count > len(self.data) - self.at:
            raise ValueError('cut short')
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, layout):
        return struct.unpack('>' + layout, self.take(struct.calcsize('>' + layout)))[0]

    def value(self, depth=0):
        first = self.number('B')
        if first < 0x80 or first >= 0xe0:
            return first if first < 0x80 else first - 256
        if 0xa0 <= first < 0xc0:
            return self.take(first & 31).decode('utf-8', 'replace')
        if first in (0xc0, 0xc2, 0xc3):
            return {0xc0: None, 0xc2: False, 0xc3: True}[first]
        if 0xca <= first <= 0xd3:
            return self.number('fdBHIQbhiq'[first - 0xca])
        if 0xc4 <= first <= 0xc6 or 0xd9 <= first <= 0xdb:
            data = self.take(self.number('BHI'[first - (0xc4 if first < 0xd9 else 0xd9)]))
            return data if first < 0xd9 else data.decode('utf-8', 'replace')
        if first in (0xd6, 0xd7, 0xc7):
            return self.timestamp({0xd6: 4, 0xd7: 8}.get(first) or self.number('B'))
        if depth == 64 or first in (0xc1, 0xc8, 0xc9, 0xd4, 0xd5, 0xd8):
            raise ValueError(f'the byte {first:x}, or too deep')
        if first < 0x90 or first >= 0xde:
            count = first & 15 if first < 0x90 else self.number('HI'[first - 0xde])
            return {self.key(): self.value(depth + 1) for _ in range(count)}
        count = first & 15 if first < 0xa0 else self.number('HI'[first - 0xdc])
        return [self.value(depth + 1) for _ in range(count)]

    def key(self):
        key = self.value()
        if not isinstance(key, str) or key == '__proto__':
            raise ValueError('a key that is none')
        return key

    def timestamp(self, size):
        """Seconds since 1970."""
        if self.number('b') != -1 or size not in (4, 8, 12):
            raise ValueError('an extension')
        if size == 4:
            return float(self.number('I'))
        if size == 8:
            both = self.number('Q')
            return (both & 2**34 - 1) + (both >> 34) / 1e9
        nanoseconds = self.number('I')
        return self.number('q') + nanoseconds / 1e9


class WebSocket:
    @classmethod
    async def connect(cls, url, path='/grid/v1'):
        self, place = cls(), urlsplit(url)
        self.code, self.closing = None, False
        self.reader, self.writer = await asyncio.open_connection(place.hostname, place.port)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f'GET {path} HTTP/1.1', f'Host: {place.netloc}', 'Upgrade: websocket', 'Connection: Upgrade',
                 f'Sec-WebSocket-Key: {key}', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Protocol: it-grid.v1', '', '']
        self.writer.write('\r\n'.join(lines).encode())
        head = (await self.reader.readuntil(b'\r\n\r\n')).decode().lower()
        digest = hashlib.sha1((key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').encode()).digest()
        wanted = base64.b64encode(digest).decode()
        if not head.startswith('http/1.1 101') or wanted.lower() not in head or 'it-grid.v1' not in head:
            raise ConnectionError(f'the upgrade was answered with {head.splitlines()[0]}')
        return self

    def send(self, data, opcode=2):
        """One message, masked with a key of zero, which the page allows."""
        size = len(data)
        if size < 126:
            head = struct.pack('>BB', 0x80 | opcode, 0x80 | size)
        else:
            head = struct.pack('>BBH' if size < 65536 else '>BBQ', 0x80 | opcode, 254 if size < 65536 else 255, size)
        self.writer.write(head + bytes(4) + data)

    async def receive(self):
        """The next message, or None behind the last one."""
        message = b''
        try:
            while True:
                first, size = await self.reader.readexactly(2)
                if size > 125:
                    layout = '>H' if size == 126 else '>Q'
                    size, = struct.unpack(layout, await self.reader.readexactly(struct.calcsize(layout)))
                data = await self.reader.readexactly(size)
                if first & 15 == 8:
                    self.code = struct.unpack('>H', data[:2])[0] if data else 1005
                    self.close()
                    self.writer.close()
                    return None
                if first & 15 == 9:
                    self.send(data, 10)
                elif first & 15 < 3:
                    message += data
                    if first & 128:
                        return message
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    def close(self):
        """Says that this end closes; the other end answers, and `receive` gives None."""
        if not self.closing:
            self.closing = True
            self.send(struct.pack('>H', 1000), 8)
