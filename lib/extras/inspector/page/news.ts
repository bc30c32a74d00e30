/** A feed of one detail of the page, for as long as it is shown. */

import { useEffect, useRef, useState } from 'preact/hooks'
import { type Followed, follow } from './follow.ts'
import { allAgain } from './store.ts'

/** What was large is told rarely; whether the server is heard at all is seen by the feed of the page. */
const silentMs = 60_000

/** Why the detail that is shown is not told, as the server says; empty where it says nothing. */
export const refused = { why: '' }

function followDetail(
  address: string,
  whileHidden: Followed['whileHidden'],
  onNews: (news: string) => void
): () => void {
  const start = () =>
    follow(
      address,
      {
        onOpen: () => {
          refused.why = ''
        },
        onNews,
        onLost: ({ why }) => {
          refused.why = why
        }
      },
      { patienceMs: silentMs, whileHidden }
    )
  let stop = start()
  const again = () => {
    stop()
    stop = start()
  }
  addEventListener(allAgain, again)
  return () => {
    removeEventListener(allAgain, again)
    stop()
    refused.why = ''
  }
}

interface Known<S> {
  readonly address: string
  readonly value: S
}

/**
 * What has been told. While it stands still nothing of it changes, and its feed goes on: all comes at once afterwards.
 *
 * @param address none once it is stopped: what was told stays
 * @param fold what is known with what is told
 * @param whileHidden what it tells is known from then on, or all of it is
 */
export function useNews<T, S = T>(
  address: string | undefined,
  isStill: boolean,
  fold: (before: S | undefined, news: T) => S,
  whileHidden: 'stays' | 'rests' = 'rests'
): S | undefined {
  const [shown, setShown] = useState<Known<S>>()
  const known = useRef<Known<S>>(undefined)
  const still = useRef(isStill)
  still.current = isStill
  useEffect(() => {
    if (address === undefined) return undefined
    known.current = undefined
    return followDetail(address, whileHidden, (news) => {
      const isFirst = known.current === undefined
      known.current = { address, value: fold(known.current?.value, JSON.parse(news) as T) }
      // Of what is not shown yet nothing stands.
      if (isFirst || !still.current) setShown(known.current)
    })
  }, [address])
  useEffect(() => {
    if (!isStill && known.current !== undefined) setShown(known.current)
  }, [isStill])
  return address === undefined || shown?.address === address ? shown?.value : undefined
}

/** For what is told whole each time. */
export function newest<T>(_: T | undefined, news: T): T {
  return news
}
