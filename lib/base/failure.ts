/** The fact that something failed, apart from what it failed with. Types only. */

/** Any value can be thrown, `undefined` too: so the reason alone does not say whether there is a failure. */
export interface Failure {
  readonly reason: unknown
}
