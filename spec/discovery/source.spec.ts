/** What holds for each source of hosts, seen with answers of DNS that a spec writes, in virtual time. */

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, it } from 'node:test'
import { type DnsHostsOptions, dnsHosts } from '../../lib/extras/discovery/index.ts'
import { virtualTime } from '../../lib/extras/testing/index.ts'
import { InvalidOptionError } from '../../lib/index.ts'
import { Followed, Lines } from './follow.ts'

type Records = string[] | Error

const failure = (code: string) => Object.assign(new Error(`queryA ${code} nodes`), { code })
const servfail = failure('ESERVFAIL')
const nothing = failure('ENOTFOUND')

/** Answers what it was given last; an error is thrown. */
class Script {
  asked = 0
  answer: Records | 'nothing at all'

  constructor(answer: Script['answer']) {
    this.answer = answer
  }

  resolve4 = async (): Promise<string[]> => {
    this.asked += 1
    if (this.answer === 'nothing at all') return await new Promise(() => undefined)
    if (this.answer instanceof Error) throw this.answer
    return this.answer
  }

  resolve6 = this.resolve4
  resolveSrv = async () =>
    (await this.resolve4()).map((target) => {
      const [name = '', port = ''] = target.split(/:(?=\d+$)/)
      return { name, port: Number(port) }
    })
}

interface Setup {
  readonly script: Script
  readonly lines: Lines
  readonly followed: Followed
  readonly advance: (ms: number) => Promise<void>
}

/** Everything in virtual time; nothing is left of the source when it has ended. */
async function follow(
  answer: Script['answer'],
  work: (setup: Setup) => Promise<void>,
  more: Partial<Record<keyof DnsHostsOptions | 'port', unknown>> = {}
): Promise<void> {
  using time = virtualTime(7)
  const script = new Script(answer)
  const lines = new Lines()
  const options = {
    local: 'http://10.0.0.1:9',
    name: 'nodes',
    type: 'A',
    port: 9,
    everyMs: 1000,
    keepMs: 5000,
    ...more
  }
  const followed = new Followed(dnsHosts({ logger: lines, resolver: script, ...options } as DnsHostsOptions))
  await time.advance(0)
  await work({ script, lines, followed, advance: time.advance })
  await followed.end()
  await time.advance(0)
  assert.equal(followed.isOver, true)
  assert.equal(time.pending, 0, 'timers are left')
}

const one = '10.0.0.1'
const two = '10.0.0.2'
const three = '10.0.0.3'

describe('a source of hosts', () => {
  it('gives a list each time it changes, and none when it stays', () =>
    follow([one, two], async ({ script, followed, advance }) => {
      await advance(10_000)
      assert.equal(followed.lists.length, 1)
      script.answer = [three, two, one]
      await advance(1200)
      assert.deepEqual(
        followed.lists,
        [
          [one, two],
          [one, two, three]
        ].map((list) => list.map((address) => `http://${address}:9`))
      )
    }))

  it('keeps the last list through failures for as long as they last, and says so once', () =>
    follow([one, two], async ({ script, followed, lines, advance }) => {
      script.answer = servfail
      await advance(600_000)
      assert.equal(followed.now, '10.0.0.1:9 10.0.0.2:9')
      assert.deepEqual(lines.loud, ['warn dnsHosts(nodes): queryA ESERVFAIL nodes; the last list, of 2, stays'])
      script.answer = [one, two]
      await advance(1200)
      assert.equal(lines.all.at(-1), 'info dnsHosts(nodes): it answers again')
      assert.equal(followed.lists.length, 1)
    }))

  it('tells of each reason once while it goes on failing, one a minute, and of eight at most', () =>
    follow([one, two], async ({ script, lines, advance }) => {
      for (let round = 0; round < 100; round++) {
        script.answer = failure(round % 2 === 0 ? 'EONE' : 'ETWO')
        await advance(30_000)
      }
      assert.equal(lines.loud.length, 2)
      for (let round = 0; round < 20; round++) {
        script.answer = failure(`E${round}`)
        await advance(70_000)
      }
      assert.equal(lines.loud.length, 8)
      script.answer = [one, two]
      await advance(1200)
      script.answer = failure('EONE')
      await advance(60_000)
      assert.equal(lines.loud.length, 9)
    }))

  it('tells less and less often of what comes and goes at every look: failures, wrong names, answers without this server', () => {
    const bad: readonly (readonly [what: string, answer: Records, text: RegExp])[] = [
      ['failures', servfail, /ESERVFAIL/],
      ['wrong names', [one, two, '0.0.0.0'], /1 of its names is refused/],
      ['answers without this server', [two], /does not name this server/]
    ]
    return bad.reduce(async (before, [what, answer, text]) => {
      await before
      await follow(
        [one, two],
        async ({ script, lines, advance }) => {
          for (let minute = 0; minute < 6 * 60; minute++) {
            script.answer = answer
            await advance(30_000)
            script.answer = [one, two]
            await advance(30_000)
          }
          const told = lines.all.filter((line) => text.test(line)).length
          assert.ok(told >= 8 && told <= 16, `${what}: ${told}`)
          assert.ok(lines.all.length <= 2 * told + 1, lines.all.join('\n'))
          script.answer = answer
          await advance(130_000)
          assert.match(lines.all.at(-1) ?? '', text, 'what lasts for a minute is told in any case')
        },
        { everyMs: 10_000 }
      )
    }, Promise.resolve())
  })

  it('keeps the last list when an answer has no host any more', () =>
    follow([one, two], async ({ script, followed, lines, advance }) => {
      for (const answer of [nothing, []]) {
        script.answer = answer
        await advance(60_000)
        assert.equal(followed.now, '10.0.0.1:9 10.0.0.2:9')
      }
      assert.deepEqual(lines.loud, ['warn dnsHosts(nodes): it names no host any more; the last list, of 2, stays'])
    }))

  it('drops a host that is no longer named after keepMs, and not before', () =>
    follow([one, two], async ({ script, followed, advance }) => {
      script.answer = [one]
      await advance(1100)
      await advance(4800)
      assert.equal(followed.now, '10.0.0.1:9 10.0.0.2:9')
      await advance(1100)
      assert.equal(followed.now, '10.0.0.1:9')
    }))

  it('counts keepMs from the first answer without the host, not from the last one with it', () =>
    follow([one, two, three], async ({ script, followed, advance }) => {
      script.answer = servfail
      await advance(60_000)
      script.answer = [one, two]
      await advance(1100)
      await advance(3700)
      assert.equal(followed.now, '10.0.0.1:9 10.0.0.2:9 10.0.0.3:9')
      await advance(1500)
      assert.equal(followed.now, '10.0.0.1:9 10.0.0.2:9')
    }))

  it('does not drop a host that is named again within keepMs, however often it comes and goes', () =>
    follow([one, two], async ({ script, followed, advance }) => {
      for (let round = 0; round < 10; round++) {
        script.answer = [one]
        await advance(4000)
        script.answer = [one, two]
        await advance(1200)
      }
      assert.equal(followed.lists.length, 1)
    }))

  it('leaves no timer behind when it ends while a host is missing', () =>
    follow([one, two], async ({ script, followed, advance }) => {
      script.answer = [one]
      await advance(1100)
      assert.equal(followed.now, '10.0.0.1:9 10.0.0.2:9')
    }))

  it('drops at once with a keepMs of 0', () =>
    follow(
      [one, two],
      async ({ script, followed, advance }) => {
        script.answer = [one]
        await advance(1100)
        assert.equal(followed.now, '10.0.0.1:9')
      },
      { keepMs: 0 }
    ))

  it('has this server in each list, and warns when an answer does not name it', () =>
    follow([two], async ({ script, followed, lines, advance }) => {
      assert.equal(followed.now, '10.0.0.1:9 10.0.0.2:9')
      script.answer = [three]
      await advance(30_000)
      assert.equal(followed.now, '10.0.0.1:9 10.0.0.3:9')
      assert.deepEqual(lines.loud, [
        'warn dnsHosts(nodes): it does not name this server, http://10.0.0.1:9 (it names http://10.0.0.2:9): servers refuse those that their lists do not name'
      ])
    }))

  it('gives this server alone when the first answer has no host, and gives no list when there is no answer', () =>
    follow(servfail, async ({ script, followed, lines, advance }) => {
      await advance(20_000)
      assert.deepEqual(followed.lists, [])
      assert.match(lines.loud.join(), /^warn [^;]*ESERVFAIL nodes; there is no list yet$/)
      script.answer = nothing
      await advance(1100)
      assert.equal(followed.now, '10.0.0.1:9')
      script.answer = [one, two]
      await advance(1100)
      assert.equal(followed.now, '10.0.0.1:9 10.0.0.2:9')
    }))

  it('refuses wrong names one by one, says so once, and takes the others', () =>
    follow(
      ['a:9', '0.0.0.0:9', 'a b:9', 'b:0', 'b:9', '.:1', 'c.:9', 'A:9'],
      async ({ script, followed, lines, advance }) => {
        assert.equal(followed.now, '10.0.0.1:9 a:9 b:9 c:9')
        await advance(10_000)
        assert.match(lines.loud.join('\n'), /^warn dnsHosts\(nodes\): 3 of its names are refused: [^\n]*\nwarn [^\n]*$/)
        for (const text of ['0.0.0.0:9 is an address to listen on', '"http://a b:9"', 'b:0 has no port']) {
          assert.ok(lines.loud[0]?.includes(text), text)
        }
        script.answer = ['0.0.0.0:9', 'a b:9']
        await advance(20_000)
        assert.equal(followed.now, '10.0.0.1:9 a:9 b:9 c:9')
        assert.match(lines.loud.at(-1) ?? '', /all of its names are refused; the last list, of 4, stays$/)
      },
      { type: 'SRV', port: undefined }
    ))

  it('names a host once, however often and in however many spellings an answer does', () =>
    follow(
      ['node-2:80', 'NODE-2:80', 'node-2.:80', 'node-2:80'],
      async ({ followed }) => {
        assert.deepEqual(followed.lists, [['http://10.0.0.1:9', 'http://node-2']])
      },
      { type: 'SRV', port: undefined }
    ))

  it('refuses an answer with more than 10 000 hosts, and one that leads to more with those that are kept', () => {
    const many = (count: number, from: number) => Array.from({ length: count }, (_, at) => `h${at + from}:1`)
    return follow(
      [...many(6000, 0)],
      async ({ script, followed, lines, advance }) => {
        for (const answer of [many(10_001, 0), many(6000, 6000)]) {
          script.answer = answer
          await advance(61_000)
          assert.equal(followed.lists.at(-1)?.length, 6001)
        }
        assert.match(lines.loud.at(-1) ?? '', /more than 10000/)
      },
      { type: 'SRV', port: undefined, everyMs: 30_000 }
    )
  })

  it('tells of changes of the list as information, of many by their number', () =>
    follow(
      Array.from({ length: 20 }, (_, at) => `h${at}:1`),
      async ({ script, lines, advance }) => {
        const [first = ''] = lines.all.filter((line) => line.startsWith('info'))
        assert.match(first, /^info dnsHosts\(nodes\): 21 hosts: \+http:\/\/10\.0\.0\.1:9 .* and \+5 more$/)
        script.answer = ['h0:1', 'new:1']
        await advance(1200)
        assert.equal(lines.all.at(-1), 'info dnsHosts(nodes): 22 hosts: +http://new:1')
        await advance(6000)
        assert.match(lines.all.at(-1) ?? '', /^info dnsHosts\(nodes\): 3 hosts: -http:\/\/h1:1 .* and -3 more$/)
      },
      { type: 'SRV', port: undefined }
    ))

  it('asks again when there was no answer in 15 s', () =>
    follow([one], async ({ script, followed, lines, advance }) => {
      script.answer = 'nothing at all'
      await advance(17_000)
      assert.match(lines.loud.join(), /no answer within 15000 ms; the last list, of 1, stays/)
      script.answer = [one, two]
      await advance(17_000)
      assert.equal(followed.now, '10.0.0.1:9 10.0.0.2:9')
    }))

  it('asks more often at first when there is no answer, and never without a pause', () =>
    follow(servfail, async ({ script, advance }) => {
      await advance(900)
      assert.ok(script.asked >= 3 && script.asked <= 5, `${script.asked}`)
      await advance(10_000)
      assert.ok(script.asked <= 16, `${script.asked}`)
    }))

  it('gives only the newest list to who pulls late, and nothing when that is the one he has', async () => {
    using time = virtualTime(7)
    const script = new Script([one])
    const iterator = dnsHosts({
      ...{ local: 'http://10.0.0.1:9', name: 'nodes', type: 'A', port: 9, keepMs: 0, everyMs: 1000 },
      ...{ logger: new Lines(), resolver: script }
    })[Symbol.asyncIterator]()
    assert.deepEqual((await iterator.next()).value, ['http://10.0.0.1:9'])
    for (const answer of [
      [one, two],
      [one, three],
      [one, two, three]
    ]) {
      script.answer = answer
      await time.advance(1200)
    }
    assert.equal((await iterator.next()).value?.length, 3)
    let pulled = 0
    iterator.next().then(() => pulled++)
    script.answer = [one, two, three]
    await time.advance(10_000)
    assert.equal(pulled, 0)
    await iterator.return?.()
  })

  for (const [how, answer] of [
    ['waits', [one]],
    ['asks', 'nothing at all']
  ] as const) {
    it(`ends at once with its signal while it ${how}, and leaves no listener there`, async () => {
      using time = virtualTime(7)
      const ending = new AbortController()
      const followed = new Followed(
        dnsHosts({
          ...{ local: 'http://10.0.0.1:9', name: 'nodes', type: 'A', port: 9, signal: ending.signal },
          ...{ logger: new Lines(), resolver: new Script(typeof answer === 'string' ? answer : [...answer]) }
        })
      )
      await time.advance(100)
      assert.equal(getEventListeners(ending.signal, 'abort').length, 1)
      ending.abort()
      await time.advance(0)
      const listeners = getEventListeners(ending.signal, 'abort').length
      assert.deepEqual([followed.isOver, time.pending, listeners], [true, 0, 0])
    })
  }

  it('asks nothing before it is pulled, nor after its signal has aborted', async () => {
    const script = new Script([one])
    const options = {
      local: 'http://10.0.0.1:9',
      name: 'nodes',
      type: 'A',
      port: 9,
      resolver: script
    } as const
    dnsHosts(options)[Symbol.asyncIterator]()
    const iterator = dnsHosts({ ...options, signal: AbortSignal.abort() })[Symbol.asyncIterator]()
    assert.equal((await iterator.next()).done, true)
    assert.equal(script.asked, 0)
  })

  it('answers each of several pulls at once, and ends all of them', async () => {
    const script = new Script([one])
    const iterator = dnsHosts({
      ...{ local: 'http://10.0.0.1:9', name: 'nodes', type: 'A', port: 9, logger: new Lines() },
      resolver: script
    })[Symbol.asyncIterator]()
    const pulls = [iterator.next(), iterator.next(), iterator.next()]
    assert.deepEqual((await pulls[0])?.value, ['http://10.0.0.1:9'])
    await iterator.return?.()
    assert.deepEqual(
      (await Promise.all(pulls.slice(1))).map(({ done }) => done),
      [true, true]
    )
  })

  it('goes on when its logger throws or rejects', () =>
    follow(
      [one],
      async ({ script, followed, advance }) => {
        script.answer = [one, two]
        await advance(1200)
        assert.equal(followed.now, '10.0.0.1:9 10.0.0.2:9')
      },
      {
        logger: {
          debug: () => assert.fail('debug'),
          info: () => assert.fail('info'),
          warn: () => assert.fail('warn'),
          error: (async () => assert.fail('error')) as never
        }
      }
    ))

  const good = { local: 'http://a:1', name: 'nodes', type: 'A', port: 9 }
  for (const [wrong, text] of [
    [{ ...good, local: 'a' }, /local "a" is not an origin/],
    [{ ...good, local: undefined }, /local of dnsHosts\(\) must be a text/],
    [{ ...good, keepMs: -1 }, /keepMs of dnsHosts\(\) must be a number of ms from 0/],
    [{ ...good, everyMs: Number.NaN }, /everyMs of dnsHosts\(\) must be/],
    [{ ...good, everyMs: 2 ** 31 }, /everyMs of dnsHosts\(\) must be/],
    [{ ...good, type: 'a' }, /type of dnsHosts\(\) must be "SRV" or "A" or "AAAA"/],
    [{ ...good, port: undefined }, /port of dnsHosts\(\) must be a port from 1 to 65535/],
    [{ ...good, type: 'SRV' }, /port of dnsHosts\(\) must be left out: SRV records have it/],
    [{ ...good, every: 5 }, /dnsHosts\(\) has no option "every"; it has local, keepMs/],
    [{ ...good, scheme: 'ws' }, /scheme of dnsHosts\(\) must be "http" or "https"/],
    [{ ...good, resolver: { resolveSrv() {} } }, /resolver of dnsHosts\(\) must be one with resolve4\(\)/],
    [{ ...good, logger: {} }, /logger of dnsHosts\(\) must be a Logger/],
    [undefined, /the options of dnsHosts\(\) must be an object/]
  ] as const) {
    it(`is not made with wrong options: ${text.source.replaceAll('\\', '')}`, () => {
      assert.throws(
        () => dnsHosts(wrong as never),
        (error) => InvalidOptionError.is(error) && text.test(error.message)
      )
    })
  }
})
