/** One JSON value a line, from chunks that are cut anywhere. Holds one line, and that is bounded. */

/** A line is a single change. */
const maxLineBytes = 4 * 1024 * 1024
const lineFeed = 0x0a

/** @throws {Error} when a line is too long, or not JSON, or the last one has no end */
export async function* readJsonLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<unknown> {
  let parts: Buffer[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    let from = 0
    for (let end = chunk.indexOf(lineFeed); end !== -1; end = chunk.indexOf(lineFeed, from)) {
      const line = Buffer.concat([...parts, chunk.subarray(from, end)])
      ;[parts, bytes, from] = [[], 0, end + 1]
      if (line.length > maxLineBytes) break
      const text = line.toString().trim()
      if (text !== '') yield parse(text)
    }
    parts.push(chunk.subarray(from))
    bytes += chunk.length - from
    if (bytes > maxLineBytes) throw new Error(`a line of more than ${maxLineBytes} bytes`)
  }
  if (Buffer.concat(parts).toString().trim() !== '') throw new Error('it was cut in the middle of a line')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Error('a line that is not JSON', { cause })
  }
}
