/** How fluent a page is while it scrolls. */

import type { Page } from 'playwright-core'

export interface Frames {
  readonly frames: number
  /** The longest task of the main thread in that time, in ms; 0 where none took 50 ms. */
  readonly longest: number
}

/** Scrolls at each frame for so long. */
export function framesOf(page: Page, forMs: number): Promise<Frames> {
  return page.evaluate(async (lengthMs) => {
    interface Observer {
      observe(options: { readonly type: string }): void
      disconnect(): void
    }
    interface Window {
      requestAnimationFrame(fn: (ms: number) => void): void
      performance: { now(): number }
      scrollTo(x: number, y: number): void
      PerformanceObserver: new (fn: (list: { getEntries(): { duration: number }[] }) => void) => Observer
    }
    const {
      requestAnimationFrame: next,
      performance: clock,
      scrollTo,
      PerformanceObserver
    } = globalThis as unknown as Window
    let longest = 0
    const observer = new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) longest = Math.max(longest, duration)
    })
    observer.observe({ type: 'longtask' })
    const startedMs = clock.now()
    let frames = 0
    await new Promise<void>((resolve) => {
      const frame = () => {
        frames++
        scrollTo(0, (frames * 20) % 5000)
        if (clock.now() - startedMs < lengthMs) next(frame)
        else resolve()
      }
      next(frame)
    })
    observer.disconnect()
    return { frames, longest }
  }, forMs)
}
