/** Calls user code whose failure cannot be handled in any way. */

/** Calls `work`, and ignores its error or the rejection of its promise. */
export function quietly(work: () => unknown): void {
  const run = async (): Promise<unknown> => await work()
  run().catch(() => undefined)
}
