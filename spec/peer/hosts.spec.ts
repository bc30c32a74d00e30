/** The names of servers: one spelling for each, and one dialer for each pair. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { canonicalHost, dialerOf, hintAtHost } from '../../lib/peer/hosts.ts'

const spellings: Record<string, string[]> = {
  'https://node-1': ['https://node-1', 'HTTPS://NODE-1', 'https://node-1:443', 'wss://node-1', 'WSS://Node-1:443/'],
  'http://node-1': ['http://node-1', 'http://node-1:80', 'ws://node-1', 'ws://node-1:80/', 'http://node-1/'],
  'https://node-1:9000': ['https://node-1:9000', 'wss://node-1:9000', 'https://node-1:09000'],
  'https://xn--bcher-kva.example': [
    'https://bücher.example',
    'https://BÜCHER.example',
    'https://xn--bcher-kva.example'
  ],
  'http://[::1]:9000': ['http://[::1]:9000', 'ws://[0:0:0:0:0:0:0:1]:9000'],
  'http://127.0.0.1:9000': ['http://127.0.0.1:9000', 'http://127.1:9000', 'http://0x7f.0.0.1:9000']
}

const invalid = { name: 'InvalidOptionError' }

describe('canonicalHost', () => {
  for (const [canonical, given] of Object.entries(spellings)) {
    it(`makes ${canonical} of every spelling of it`, () => {
      for (const host of given) assert.equal(canonicalHost(host), canonical, host)
    })
  }

  it('leaves a canonical name as it is', () => {
    for (const canonical of Object.keys(spellings)) assert.equal(canonicalHost(canonical), canonical)
  })

  it('keeps ports and schemes apart that are not the default of each other', () => {
    const names = ['http://a', 'https://a', 'http://a:443', 'https://a:80', 'http://a:81', 'ws://a:443', 'wss://a:80']
    assert.equal(new Set(names.map(canonicalHost)).size, 5)
  })

  it('refuses what is no origin, saying what one looks like', () => {
    for (const host of ['', 'node-1', 'node-1:9000', '//node-1', 'https://', 'https://a b', 'https://a:99999']) {
      assert.throws(() => canonicalHost(host), invalid, host)
    }
    assert.throws(() => canonicalHost('nonsense'), { message: /"nonsense" is not an origin such as https:/ })
  })

  it('refuses another scheme, naming those there are', () => {
    for (const host of ['ftp://a', 'tcp://a:1', 'file:///a', 'node-1:9000']) {
      assert.throws(() => canonicalHost(host), { ...invalid, message: /must start with http:\/\/, https:/ })
    }
  })

  it('refuses credentials, a path, a query and a fragment, without quoting them', () => {
    for (const host of ['https://u:secret@a', 'https://u@a', 'https://a/path', 'https://a/?q=secret', 'https://a/#f']) {
      assert.throws(
        () => canonicalHost(host),
        (error: Error) => error.name === 'InvalidOptionError' && !error.message.includes('secret')
      )
    }
  })

  it('quotes neither credentials nor a query of what is no origin at all, nor its control characters', () => {
    const texts: [given: string, shown: RegExp][] = [
      ['postgres://user:secret@db:5432/app?sslkey=secret', /^host "…@db:5432\/app…" must start with http/],
      ['redis://:se?cret@db#secret', /^host "…@db…" is not an origin/],
      ['https://user:secret@a b', /^host "…@a b" is not an origin/],
      ['https://a b?token=secret', /^host "https:\/\/a b…" is not an origin/],
      ['tcp://a\nb\u009b', /^host "tcp:\/\/a b " must start with http/]
    ]
    for (const [given, message] of texts) {
      assert.throws(() => canonicalHost(given), { ...invalid, message })
      assert.throws(
        () => canonicalHost(given),
        (error: Error) => !error.message.includes('secret'),
        given
      )
    }
  })

  it('refuses a name of more than 512 bytes, which no peer accepts', () => {
    const longest = `http://${'a.'.repeat(248)}example:80`
    assert.equal(canonicalHost(longest), longest.slice(0, -3))
    const most = `http://${'a'.repeat(505)}`
    assert.equal(canonicalHost(most).length, 512)
    assert.throws(() => canonicalHost(`${most}a`), { ...invalid, message: /has 513 bytes; a host has at most 512$/ })
  })

  it('does not repeat a long name in its error', () => {
    assert.throws(
      () => canonicalHost('x'.repeat(100_000)),
      (error: Error) => error.message.length < 400
    )
  })
})

describe('a host that is not there', () => {
  it('is told with the one that is probably the same server by another name, and with no other', () => {
    const same: readonly (readonly [name: string, host: string])[] = [
      ['http://localhost:9000', 'http://127.0.0.1:9000'],
      ['http://[::1]:9000', 'http://localhost:9000'],
      ['https://node-1:9000', 'http://node-1:9000'],
      ['https://node-1', 'http://node-1'],
      ['http://node-1', 'http://node-1:9000'],
      ['http://node-1.example.com:9000', 'http://node-1:9000'],
      ['http://node-1:9000', 'http://node-1.example.com:9000']
    ]
    for (const [name, host] of same) {
      const hint = hintAtHost(name, ['http://node-7:9000', host])
      assert.equal(hint, `; there is ${host}: a server has one name, in all lists and as its own`, name)
    }
    const others = ['http://node-10:9000', 'http://node-1:9001', 'http://10.0.0.1:9000', 'http://localhost:9000']
    for (const name of ['http://node-1:9000', 'http://10.0.0:9000', 'http://127.0.0.1:9001', 'http://[::2]:9000'])
      assert.equal(hintAtHost(name, others), '', name)
  })
})

describe('dialerOf', () => {
  const names = Array.from({ length: 200 }, (_, at) => canonicalHost(`https://node-${at}.grid.example:9000`))

  it('is one of the two, the same from both ends', () => {
    for (const a of names.slice(0, 40)) {
      for (const b of names.slice(0, 40)) {
        if (a === b) continue
        const dialer = dialerOf(a, b)
        assert.ok(dialer === a || dialer === b)
        assert.equal(dialerOf(b, a), dialer)
      }
    }
  })

  it('over the 19,900 pairs of 200 names, 98 % of the servers dial 40 % to 60 % of theirs, and none 36 % or 64 %', () => {
    // 199 fair tosses have a standard deviation of 3.5 %: of 200 servers one strays over 10 % by chance, none over 14 %.
    const dials = new Map(names.map((name) => [name, 0]))
    let lesser = 0
    let pairs = 0
    for (const [at, a] of names.entries()) {
      for (const b of names.slice(at + 1)) {
        const dialer = dialerOf(a, b)
        dials.set(dialer, (dials.get(dialer) ?? 0) + 1)
        pairs++
        if (dialer === [a, b].sort()[0]) lesser++
      }
    }
    assert.equal(pairs, 19_900)
    assert.ok(Math.abs(lesser / pairs - 0.5) < 0.015, `the lesser name dials ${lesser} of ${pairs}`)
    const strays = [...dials.values()].map((count) => Math.abs(count / 199 - 0.5))
    assert.ok(strays.filter((stray) => stray > 0.1).length <= 4)
    assert.ok(Math.max(...strays) < 0.14)
  })
})
