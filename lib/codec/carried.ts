/**
 * Which types msgpack cannot carry: functions, and whatever has methods, such as a Map, a Set, a Promise or a stream; errors;
 * symbols. Types only, and no more than types can tell: a class that is data is sent as what it holds.
 *
 * The rules at run time are in `plain.ts`.
 */

/** What of `T`, or within it, would not arrive as what it is; `never` where all does. Looks a few levels deep. */
export type Lost<T, Depth extends readonly unknown[] = Levels> = Depth extends readonly [unknown, ...infer Deeper]
  ? IsAny<T> extends true
    ? never
    : T extends Scalar | Uint8Array | Date
      ? never
      : T extends Method | symbol
        ? T
        : T extends readonly unknown[]
          ? Lost<T[number], Deeper>
          : T extends object
            ? LostOfObject<T, Deeper>
            : never
  : never

/** Whether msgpack cannot carry `T`. Ask `true extends IsLost<T>`: where `T` is still a parameter, that takes both branches. */
export type IsLost<T> = [Lost<T>] extends [never] ? false : true

/** The arguments of a function that needs a codec, since msgpack would lose a part of a value. An array of one. */
export interface CodecNeededFor<_Lost, Options> extends ReadonlyArray<Options> {
  readonly 0: Options
}

/** One with a method is lost as a whole. An error has none, but its text and its stack are no data. */
type LostOfObject<T extends object, Depth extends readonly unknown[]> = T extends Error
  ? 'stack' extends keyof T
    ? T
    : LostOfMembers<T, Depth>
  : LostOfMembers<T, Depth>

type LostOfMembers<T extends object, Depth extends readonly unknown[]> = {
  [Name in keyof T]-?: IsAny<T[Name]> extends true
    ? never
    : Extract<T[Name], Method> extends never
      ? Name extends symbol
        ? never
        : Lost<T[Name], Depth>
      : T
}[keyof T]

type IsAny<T> = 0 extends 1 & T ? true : false
type Scalar = string | number | bigint | boolean | null | undefined | void
type Method = ((...args: never) => unknown) | (abstract new (...args: never) => unknown)
type Levels = [1, 2, 3, 4, 5]
