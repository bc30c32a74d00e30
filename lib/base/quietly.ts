/** Code of the user that is called where no one could do anything about its failure. */

/** Calls `work`; drops what it throws, and what a promise that it returns rejects with. */
export function quietly(work: () => unknown): void {
  const run = async (): Promise<unknown> => await work()
  run().catch(() => undefined)
}
