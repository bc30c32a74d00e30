/**
 * A feed of the server, which is asked for again whenever it ends, is refused, or falls silent though nobody says that it has gone,
 * as after a sleep of the machine. Knows nothing of what is told.
 */

const againMs = 2000
/** The server tells each second. */
export const silentMs = 10_000
/** A slow line may take so long for the first word, which has all; the server waits for no page longer. */
const firstWordMs = 60_000
const longestWhy = 200

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

/** @param patienceMs the longest silence between two words */
export function follow(address: string, { onOpen, onNews, onLost }: Following, patienceMs = silentMs): () => void {
  let source: EventSource | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
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
    expectIn(silentMs)
    own.onopen = () => {
      expectIn(firstWordMs)
      onOpen?.()
    }
    own.onmessage = ({ data }) => {
      expectIn(patienceMs)
      onNews(data)
    }
    own.onerror = async () => {
      // Otherwise the browser asks again.
      const isRefused = own.readyState === EventSource.CLOSED
      if (isRefused) openIn(againMs)
      const refusal = isRefused ? await refusalOf(address) : { why: '' }
      if (source === own) onLost?.({ ...refusal, triesInMs: againMs })
    }
  }
  open()
  return () => {
    clearTimeout(timer)
    source?.close()
    source = undefined
  }
}

/** A browser tells nobody what a feed is refused with: it is asked for as any other file is. */
async function refusalOf(address: string): Promise<Pick<Lost, 'status' | 'why'>> {
  const asking = new AbortController()
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
    asking.abort()
  }
}
