/** Things of known cost, which show that the rulers are right: a spec compares them with what they must be. */

import { type Piece, piece, repeated } from '../../harness/pieces/piece.ts'

function ignore(): void {}

/** Not an object literal: without its optimiser V8 keeps notes beside those. */
class Ten {
  a = 1
  b = 1
  c = 1
  d = 1
  e = 1
  f = 1
  g = 1
  h = 1
  i = 1
  j = 1
}

export const rulers: readonly Piece[] = [
  piece('ruler-object', 'make an object of 104 B: a header of three words and ten properties', () =>
    repeated(() => new Ten())
  ),
  piece('ruler-promise', 'make a promise', () => repeated(() => new Promise(ignore))),
  piece('ruler-buffer', 'make a buffer of 512 B outside of the heap', () => repeated(() => new ArrayBuffer(512)))
]
