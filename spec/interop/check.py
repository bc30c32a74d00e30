"""What the peer of peer.py and a manager of this repository do together; `main.ts` starts both."""
import asyncio
import sys

from peer import SINGLE, STREAMING, Peer, PeerError

stopped = []


async def echo(value):
    return value


async def fail(value):
    raise PeerError('E_LOCKED', 'locked')


async def hang(value):
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        stopped.append('hang')
        raise


async def upper(prefix, stream):
    async for text in stream:
        await stream.send(prefix + text.upper())


async def count(first, stream):
    try:
        while await stream.send(first):
            first += 1
    finally:
        stopped.append('count')


async def two(value, stream):
    await stream.send(await stream.__anext__() + await stream.__anext__())


HANDLERS = [(SINGLE, 0, 1, 'py.echo', echo), (SINGLE, 0, 1, 'py.fail', fail), (SINGLE, 0, 1, 'py.hang', hang),
            (STREAMING, 3, 3, 'py.upper', upper), (STREAMING, 0, 2, 'py.count', count), (STREAMING, 4, 1, 'py.two', two)]
VALUES = [None, True, 0, -1, 127, 2**31, 2**40, 2**53 - 1, 2**60, -2**40, 1.5, 'ä' * 300, b'\0\xff', [1, [2]], {'a': {'b': None}}]


async def code_of(call):
    try:
        return await call
    except PeerError as error:
        return error.code


async def requests(peer):
    assert await peer.request('echo', VALUES) == VALUES
    large = b'x' * 1_000_000
    assert await peer.request('echo', large) == large, 'in fragments, both ways'
    try:
        await peer.request('fail', None)
        raise AssertionError('it did not fail')
    except PeerError as error:
        assert (error.code, error.details) == ('E_LOCKED', {'holder': 'node-3'}), error
    assert await code_of(peer.request('nobody', 1)) == 'unknownHandler'
    assert await code_of(peer.request('hang', None, 0.1)) == 'deadline'
    await until(lambda: peer.request('stopped', 'hang'), 'the handler was told')


async def responses_and_cancel(peer):
    stream = await peer.open('count', 7)
    got = [await stream.__anext__() for _ in range(5)]
    assert got == [7, 8, 9, 10, 11], got
    assert await peer.request('pulled', None) <= 5 + 2, 'no further ahead than the window'
    stream.cancel()
    await until(lambda: peer.request('stopped', 'count'), 'the handler was told')


async def both_ways(peer):
    stream = await peer.open('double', None)

    async def feed():
        for n in range(200):
            assert await stream.send([n, b'x' * 1000])
        stream.end()
    feeding = asyncio.ensure_future(feed())
    assert [n async for n, _ in stream] == [2 * n for n in range(200)]
    await feeding


async def stop(peer):
    """The handler takes two requests and ends; then it is said that it takes no more."""
    stream = await peer.open('two', None)

    async def feed():
        sent = 0
        while await stream.send(sent):
            sent += 1
        return sent
    feeding = asyncio.ensure_future(feed())
    # The generator of the handler is pulled for its end only when its one response was taken.
    assert [value async for value in stream] == [1]
    assert 2 <= await feeding <= 2 + 4, feeding


async def calls_of_the_manager(peer):
    assert await peer.request('callMe', None) == 'fine'
    await until(lambda: asyncio.sleep(0, sorted(stopped) == ['count', 'hang']), f'its handlers were told: {stopped}')


async def until(condition, what):
    for _ in range(500):
        if await condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f'in vain: {what}')


async def main(url, host, secret):
    dial = lambda secret: Peer.dial(url, host, url, secret, HANDLERS)
    assert await code_of(dial('another secret of 16 bytes')) == 'authFailed'
    print('ok: a wrong secret is refused')
    peer = await dial(secret)
    for check in [requests, responses_and_cancel, both_ways, stop, calls_of_the_manager]:
        await asyncio.wait_for(check(peer), 20)
        assert not peer.streams, f'{check.__name__} has left {peer.streams}'
        print(f'ok: {check.__name__}')
    slow = asyncio.ensure_future(peer.request('slow', 'late'))
    await asyncio.sleep(0)
    await peer.close()
    assert (await slow, peer.ws.code) == ('late', 1000)
    print('ok: this side goes away, and what runs may end')
    peer = await dial(secret)
    slow = asyncio.ensure_future(peer.request('slow', 'later'))
    # Else it would leave behind the call below.
    await asyncio.sleep(0)
    assert await code_of(peer.request('close', None)) == 'closing'
    assert await slow == 'later'
    await asyncio.wait_for(peer.reading, 10)
    assert peer.gone.startswith('the other end went away: 0') and peer.ws.code == 1000, peer.gone
    print('ok: the manager goes away, and what runs may end')


asyncio.run(main(*sys.argv[1:]))
