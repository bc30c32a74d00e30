/** A feed of one detail of the page, for as long as it is shown. */

import { useEffect, useRef, useState } from 'preact/hooks'
import { againMs } from './store.ts'

function follow<T>(address: string, onNews: (news: T) => void): () => void {
  let source: EventSource | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  const open = () => {
    source = new EventSource(address)
    source.onmessage = ({ data }) => onNews(JSON.parse(data))
    source.onerror = () => {
      if (source?.readyState === EventSource.CLOSED) timer = setTimeout(open, againMs)
    }
  }
  open()
  return () => {
    clearTimeout(timer)
    source?.close()
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
 */
export function useNews<T, S = T>(
  address: string | undefined,
  isStill: boolean,
  fold: (before: S | undefined, news: T) => S
): S | undefined {
  const [shown, setShown] = useState<Known<S>>()
  const known = useRef<Known<S>>(undefined)
  const still = useRef(isStill)
  still.current = isStill
  useEffect(() => {
    if (address === undefined) return undefined
    known.current = undefined
    return follow<T>(address, (news) => {
      const isFirst = known.current === undefined
      known.current = { address, value: fold(known.current?.value, news) }
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
