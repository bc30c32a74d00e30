/**
 * A NestJS app with controllers of all kinds, over a grid.
 *
 * Decorators are functions, which are called here: the sources of the specs are run by what takes their types away only.
 */

import 'reflect-metadata'
import { Catch, Controller, type Type, UseFilters, UseGuards, UseInterceptors } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { Ctx, EventPattern, MessagePattern, Payload, RpcException, Transport } from '@nestjs/microservices'
import type { Manager } from 'it-grid'
import { type GridContext, GridServer, type GridServerOptions, gridTransport } from 'it-grid/nestjs'
import { concat, EMPTY, finalize, interval, map, NEVER, type Observable, of, range, throwError } from 'rxjs'

/** What happened in the app, in order. */
export const happened: string[] = []

class Sums {
  sum(numbers: readonly number[]): number {
    return numbers.reduce((sum, number) => sum + number, 0)
  }

  async later(data: unknown): Promise<unknown> {
    return data
  }

  nothing(): void {}

  who(_data: unknown, context: GridContext): unknown {
    const { host, deadline } = context.call
    return { host, deadline, pattern: context.getPattern(), metadata: context.getMetadata() }
  }

  /** Does not answer by itself. */
  hang(_data: unknown, { call, draining }: GridContext): Promise<string> {
    happened.push('hangs')
    call.signal.addEventListener('abort', () => happened.push(`aborted: ${call.signal.reason.code}`))
    return new Promise((resolve) => draining.addEventListener('abort', () => resolve('it drained')))
  }
}

class Feeds {
  count(to: number): Observable<number> {
    return range(0, to)
  }

  /** Never completes by itself. */
  ticks(name: string): Observable<string> {
    return concat(of(`${name} begins`), interval(1).pipe(map((n) => `${name} ${n}`))).pipe(
      finalize(() => happened.push(`${name} unsubscribed`))
    )
  }

  silence(name: string): Observable<never> {
    happened.push(`${name} is silent`)
    return NEVER.pipe(finalize(() => happened.push(`${name} unsubscribed`)))
  }

  empty(): Observable<never> {
    return EMPTY
  }

  breaks(): Observable<number> {
    return concat(
      of(1, 2),
      throwError(() => new RpcException({ code: 'BROKEN', at: 3 }))
    )
  }

  async *generated(to: number): AsyncGenerator<number> {
    try {
      for (let at = 0; at < to; at++) {
        happened.push(`made ${at}`)
        yield at
      }
    } finally {
      happened.push('generator ended')
    }
  }

  doubled(to: number): Observable<number> {
    return range(0, to)
  }

  doubledGenerated(to: number): AsyncGenerator<number> {
    return this.generated(to)
  }
}

class Failures {
  rpc(): never {
    throw new RpcException('no such account')
  }

  rpcObject(): never {
    throw new RpcException({ code: 'NO_ACCOUNT', account: 8 })
  }

  mistake(): never {
    throw new Error('a secret of the server')
  }

  filtered(): never {
    throw new RangeError('too far')
  }

  forbidden(): string {
    return 'never'
  }

  large(): never {
    throw new RpcException({ text: 'x'.repeat(100_000), message: 'a large one' })
  }
}

class Events {
  async created(data: string): Promise<void> {
    happened.push(`created ${data}`)
  }

  alsoCreated(data: string, context: GridContext): Observable<string> {
    return of(data).pipe(finalize(() => happened.push(`also created ${data}, of ${context.getPattern()}`)))
  }

  fails(): never {
    throw new RpcException('an event handler')
  }

  async slow(_data: string, { draining }: GridContext): Promise<void> {
    happened.push('slow event begins')
    await new Promise((resolve) => draining.addEventListener('abort', resolve))
    happened.push('slow event ends')
  }

  overTcp(): string {
    return 'over TCP'
  }

  asked(data: string): string {
    return `asked ${data}`
  }

  told(data: string): void {
    happened.push(`told ${data}`)
  }
}

class RangeFilter {
  catch(error: RangeError): Observable<never> {
    return throwError(() => ({ filtered: error.message }))
  }
}

class Nobody {
  canActivate(): boolean {
    return false
  }
}

class Doubling {
  intercept(_context: unknown, next: { handle(): Observable<unknown> }): Observable<unknown> {
    return next.handle().pipe(map((value) => (typeof value === 'number' ? 2 * value : value)))
  }
}

/** `@decorator method(@Payload() data, @Ctx() context)`. */
function on<T>(
  type: Type<T>,
  method: keyof T & string,
  ...decorators: readonly ((target: object, key: string, descriptor: never) => void)[]
): void {
  const descriptor = Object.getOwnPropertyDescriptor(type.prototype, method) as PropertyDescriptor
  for (const decorator of decorators) decorator(type.prototype, method, descriptor as never)
  Payload()(type.prototype, method, 0)
  Ctx()(type.prototype, method, 1)
}

on(Sums, 'sum', MessagePattern({ cmd: 'sum', version: 1 }))
on(Sums, 'later', MessagePattern('later'))
on(Sums, 'nothing', MessagePattern('nothing'))
on(Sums, 'who', MessagePattern('who'))
on(Sums, 'hang', MessagePattern('hang'))
on(Feeds, 'count', MessagePattern('count'))
on(Feeds, 'ticks', MessagePattern('ticks'))
on(Feeds, 'silence', MessagePattern('silence'))
on(Feeds, 'empty', MessagePattern('empty'))
on(Feeds, 'breaks', MessagePattern('breaks'))
on(Feeds, 'generated', MessagePattern('generated'))
on(Failures, 'rpc', MessagePattern('rpc'))
on(Failures, 'rpcObject', MessagePattern('rpc-object'))
on(Failures, 'mistake', MessagePattern('mistake'))
on(Failures, 'filtered', MessagePattern('filtered'), UseFilters(RangeFilter))
on(Failures, 'forbidden', MessagePattern('forbidden'), UseGuards(Nobody))
on(Failures, 'large', MessagePattern('large'))
on(Events, 'created', EventPattern('created'))
on(Events, 'alsoCreated', EventPattern('created'))
on(Events, 'fails', EventPattern('fails'))
on(Events, 'slow', EventPattern('slow'))
on(Events, 'overTcp', MessagePattern('over-tcp', Transport.TCP))

on(Feeds, 'doubled', MessagePattern('doubled', gridTransport), UseInterceptors(Doubling))
on(Feeds, 'doubledGenerated', MessagePattern('doubled-generated'), UseInterceptors(Doubling))
on(Events, 'asked', MessagePattern('both'))
on(Events, 'told', EventPattern('both'))

Catch(RangeError)(RangeFilter)
for (const type of [Sums, Feeds, Failures, Events]) Controller()(type)

class AppModule {}

/** Starts it; `close` ends the app, and not the grid. */
export async function startApp(
  grid: Manager,
  options: GridServerOptions = {},
  controllers: Type[] = [Sums, Feeds, Failures, Events]
) {
  const strategy = new GridServer(grid, options)
  const app = await NestFactory.createMicroservice({ module: AppModule, controllers }, { strategy, logger: false })
  await app.listen()
  return app
}
