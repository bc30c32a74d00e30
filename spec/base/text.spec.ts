/** Texts that are printed or sent: cut at a character, and on one line. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { describeValue, encodeText, errorText, printable } from '../../lib/base/text.ts'

describe('printable', () => {
  it('makes a space of each control character, and leaves everything else', () => {
    assert.equal(printable('a\r\nb\u0000c\u009f \u001b[31m ü  d'), 'a  b c   [31m ü  d')
  })

  it('gives no more characters than asked for', () => {
    assert.equal(printable('abc\n', 3), 'abc')
    assert.equal(printable('a\n\nbc', 3), 'a  ')
    assert.equal(printable('abc', 3), 'abc')
  })
})

describe('encodeText', () => {
  it('gives the text in UTF-8, whole where it fits', () => {
    for (const text of ['', 'abc', 'aü€😀']) {
      const bytes = Buffer.from(text)
      assert.deepEqual(encodeText(text, bytes.length), bytes)
    }
  })

  it('cuts before a character that does not fit, however long it is', () => {
    const text = 'aü€😀b'
    const starts = [0, 1, 3, 6, 10, 11]
    for (let max = 0; max <= 11; max++) {
      const end = starts.findLast((start) => start <= max)
      assert.deepEqual(encodeText(text, max), Buffer.from(text).subarray(0, end), `${max} bytes`)
    }
  })
})

describe('errorText', () => {
  it('is the message of an error, else the thing itself, cut with an ellipsis', () => {
    assert.equal(errorText(new Error('broken')), 'broken')
    assert.equal(errorText(undefined), 'undefined')
    assert.equal(errorText('abcdef', 3), 'abc…')
    assert.equal(errorText('abc', 3), 'abc')
  })

  it('does not throw, whatever the thrown thing does', () => {
    const hostile = {
      get message(): string {
        throw new Error('getter')
      }
    }
    assert.equal(errorText(hostile), 'an error without a readable message')
    assert.equal(errorText(Object.create(null)), 'an error without a readable message')
  })
})

describe('describeValue', () => {
  it('shows a number, also in quotes, and of all else only its kind', () => {
    assert.deepEqual(
      [5, 5n, '5000', '1.5 s', 'hunter2', [], null, new Date(0), Object.create(null)].map(describeValue),
      ['5', '5n', 'the string "5000"', 'the string "1.5 s"', 'a string', 'an array', 'null', 'a Date', 'an object']
    )
  })

  it('shows no digits that may be a secret, and no number of any length', () => {
    assert.equal(describeValue('1234567890123456'), 'a string')
    assert.equal(describeValue(2n ** 64n), '18446744073709551616n')
    for (const large of [10n ** 5000n, -(10n ** 5000n)]) assert.equal(describeValue(large), 'a larger bigint')
  })
})
