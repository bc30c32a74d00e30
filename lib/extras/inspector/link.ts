/** What has become of one connection while somebody looks, as one of its servers tells: its losses, and its usual round trip. */

import type { ConnectionStats, GridEvent } from '../../index.ts'

const recentMs = 5 * 60_000
const mostKept = 8
/** Fewer round trips have no usual one. */
const fewRtts = 5
/** A round trip is long from so many times its usual on, and from so many ms on: twice in a row, as one alone says nothing. */
const long = { times: 3, ms: 5 } as const
const longRow = 2
/** How far one round trip moves the usual one, at last: so one that stays long is usual after some minutes. */
const leastStep = 0.02

export class Link {
  /** Since when it is not connected, by the clock of the server that tells. */
  lostAt: number | undefined
  /** The median of its round trips, about. */
  usualRttMs: number | undefined
  #rttMs: number | undefined
  #rtts = 0
  #longs = 0
  /** When it was connected, of late. */
  #connectedAt: number[] = []

  take({ state, since, downSince, lastSeenAt, session }: ConnectionStats): void {
    // Older servers do not tell it.
    this.#takeLoss(state, downSince ?? this.lostAt ?? lastSeenAt ?? since)
    const { rttMs } = session ?? {}
    if (rttMs !== undefined && rttMs !== this.#rttMs) this.#takeRtt(rttMs)
  }

  /** @param isNews whether it is newer than the figures that were taken */
  takeEvent(event: GridEvent, isNews: boolean): void {
    if (event.type === 'rtt') this.#takeJump(event.previousMs)
    if (event.type !== 'state') return
    if (isNews) this.#takeLoss(event.state, this.lostAt ?? event.at)
    if (event.state === 'connected') this.#connectedAt = [...this.#connectedAt, event.at].slice(-mostKept)
  }

  get isLong(): boolean {
    return this.#longs >= longRow
  }

  /** How often it was made again in the last minutes. The first time is none of them. */
  reconnects(now: number, inAll: number): number {
    return Math.min(inAll, this.#connectedAt.filter((at) => now - at < recentMs).length)
  }

  /** Its state changes with each dial; what counts is since when there is no connection. */
  #takeLoss(state: ConnectionStats['state'], at: number): void {
    this.lostAt = state === 'connected' ? undefined : at
  }

  /** What was usual before anybody looked. */
  #takeJump(previousMs: number): void {
    if (this.#rtts >= fewRtts) return
    this.usualRttMs = previousMs
    this.#rtts = fewRtts
  }

  #takeRtt(rttMs: number): void {
    this.#rttMs = rttMs
    const usual = this.usualRttMs ?? rttMs
    const isLong = this.#rtts >= fewRtts && rttMs >= long.times * usual && rttMs >= long.ms
    this.#longs = isLong ? this.#longs + 1 : 0
    this.#rtts++
    const step = 1 + Math.max(leastStep, 1 / (this.#rtts + 1))
    this.usualRttMs = rttMs > usual ? Math.min(rttMs, usual * step) : Math.max(rttMs, usual / step)
  }
}
