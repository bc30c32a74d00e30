/** Calls `run` in each round of the event loop, until what this returns is called. */
export function eachRound(run: () => void): () => void {
  const goRound = (): void => {
    immediate = setImmediate(goRound)
    run()
  }
  let immediate = setImmediate(goRound)
  return () => clearImmediate(immediate)
}
