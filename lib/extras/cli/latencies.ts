/** How long calls took, in buckets that grow by 2 %: some KiB for any number of calls, and quantiles right to 1 %. */

const growth = Math.log(1.02)
/** In µs. */
const least = 1
const buckets = 1200

export class Latencies {
  count = 0
  maxMs = 0
  readonly #counts = new Float64Array(buckets)

  add(tookMs: number): void {
    this.count++
    this.maxMs = Math.max(this.maxMs, tookMs)
    const bucket = Math.ceil(Math.log(Math.max(least, tookMs * 1000)) / growth)
    const at = Math.min(buckets - 1, bucket)
    this.#counts[at] = (this.#counts[at] ?? 0) + 1
  }

  /** In ms, of 0 < `share` <= 1; 0 where there was no call. */
  quantile(share: number): number {
    let left = Math.ceil(this.count * share)
    if (left === 0) return 0
    for (let bucket = 0; bucket < buckets; bucket++) {
      left -= this.#counts[bucket] ?? 0
      // The middle of the bucket.
      if (left <= 0) return Math.min(this.maxMs, Math.exp((bucket - 0.5) * growth) / 1000)
    }
    return this.maxMs
  }
}
