// benchmarks/harness/callers.ts
async function atOnce(callers, caller) {
  await Promise.all(Array.from({ length: callers }, (_, index) => caller(index)));
}
function times(count) {
  let left = count;
  return () => left-- > 0;
}

// benchmarks/harness/pieces/piece.ts
function piece(name, operation, prepare) {
  return { name, operation, prepare };
}
var kept = { value: void 0 };
function keep(value) {
  kept.value = value;
}
function repeated(operate) {
  return (count) => {
    for (let i = 0; i < count; i++) keep(operate(i));
  };
}

// benchmarks/micro/pieces/codecs.ts
import { Packr, Unpackr } from "msgpackr";
var struct = {
  volume: "disk-3",
  path: "bucket/object-17/part.1",
  owner: "node-7",
  ttlMs: 3e4,
  shared: true
};
var packr = new Packr({ useRecords: false, variableMapSize: true });
var unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });
var bare = "the same by msgpackr, without our checks";
var codecs = [
  piece("msgpack-encode", "encode a struct of five properties", async (library) => {
    const { encodeMsgpack } = await library("codec/msgpack");
    return repeated(() => encodeMsgpack(struct));
  }),
  piece("msgpack-encode-bare", bare, () => repeated(() => packr.pack(struct))),
  piece("msgpack-decode", "decode it", async (library) => {
    const { decodeMsgpack, encodeMsgpack } = await library("codec/msgpack");
    const encoded = encodeMsgpack(struct);
    return repeated(() => decodeMsgpack(encoded));
  }),
  piece("msgpack-decode-bare", bare, () => {
    const encoded = packr.pack(struct);
    return repeated(() => unpackr.unpack(encoded));
  }),
  piece("typed-codec", "encode and decode the struct by the codec of a definition", async (library) => {
    const { single } = await library("index");
    const { request } = single("lock");
    return repeated(() => request.decode(request.encode(struct)));
  })
];

// benchmarks/micro/pieces/halves.ts
var payload = new Uint8Array(64);
var capacity = 64;
var windowBytes = 256 * 1024;
function producersOf(message) {
  return {
    *plain(count) {
      for (let i = 0; i < count; i++) yield message;
    },
    async *awaited(count) {
      for (let i = 0; i < count; i++) yield message;
    }
  };
}
function itself(value) {
  return value;
}
async function sinkOf(library, produce) {
  const [{ Sink }, { SendWindow }] = [await library("stream/sink"), await library("stream/window")];
  return (count) => new Promise((sendEnd, reject) => {
    const window = new SendWindow(capacity, windowBytes);
    const sendMessage = (message) => {
      keep(message);
      window.add(1, message.length);
    };
    const sink = new Sink({ canTake: true, sendMessage, sendEnd }, window, { encode: itself, onFailed: reject });
    sink.attach(produce(count));
  });
}
async function sourceOf(library, ahead) {
  const [{ Source }, { bytes }] = [await library("stream/source"), await library("index")];
  const source = new Source(bytes(), { onReaderStopped: keep, onUndecodable: keep });
  source.bind({ messagesTaken: keep });
  if (ahead === 0) {
    return async (count) => {
      for (let i = 0; i < count; i++) {
        const next = source.next();
        source.onMessage(payload, false);
        keep(await next);
      }
    };
  }
  return async (count) => {
    for (let done = 0; done < count; done += ahead) {
      for (let i = 0; i < ahead; i++) source.onMessage(payload, false);
      for (let i = 0; i < ahead; i++) keep(await source.next());
    }
  };
}
var { plain, awaited } = producersOf(payload);
var halves = [
  piece("sink-plain", "pull a value of a plain generator into the slot", (library) => sinkOf(library, plain)),
  piece("sink-async", "pull a value of an async generator into the slot", (library) => sinkOf(library, awaited)),
  piece("source-waiting", "hand a message to a consumer that waits for it", (library) => sourceOf(library, 0)),
  piece(
    "source-ahead",
    "queue a message and let the consumer take it, 32 at a time",
    (library) => sourceOf(library, 32)
  )
];

// benchmarks/micro/pieces/calls.ts
var payload2 = new Uint8Array(512).fill(7);
var { plain: plain2, awaited: awaited2 } = producersOf(payload2);
async function pair(library, serve, checksum = false) {
  const { dialerOf, insecure, Manager, memoryPair, silentLogger } = await library("index");
  const names = ["http://a:1", "http://b:1"];
  const [dialing, accepting] = dialerOf(names[0], names[1]) === names[0] ? names : names.reverse();
  const common = { hosts: names, auth: insecure(), logger: silentLogger, checksum };
  const responder = new Manager({ ...common, local: accepting });
  serve(responder);
  const caller = new Manager({
    ...common,
    local: dialing,
    dialer: async () => {
      const [ours, theirs] = memoryPair();
      responder.incomingConn(theirs);
      return ours;
    }
  });
  const peer = caller.connection(responder.local);
  await peer.waitForConnect();
  return peer;
}
function checkBytes(answer) {
  if (answer.length !== payload2.length || answer[511] !== 7) throw new Error("an answer differs from its request");
}
async function inParallel(count, callers, call) {
  const goesOn = times(count);
  await atOnce(callers, async () => {
    while (goesOn()) await call();
  });
}
async function takeAll(stream, count) {
  let received = 0;
  for await (const message of stream) {
    checkBytes(message);
    received++;
  }
  if (received !== count) throw new Error(`${received} messages arrived in place of ${count}`);
}
async function bytesRequests(library, callers, checksum = false) {
  const peer = await pair(library, (responder) => responder.handle("echo", async (bytes) => bytes), checksum);
  const call = async () => checkBytes(await peer.request("echo", payload2));
  return (count) => inParallel(count, callers, call);
}
async function structRequests(library, callers) {
  const { single } = await library("index");
  const lock = single("lock");
  const peer = await pair(
    library,
    (responder) => responder.handle(lock, async ({ shared, ttlMs }) => ({ granted: shared, ttlMs }))
  );
  const call = async () => {
    if ((await peer.request(lock, struct)).ttlMs !== struct.ttlMs) throw new Error("an answer differs");
  };
  return (count) => inParallel(count, callers, call);
}
async function downloads(library, respond) {
  const { bytes, streaming } = await library("index");
  const download = streaming("download", { inCapacity: 0, response: bytes() });
  const peer = await pair(library, (responder) => responder.handle(download, respond));
  return (count) => takeAll(peer.newStream(download, count), count);
}
async function pages(library, length) {
  const { bytes, many, streaming } = await library("index");
  const download = streaming("download", { inCapacity: 0, response: bytes() });
  const page = new Array(length).fill(payload2);
  const peer = await pair(
    library,
    (responder) => responder.handle(download, async function* (count) {
      for (let left = count; left > 0; left -= length) yield many(left < length ? page.slice(0, left) : page);
    })
  );
  return async (count) => {
    let received = 0;
    for await (const messages of peer.newStream(download, count).batches()) {
      for (const message of messages) checkBytes(message);
      received += messages.length;
    }
    if (received !== count) throw new Error(`${received} messages arrived in place of ${count}`);
  };
}
async function echoes(library) {
  const { bytes, streaming } = await library("index");
  const echo = streaming("echo", { request: bytes(), response: bytes() });
  const peer = await pair(library, (responder) => responder.handle(echo, (_none, requests) => requests));
  return async (count) => {
    const stream = peer.newStream(echo);
    const sent = stream.sink(plain2(count));
    await takeAll(stream, count);
    await sent;
  };
}
async function uploads(library, upload) {
  const { bytes, streaming } = await library("index");
  const definition = streaming("upload", { request: bytes(), outCapacity: 0 });
  const peer = await pair(
    library,
    (responder) => responder.handle(definition, (count, requests) => takeAll(requests, count))
  );
  return async (count) => {
    const stream = peer.newStream(definition, count);
    await upload(stream, count);
    stream.requests.end();
    for await (const _ of stream) ;
  };
}
async function send(stream, count) {
  for (let i = 0; i < count; i++) await stream.send(payload2);
}
var generator = "a response of 512 B from an async generator to a `for await`";
var sending = "a request of 512 B by `await stream.send` to a `for await` of the handler";
var calls = [
  piece("request-1", "a request of 512 B echoed, one after the other", (library) => bytesRequests(library, 1)),
  piece("request-64", "a request of 512 B echoed, 64 callers", (library) => bytesRequests(library, 64)),
  piece(
    "request-64-checksum",
    "the same with the checksum of a plaintext conn",
    (library) => bytesRequests(library, 64, true)
  ),
  piece(
    "request-64-struct",
    "a typed request, small structs both ways, 64 callers",
    (library) => structRequests(library, 64)
  ),
  piece("stream-message", generator, (library) => downloads(library, awaited2)),
  piece("stream-message-plain", "the same from a plain generator", (library) => downloads(library, plain2)),
  piece(
    "stream-batches",
    "the same by `yield many` of 64 of them to a `for await` of batches",
    (library) => pages(library, 64)
  ),
  piece("stream-send", sending, (library) => uploads(library, send)),
  piece(
    "stream-sink",
    "the same by `stream.sink` of a plain generator",
    (library) => uploads(library, (stream, count) => stream.sink(plain2(count)))
  ),
  piece("stream-echo", "a message of 512 B there and back on a two-way stream", echoes)
];

// benchmarks/micro/pieces/frames.ts
var batchBytes = 64 * 1024;
var firstId = 100001;
var end = 16;
var timeoutMs = 6e4;
function open(payload4) {
  return (writer, id) => writer.open(end, id, 3, timeoutMs, void 0, payload4, 0, payload4.length);
}
function data(payload4) {
  return (writer, id) => writer.data(end, id, payload4, 0, payload4.length);
}
var kinds = [
  ["open-64", "an open frame with 64 B", open(new Uint8Array(64))],
  ["open-512", "an open frame with 512 B", open(new Uint8Array(512))],
  ["data-64", "a data frame with 64 B", data(new Uint8Array(64))],
  ["data-512", "a data frame with 512 B", data(new Uint8Array(512))],
  ["credit", "a credit frame", (writer, id) => writer.credit(id, 32, 16384)]
];
async function encoder(library, write) {
  const { FrameWriter } = await library("wire/frame-writer");
  const writer = new FrameWriter();
  return (count) => {
    for (let i = 0; i < count; i++) {
      write(writer, firstId + 2 * i);
      if (writer.length >= batchBytes) keep(writer.takeBatch());
    }
  };
}
async function decoder(library, write, taking) {
  const [{ FrameWriter }, { FrameReader }] = [await library("wire/frame-writer"), await library("wire/frame-reader")];
  const writer = new FrameWriter();
  for (let id = firstId; writer.length < batchBytes; id += 2) write(writer, id);
  const batch = writer.takeBatch();
  const reader = new FrameReader();
  return (count) => {
    let sum = 0;
    for (let left = count; left > 0; ) {
      reader.load(batch, false);
      for (; left > 0 && reader.next(); left--) {
        sum = sum + reader.streamId | 0;
        if (taking !== "none") keep(reader[taking]());
      }
    }
    keep(sum);
  };
}
var frames = [
  ...kinds.map(([name, frame, write]) => {
    return piece(`encode-${name}`, `write ${frame} into the batch`, (library) => encoder(library, write));
  }),
  ...kinds.map(([name, frame, write]) => {
    if (name === "credit") return piece("decode-credit", `read ${frame}`, (library) => decoder(library, write, "none"));
    const operation = `read ${frame}, the payload as a view`;
    return piece(`decode-${name}`, operation, (library) => decoder(library, write, "viewPayload"));
  }),
  piece(
    "decode-data-512-take",
    "read a data frame with 512 B, the payload to keep",
    (library) => decoder(library, data(new Uint8Array(512)), "takePayload")
  )
];

// benchmarks/micro/pieces/lock-args.ts
import assert from "node:assert/strict";
import { createHash } from "node:crypto";

// benchmarks/micro/pieces/lock-lines.ts
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
var headLines = 5;
var lineEnds = /[\n\r\u2028\u2029]/;
function encodeText({ uid, resources, owner, source, quorum }) {
  const lines = [uid, owner, source, quorum === null ? "" : String(quorum), String(resources.length), ...resources];
  for (const line of lines) {
    if (lineEnds.test(line)) throw new Error("a value that holds the end of a line cannot go as a line");
  }
  return Buffer.from(`${lines.join("\n")}
`);
}
function linesInAll(lines) {
  return lines.length < headLines ? void 0 : headLines + Number(lines[headLines - 1]);
}
function argsOf(lines) {
  const [uid, owner, source, quorumText] = lines;
  if (lines.length !== linesInAll(lines)) throw new Error("a line is missing, or there is one too many");
  const quorum = quorumText === "" ? null : Number(quorumText);
  if (Number.isNaN(quorum)) throw new Error("the quorum is no number");
  return { uid, resources: lines.slice(headLines), owner, source, quorum };
}
function decodeText(bytes) {
  const lines = bytes.toString().split("\n");
  if (lines.pop() !== "") throw new Error("the last line has no end");
  return argsOf(lines);
}
async function decodeByEvents(bytes) {
  const lines = await new Promise((resolve) => {
    const lines2 = [];
    createInterface({ input: streamOf(bytes), crlfDelay: Number.POSITIVE_INFINITY }).on("line", (line) => lines2.push(line)).on("close", () => resolve(lines2));
  });
  return argsOf(lines);
}
function sharedDecoder() {
  const input = new Readable({ read: ignore });
  let lines = [];
  let settle = ignore;
  createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }).on("line", (line) => {
    lines.push(line);
    if (lines.length !== linesInAll(lines)) return;
    const all = lines;
    lines = [];
    settle(all);
  });
  return async (bytes) => {
    const all = await new Promise((resolve) => {
      settle = resolve;
      input.push(bytes);
    });
    return argsOf(all);
  };
}
function streamOf(bytes) {
  const input = new Readable({ read: ignore });
  input.push(bytes);
  input.push(null);
  return input;
}
function ignore() {
}

// benchmarks/micro/pieces/lock-args.ts
var ringLength = 64;
var measuredArgs = Array.from({ length: ringLength }, (_, index) => {
  const hex = createHash("sha1").update(String(index)).digest("hex");
  return {
    uid: `${hex.slice(0, 8)}-1c5e-4d1b-8a3f-${hex.slice(8, 20)}`,
    resources: [`bucket/path/to/an/obj-${hex.slice(20, 22)}.bin`],
    owner: "node-3.example.net:9000",
    source: "erasure-object.ts:412:getObject",
    quorum: 3
  };
});
var unusualArgs = [
  { uid: "", resources: [], owner: "", source: "", quorum: null },
  { uid: "\xE4", resources: ["", "bucket/\u65E5\u672C\u8A9E", ""], owner: "\u{1F512}", source: '"\\t	', quorum: 0 },
  { uid: " ", resources: Array.from({ length: 40 }, (_, i) => `object-${i}`), owner: "-", source: " ", quorum: -1.5 }
];
function form(name, codingOf, reading, writing) {
  const verified = async (library) => {
    const coding = codingOf(await library("index"));
    for (const args of [...measuredArgs, ...unusualArgs]) {
      assert.deepEqual(await coding.decode(coding.encode(args)), args, name);
    }
    return coding;
  };
  const decoding = piece(`lock-args-decode-${name}`, reading, async (library) => decodes(await verified(library)));
  if (writing === void 0) return [decoding];
  const encoding = piece(`lock-args-encode-${name}`, writing, async (library) => {
    const { encode } = await verified(library);
    return repeated((i) => encode(measuredArgs[i % ringLength]));
  });
  return [decoding, encoding];
}
async function decodes({ encode, decode }) {
  const encoded = measuredArgs.map(encode);
  const first = decode(encoded[0]);
  if (!(first instanceof Promise)) return repeated((i) => decode(encoded[i % ringLength]));
  await first;
  return async (count) => {
    for (let i = 0; i < count; i++) keep(await decode(encoded[i % ringLength]));
  };
}
function text(decode) {
  return { encode: encodeText, decode };
}
var bareJson = {
  encode: (args) => Buffer.from(JSON.stringify(args)),
  decode: (bytes) => JSON.parse(bytes.toString())
};
var jsonString = {
  encode: (args) => JSON.stringify(args),
  decode: (string) => JSON.parse(string)
};
function tuple({ field, tuple: tuple2 }) {
  const { string, number, array, nullable } = field;
  return tuple2({ uid: string, resources: array(string), owner: string, source: string, quorum: nullable(number) });
}
var joined = "join lines, none with an end of a line in it; for all forms of text";
var lockArgs = [
  form("readline", () => text(decodeByEvents), "a stream and an interface each, its `line` events", joined),
  form("readline-shared", () => text(sharedDecoder()), "one stream and one interface for all, one after the other"),
  form("split-text", () => text(decodeText), "`bytes.toString()`, split at the ends of lines"),
  form("json", (grid) => grid.json(), "`json()` of the library", "`json()` of the library"),
  form("bytes-json", () => bareJson, "`JSON.parse(bytes.toString())`", "`Buffer.from(JSON.stringify())`"),
  form("string-json", () => jsonString, "`JSON.parse()` of a ready string", "`JSON.stringify()`, no bytes"),
  form("msgpack", (grid) => grid.msgpack(), "`msgpack()` of the library", "`msgpack()` of the library"),
  form("tuple", tuple, "`tuple()` of the library", "`tuple()` of the library")
].flat();

// benchmarks/micro/pieces/observed.ts
import { AsyncLocalStorage } from "node:async_hooks";
import { context, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { AlwaysOffSampler, BasicTracerProvider } from "@opentelemetry/sdk-trace-base";
async function withStorage(library, callers) {
  const requests = await bytesRequests(library, callers);
  const storage = new AsyncLocalStorage();
  return (count) => storage.run(1, () => requests(count));
}
async function unsampled(library, callers) {
  const { instrument } = await library("extras/otel/index");
  const requests = await bytesRequests(library, callers);
  trace.setGlobalTracerProvider(new BasicTracerProvider({ sampler: new AlwaysOffSampler() }));
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  instrument();
  return (count) => {
    const span = trace.getTracer("benchmark").startSpan("outer");
    return context.with(trace.setSpan(context.active(), span), () => requests(count));
  };
}
var observed = [1, 64].flatMap((callers) => [
  piece(
    `request-${callers}-storage`,
    `request-${callers} within \`run\` of an AsyncLocalStorage`,
    (library) => withStorage(library, callers)
  ),
  piece(
    `request-${callers}-unsampled`,
    `request-${callers} in a trace that is not sampled`,
    (library) => unsampled(library, callers)
  )
]);

// benchmarks/micro/pieces/outboxes.ts
var payload3 = new Uint8Array(64);
var oneFrame = () => ({
  dataQueued: false,
  controlQueued: false,
  writeData(writer) {
    writer.data(0, 100001, payload3, 0, payload3.length);
    return false;
  },
  writeControl() {
  }
});
async function offerAndPull(library, perBatch) {
  const { Outbox } = await library("wire/outbox");
  const outbox = new Outbox();
  const senders = Array.from({ length: perBatch }, oneFrame);
  return async (count) => {
    for (let done = 0; done < count; done += perBatch) {
      const pulled = outbox.next();
      for (const sender of senders) outbox.offer(sender);
      keep(await pulled);
    }
  };
}
var outboxes = [1, 64].map((perBatch) => {
  const operation = `offer a frame of 64 B, ${perBatch} to a batch, and pull the batch`;
  return piece(`outbox-${perBatch}`, operation, (library) => offerAndPull(library, perBatch));
});

// benchmarks/micro/pieces/rulers.ts
function ignore2() {
}
var Ten = class {
  a = 1;
  b = 1;
  c = 1;
  d = 1;
  e = 1;
  f = 1;
  g = 1;
  h = 1;
  i = 1;
  j = 1;
};
var rulers = [
  piece(
    "ruler-object",
    "make an object of 104 B: a header of three words and ten properties",
    () => repeated(() => new Ten())
  ),
  piece("ruler-promise", "make a promise", () => repeated(() => new Promise(ignore2))),
  piece("ruler-buffer", "make a buffer of 512 B outside of the heap", () => repeated(() => new ArrayBuffer(512)))
];

// benchmarks/micro/pieces/tables.ts
var inFlight = 64;
var timeoutMs2 = 6e4;
var windowMessages = 64;
var windowBytes2 = 256 * 1024;
var payloadBytes = 512;
var crediting = "send, receive and take one message of 512 B in a window of 64, with the grants back";
var Entry = class {
  id = 0;
  deadlineMs = 0;
  deadlines;
  timedBefore;
  timedAfter;
  onDeadline() {
  }
};
function entries() {
  return Array.from({ length: inFlight }, () => new Entry());
}
var tables = [
  piece("window", crediting, async (library) => {
    const { ReceiveWindow, SendWindow } = await library("stream/window");
    const send2 = new SendWindow(windowMessages, windowBytes2);
    const receive = new ReceiveWindow(windowMessages, windowBytes2);
    const credit = { messages: 0, bytes: 0 };
    return (count) => {
      for (let i = 0; i < count; i++) {
        if (!send2.canSend) throw new Error("the window is empty");
        send2.take(payloadBytes);
        receive.begin();
        receive.receive(payloadBytes);
        if (!receive.take(payloadBytes)) continue;
        receive.grant(credit);
        send2.add(credit.messages, credit.bytes);
      }
    };
  }),
  piece("id-table", "add a stream, find it twice, delete it", async (library) => {
    const { IdTable } = await library("session/id-table");
    const table = new IdTable();
    const ring = entries();
    let id = 1;
    return (count) => {
      for (let i = 0; i < count; i++) {
        const entry = ring[i % inFlight];
        if (entry.id !== 0 && table.get(entry.id)?.id === entry.id) table.delete(entry.id);
        entry.id = id;
        id += 2;
        table.add(entry);
        if (table.get(entry.id) !== entry) throw new Error("an entry is not found");
      }
    };
  }),
  piece("deadlines", "add a deadline and remove it", async (library) => {
    const { DeadlineQueue } = await library("stream/deadlines");
    const queue = new DeadlineQueue();
    const ring = entries();
    const startMs = performance.now();
    let calls2 = 0;
    return (count) => {
      for (let i = 0; i < count; i++) {
        const entry = ring[i % inFlight];
        queue.remove(entry);
        queue.add(entry, timeoutMs2, startMs + calls2++ / 1e3);
      }
    };
  })
];

// benchmarks/micro/pieces/index.ts
var pieces = [
  frames,
  tables,
  outboxes,
  halves,
  codecs,
  lockArgs,
  calls,
  observed,
  rulers
].flat();
export {
  pieces
};
