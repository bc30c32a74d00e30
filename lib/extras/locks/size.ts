/** What the table takes in memory, in bytes: from above, measured on V8 of 64 bits. `spec/locks/operate.spec.ts` measures it again. */

import type { LockArgs } from './definitions.ts'

/** With its maps, sets and numbers, without its texts. */
const perLockBytes = 1000
const perResourceBytes = 420

/** Two bytes a character, though most texts need one. */
export function textBytes(text: string): number {
  return 32 + 2 * text.length
}

/** Of a lock that is held, or of a wait for one. */
export function lockBytes({ uid, resources, owner, source, waiting }: LockArgs): number {
  const texts = textBytes(uid) + textBytes(owner) + textBytes(source) + textBytes(waiting?.id ?? '')
  return resources.reduce((sum, name) => sum + perResourceBytes + textBytes(name), perLockBytes + texts)
}
