/** Values that a program can hand over by mistake or by malice, and memory that is gone. */

/** Every trap throws. */
function throwingProxy<T extends object>(target: T): T {
  const traps = new Proxy(
    {},
    {
      get() {
        return () => {
          throw new Error('a trap')
        }
      }
    }
  )
  return new Proxy(target, traps)
}

function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

/** An object whose property throws when it is read. */
function throwing(name: PropertyKey, target: object = {}): object {
  return Object.defineProperty(target, name, {
    enumerable: true,
    get() {
      throw new Error('a getter')
    }
  })
}

function endless(): object {
  return new Proxy(
    {},
    {
      get: (_, name) => (name === 'then' || typeof name === 'symbol' ? undefined : endless()),
      ownKeys: () => ['more'],
      getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true, value: 1 })
    }
  )
}

class OddBytes extends Uint8Array {
  override get length(): number {
    throw new Error('a getter')
  }
}

class LyingBytes extends Uint8Array {
  override get length(): number {
    return 1_000_000
  }
}

/** One of its own kind only, as of a library that counts its buffers. */
class PickyBytes extends Uint8Array {
  constructor(size: unknown) {
    if (typeof size !== 'number') throw new Error('a constructor')
    super(size)
  }
}

/** A promise of the language, and later looks at its constructor give something else. */
function secondLook(look: () => unknown): Promise<number> {
  let looks = 0
  return Object.defineProperty(Promise.resolve(1), 'constructor', { get: () => (looks++ === 0 ? Promise : look()) })
}

/** A constructor of promises that does this. */
function kindOf(make: (settle: (resolve: () => void, reject: () => void) => void) => void): object {
  const kind = (settle: (resolve: () => void, reject: () => void) => void) => {
    make(settle)
  }
  return Object.defineProperty(kind, Symbol.species, { value: kind })
}

/** Each makes a new one. None of them can be sent as raw bytes, but the subclasses at the end. */
export const hostileValues: Record<string, () => unknown> = {
  'a proxy whose traps throw': () => throwingProxy({}),
  'a function behind such a proxy': () => throwingProxy(() => undefined),
  'a proxy that was revoked': revokedProxy,
  'a proxy without an end': endless,
  'bytes behind a proxy': () => new Proxy(new Uint8Array(3), {}),
  'bytes behind a proxy whose traps throw': () => throwingProxy(new Uint8Array(3)),
  'an object that only inherits from bytes': () => Object.create(Uint8Array.prototype),
  'a getter that throws': () => throwing('value'),
  'a then that throws when it is read': () => throwing('then'),
  'a constructor that throws when it is read': () => throwing('constructor'),
  'a promise whose constructor throws when it is read': () => throwing('constructor', Promise.resolve(1)),
  'a promise whose constructor throws at the second look': () => secondLook(raise),
  'a promise of a kind that throws when it is made': () => secondLook(() => kindOf(raise)),
  'a promise of a kind that throws when it settles': () => secondLook(() => kindOf((settle) => settle(raise, raise))),
  // biome-ignore lint/suspicious/noThenProperty: it is what is tried
  'a thenable that throws': () => ({ then: raise }),
  'a thenable that settles again and again': () => ({
    // biome-ignore lint/suspicious/noThenProperty: it is what is tried
    then(resolve: (value: unknown) => void, reject: (error: unknown) => void) {
      resolve(1)
      resolve(2)
      reject(new Error('a thenable'))
      raise()
    }
  }),
  'a promise that rejects with such a proxy': () => {
    const promise = Promise.reject(throwingProxy({}))
    // Where nobody waits for it, that is none of our business.
    promise.catch(() => undefined)
    return promise
  },
  'an iterable whose asyncIterator throws when it is read': () => throwing(Symbol.asyncIterator),
  'a toJSON that throws': () => ({ toJSON: raise }),
  'an object that is a number for a while'() {
    let looks = 20
    return { valueOf: () => (looks-- > 0 ? 1 : raise()), toString: raise }
  },
  'an object that is no text': () => ({ toString: raise, [Symbol.toPrimitive]: raise })
}

/** Bytes in all respects but those that they override. */
export const oddBytes: Record<string, () => Uint8Array> = {
  'bytes whose length throws': () => new OddBytes(3),
  'bytes with a wrong length': () => new LyingBytes(3),
  'many bytes with a wrong length': () => new LyingBytes(200_000),
  'bytes with a length of their own': () => Object.defineProperty(new Uint8Array(3), 'length', { value: -1 }),
  'many bytes whose constructor throws': () => {
    const bytes = new PickyBytes(200_000)
    return bytes
  },
  'bytes with a buffer of their own': () => throwing('buffer', new Uint8Array(200_000)) as Uint8Array
}

function raise(): never {
  throw new Error('a method')
}

export function giveAway(bytes: Uint8Array): void {
  structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] })
}

interface Resizable extends ArrayBuffer {
  resize(bytes: number): void
}

/** A buffer that can shrink and grow. */
export function resizable(bytes: number, maxBytes = bytes): Resizable {
  // Of ES2024, which the types of this library do not ask for.
  const Buffer = ArrayBuffer as unknown as new (bytes: number, options: { maxByteLength: number }) => Resizable
  return new Buffer(bytes, { maxByteLength: maxBytes })
}

/** Bytes, and what makes their memory go. */
export const goingMemory: Record<string, (bytes: number) => { bytes: Uint8Array; go: () => void }> = {
  transferred(size) {
    const bytes = new Uint8Array(size).fill(1)
    return { bytes, go: () => giveAway(bytes) }
  },
  shrunk(size) {
    const buffer = resizable(size + 8)
    const bytes = new Uint8Array(buffer, 8, size).fill(1)
    return { bytes, go: () => buffer.resize(4) }
  },
  'shrunk, and its view with it'(size) {
    const buffer = resizable(size + 8)
    const bytes = new Uint8Array(buffer, 8).fill(1)
    return { bytes, go: () => buffer.resize(4) }
  }
}

/** Bytes whose memory is gone. */
export function gone(how: string, size = 16): Uint8Array {
  const { bytes, go } = (goingMemory[how] as (size: number) => { bytes: Uint8Array; go: () => void })(size)
  go()
  return bytes
}
