/** An interceptor that lets only those calls pass that a rule allows. It uses what every interceptor has. */

import { RejectedError } from '../base/errors.ts'
import { isPromise } from '../base/promise.ts'
import type { HandlerCall } from './call-info.ts'
import type { HandlerInterceptor } from './interceptor.ts'

/** Whether something is allowed. `false` refuses it, and so does a throw. A rule that answers without a promise costs none. */
export type Rule<Subject> = (subject: Subject) => boolean | PromiseLike<boolean>

/**
 * For handlers: refuses what the rule does not allow, as a `RejectedError` with the reason `denied`. What the rule throws is
 * not sent: its caller learns no more than that it is denied.
 *
 * @example
 *
 * ```ts
 * grid.handle(put, store, { interceptors: [authorize(({ payload, host }) => payload.owner === host)] })
 * ```
 */
export function authorize<Payload = unknown>(allow: Rule<HandlerCall<Payload>>): HandlerInterceptor<Payload> {
  const ask = (call: HandlerCall<Payload>): boolean | Promise<boolean> => {
    try {
      const answer = allow(call)
      return isPromise(answer) ? answered(answer) : answer
    } catch {
      // What it threw is for this server, which denies the call.
      return false
    }
  }
  return {
    single(call, next) {
      const answer = ask(call)
      if (!isPromise(answer)) return goOn(call, answer, next)
      return answer.then((isAllowed) => goOn(call, isAllowed, next))
    },
    streaming(call, next) {
      const answer = ask(call)
      if (!isPromise(answer)) return goOn(call, answer, next)
      return later(async () => goOn(call, await answer, next))
    }
  }
}

async function answered(answer: PromiseLike<boolean>): Promise<boolean> {
  try {
    return await answer
  } catch {
    // As one that throws.
    return false
  }
}

/** Only `true` is a yes: a rule without types may give anything. */
function goOn<Result>({ host }: HandlerCall, isAllowed: boolean, next: () => Result): Result {
  if (isAllowed !== true) throw new RejectedError('denied', `a rule does not allow this call of ${host}`)
  return next()
}

async function* later(open: () => Promise<AsyncIterable<unknown>>): AsyncGenerator<unknown> {
  yield* await open()
}
