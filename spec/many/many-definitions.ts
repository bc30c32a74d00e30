/** What the servers of `many-processes.spec.ts` answer. The payload names the one that does not. */

import { single } from '../../lib/index.ts'

export const ask = single<string, string>('ask', { idempotent: true })
export const askOnce = single<string, string>('ask-once')
