/** Where in the user's code something was made: the frames of a stack that are neither ours nor of Node. */

import { fileURLToPath } from 'node:url'

/** A stack, whose text is made when it is asked for. */
export interface Place {
  /** `\n    at ...`, empty where no frame is the user's. */
  readonly text: string
}

/** Of `lib/`, or of `dist/`. */
const own = fileURLToPath(new URL('../..', import.meta.url))
/** Between the user and us there may be much of ours. */
const maxFrames = 50
const shownFrames = 3

export function placeNow(): Place {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = maxFrames
  const error = new Error()
  Error.stackTraceLimit = stackTraceLimit
  return {
    get text() {
      return toText(error.stack ?? '')
    }
  }
}

function toText(stack: string): string {
  const frames = stack.split('\n').filter((frame) => /^\s+at /.test(frame))
  const users = frames.filter((frame) => !isOurs(frame) && !/\bnode:|\(<anonymous>\)|\(native\)/.test(frame))
  return users
    .slice(0, shownFrames)
    .map((frame) => `\n    ${frame.trim()}`)
    .join('')
}

function isOurs(frame: string): boolean {
  return frame.includes(own) || frame.includes(`${new URL('../..', import.meta.url)}`)
}
