/** That something failed, and with which reason. Types only. */

/** Any value can be thrown, even `undefined`: so the reason alone does not show whether there is a failure. */
export interface Failure {
  readonly reason: unknown
}
