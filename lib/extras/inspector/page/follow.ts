/**
 * A feed of the server, which is asked for again whenever it ends, is refused, or falls silent though nobody says that it has gone,
 * as after a sleep of the machine. Knows nothing of what is told.
 */

const againMs = 2000
/** The server tells each second. */
export const silentMs = 10_000
/** For an answer: the rule of the page may take ten seconds to decide. */
const answerMs = 15_000
/** A slow line may take so long for the first word, which has all; the server waits for no page longer. */
const firstWordMs = 60_000
const longestWhy = 200
/** A tab that nobody looks at holds a feed for so long: somebody may be back at once. */
const letGoMs = 5000
const lookEveryMs = 15_000
/** Of a look: with the first ones the figures of a server that had none to look begin. */
const wordsOfLook = 3

export interface Lost {
  /** Of the answer, where there was one. */
  readonly status?: number
  /** Why it is refused, as the server says; empty where it says nothing. */
  readonly why: string
  readonly triesInMs: number
}

export interface Following {
  /** It begins anew: the next word has all. */
  onOpen?(): void
  onNews(news: string): void
  /** It has gone, and is asked for again. */
  onLost?(lost: Lost): void
}

export interface Followed {
  /** The longest silence between two words. */
  readonly patienceMs?: number
  /**
   * What becomes of it in a tab that nobody looks at: it stays, it rests until somebody does, or it looks now and then. Of HTTP/1.1
   * a browser has six conns to one server, for all of its tabs: where those hold them, no other one is even loaded.
   */
  readonly whileHidden: 'stays' | 'rests' | 'looks'
}

export function follow(
  address: string,
  { onOpen, onNews, onLost }: Following,
  { patienceMs = silentMs, whileHidden }: Followed
): () => void {
  let source: EventSource | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let hiding: ReturnType<typeof setTimeout> | undefined
  let isResting = false
  let words = 0
  const openIn = (ms: number) => {
    clearTimeout(timer)
    timer = setTimeout(open, ms)
  }
  /** Lost, unless something comes before. */
  const expectIn = (ms: number) => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      onLost?.({ why: '', triesInMs: 0 })
      open()
    }, ms)
  }
  const open = () => {
    source?.close()
    const own = new EventSource(address)
    source = own
    expectIn(answerMs)
    own.onopen = () => {
      expectIn(firstWordMs)
      onOpen?.()
    }
    own.onmessage = ({ data }) => {
      expectIn(patienceMs)
      onNews(data)
      if (isResting && ++words >= wordsOfLook) rest()
    }
    own.onerror = async () => {
      // The browser asks again.
      if (own.readyState !== EventSource.CLOSED) return onLost?.({ why: '', triesInMs: againMs })
      clearTimeout(timer)
      const refusal = await refusalOf(address)
      if (source !== own) return
      onLost?.({ ...refusal, triesInMs: againMs })
      openIn(againMs)
    }
  }
  const rest = () => {
    isResting = true
    words = 0
    source?.close()
    source = undefined
    clearTimeout(timer)
    if (whileHidden === 'looks') openIn(lookEveryMs)
  }
  const onVisibility = () => {
    clearTimeout(hiding)
    if (document.hidden) hiding = setTimeout(rest, letGoMs)
    else if (isResting) {
      isResting = false
      if (source === undefined) open()
    }
  }
  open()
  if (whileHidden !== 'stays') {
    document.addEventListener('visibilitychange', onVisibility)
    onVisibility()
  }
  return () => {
    document.removeEventListener('visibilitychange', onVisibility)
    clearTimeout(hiding)
    clearTimeout(timer)
    source?.close()
    source = undefined
  }
}

/** A browser tells nobody what a feed is refused with: it is asked for as any other file is. */
async function refusalOf(address: string): Promise<Pick<Lost, 'status' | 'why'>> {
  const asking = new AbortController()
  const timer = setTimeout(() => asking.abort(), answerMs)
  try {
    const answer = await fetch(address, { cache: 'no-store', signal: asking.signal })
    const { ok, status, headers } = answer
    if (ok) return { why: '' }
    const isText = headers.get('content-type')?.startsWith('text/plain') === true
    return { status, why: isText ? (await answer.text()).trim().slice(0, longestWhy) : `The answer was ${status}.` }
  } catch {
    // That nobody answers is known.
    return { why: '' }
  } finally {
    clearTimeout(timer)
    asking.abort()
  }
}
