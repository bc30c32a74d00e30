/** An interceptor that lets only those calls pass that a rule allows. It uses what every interceptor has. */

import { unlessAborted } from '../base/abort.ts'
import { isPromise } from '../base/promise.ts'
import { describeValue } from '../base/text.ts'
import { aFunction, check } from '../errors/check.ts'
import { InvalidOptionError, RejectedError } from '../errors/errors.ts'
import type { HandlerCall } from '../hooks/call-info.ts'
import type { HandlerInterceptor } from '../hooks/interceptor.ts'
import { deniedText } from './refusal-text.ts'

/** A rule that takes longer than its call is told of then. */
const slowMs = 1000

/** The rules that have refused because they failed, by their refusals. */
const failed = new WeakMap<object, string>()

/** The name of the rule that failed, where this is a refusal by that; what it threw is the cause. */
export function failedRuleOf(thrown: unknown): string | undefined {
  return typeof thrown === 'object' && thrown !== null ? failed.get(thrown) : undefined
}

/** Whether something is allowed. `false` refuses it, and so does a throw. A rule that answers without a promise costs none. */
export type Rule<Subject> = (subject: Subject) => boolean | PromiseLike<boolean>

/**
 * For handlers: refuses what the rule does not allow, as a `RejectedError` with the reason `denied`. What the rule throws is
 * not sent: its caller learns no more than that it is denied. It is the `cause` of that error at this server, and unless it is
 * a `RejectedError` with the reason `denied`, it is a mistake of the handler: it is logged and counted. So is an answer that is
 * neither `true` nor `false`, and a rule that has not decided for a second or more when its call ends.
 *
 * @throws {InvalidOptionError} when the rule is no function
 *
 * @example
 *
 * ```ts
 * grid.handle(put, store, { interceptors: [authorize(({ payload, host }) => payload.owner === host)] })
 * ```
 */
export function authorize<Payload = unknown>(allow: Rule<HandlerCall<Payload>>): HandlerInterceptor<Payload> {
  check('the rule of authorize()', allow, aFunction)
  return authorizeBy('the rule of authorize()', allow)
}

/**
 * @param name of the rule, as it is told at this server
 * @param why it refuses, where that is one thing; its callers are told
 */
export function authorizeBy<Payload = unknown>(
  name: string,
  allow: Rule<HandlerCall<Payload>>,
  why = ''
): HandlerInterceptor<Payload> {
  const goOn = <Result>(call: HandlerCall<Payload>, isAllowed: boolean, next: () => Result): Result => {
    if (isAllowed === true) return next()
    if (isAllowed === false) throw createRefusal(call, why)
    // Only `true` is a yes: a rule without types may give anything.
    throw createRefusal(call, '', { cause: createWrongAnswerError(name, isAllowed) })
  }
  const ask = (call: HandlerCall<Payload>): boolean | Promise<boolean> => {
    try {
      const answer = allow(call)
      return isPromise(answer) ? answered(name, call, answer) : answer
    } catch (cause) {
      throw createFailure(name, call, cause)
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

/** No longer than the call lasts: one that nobody waits for must not count as running for as long as its rule likes. */
async function answered(name: string, call: HandlerCall, answer: PromiseLike<boolean>): Promise<boolean> {
  const { signal } = call
  const askedMs = performance.now()
  try {
    return await unlessAborted(answer, signal)
  } catch (cause) {
    const waitedMs = performance.now() - askedMs
    if (!signal.aborted) throw createFailure(name, call, cause)
    throw createRefusal(call, '', { cause: waitedMs >= slowMs ? createSlowError(name, waitedMs, cause) : cause })
  }
}

/** Its caller sees only that the call has ended: this server tells of it as of a mistake of the handler. */
function createSlowError(name: string, waitedMs: number, cause: unknown): InvalidOptionError {
  return new InvalidOptionError(`${name} had not decided after ${Math.floor(waitedMs)} ms, when the call ended`, {
    cause
  })
}

/** A rule says no by `false` or by such an error of its own. By any other error it has not decided, and nobody else hears of that. */
function createFailure(name: string, call: HandlerCall, cause: unknown): RejectedError {
  const refusal = createRefusal(call, '', { cause })
  if (!(RejectedError.is(cause) && cause.reason === 'denied')) failed.set(refusal, name)
  return refusal
}

function createWrongAnswerError(name: string, answer: unknown): InvalidOptionError {
  return new InvalidOptionError(`${name} must answer true or false; its answer is ${describeValue(answer)}`)
}

/** @param options what the rule threw: that is for this server, and is not sent */
function createRefusal({ host }: HandlerCall, why: string, options?: { readonly cause: unknown }): RejectedError {
  return new RejectedError('denied', `${deniedText} of ${host}${why && `: ${why}`}`, options)
}

async function* later(open: () => Promise<AsyncIterable<unknown>>): AsyncGenerator<unknown> {
  yield* await open()
}
