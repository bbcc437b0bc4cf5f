import {
  act,
  encoded,
  file,
  invalid,
  late,
  lost,
  type Misbehaviour,
  noLength,
  or,
  otherLength,
  spoil,
} from '../misbehaviour.ts';
import { fine, type Reply } from '../reply.ts';

const length = (name: string, value: (right: number) => string, outcome = invalid): Misbehaviour => ({
  name: `Content-Length: ${name}`,
  script: spoil('get', (reply) => reply.set('Content-Length', value(reply.body.length))),
  outcome,
});
/** Answered without a length, or cut short, by one connection each. */
const chunkedThenGone = (edit: (reply: Reply) => Reply) =>
  act('get', (wire, reply) => wire.send(edit(reply).bytes).end());

export const framing: readonly Misbehaviour[] = [
  length('empty', () => ''),
  length('a word', () => 'many'),
  length('negative', (right) => `-${right}`),
  length('with a sign', (right) => `+${right}`),
  length('hexadecimal', (right) => `0x${right.toString(16)}`),
  length('with a fraction', (right) => `${right}.0`),
  length('with an exponent', () => '2e5'),
  length('beyond 2^53', () => '9007199254740993'),
  length('beyond 2^64', () => '18446744073709551616'),
  length('a hundred digits', () => '9'.repeat(100)),
  length('with blanks within', (right) => `${right} ${right}`),
  length('twice in one field', (right) => `${right}, ${right}`),
  length('two in one field', (right) => `${right}, ${right + 1}`),
  {
    name: 'Content-Length twice',
    script: spoil('get', (reply) => reply.add('Content-Length', String(reply.body.length))),
    outcome: invalid,
  },
  {
    name: 'Content-Length twice, different',
    script: spoil('get', (reply) => reply.add('Content-Length', '7')),
    outcome: invalid,
  },
  {
    name: 'no Content-Length to HEAD',
    script: spoil('head', (reply) => reply.set('Content-Length')),
    outcome: noLength,
  },
  {
    name: 'another Content-Length to HEAD',
    script: spoil('head', (reply) => reply.set('Content-Length', '12345')),
    outcome: otherLength,
  },
  {
    name: 'Content-Length 0 to HEAD',
    script: spoil('head', (reply) => reply.set('Content-Length', '0')),
    outcome: file('a'),
  },
  {
    name: 'Content-Length of 8 EiB to HEAD',
    script: spoil('head', (reply) => reply.set('Content-Length', '9007199254740991')),
    outcome: or(otherLength, {
      files: [],
      errors: [{ code: 'file/disk-full', hresult: 0x80070070, state: 'transientError' }],
    }),
  },
  {
    name: 'no length, until the connection closes',
    script: chunkedThenGone((reply) => reply.set('Content-Length')),
    outcome: { whole: noLength, ranges: file('a') },
  },
  {
    name: 'no length, cut short',
    script: act('get', (wire, reply) => wire.send(reply.set('Content-Length').head, reply.body.subarray(0, 100)).end()),
    outcome: { whole: noLength, ranges: or(lost, file('a')) },
  },
  {
    name: 'content ends early, once',
    script: act('first', (wire, reply) => wire.send(reply.head, reply.body.subarray(0, reply.body.length >> 1)).end()),
    outcome: file('a'),
  },
  {
    name: 'content ends one byte early, once',
    script: act('first', (wire, reply) => wire.send(reply.head, reply.body.subarray(0, -1)).end()),
    outcome: file('a'),
  },
  {
    name: 'content ends early, every time',
    script: act('get', (wire, reply) =>
      wire.send(reply.head, reply.body.subarray(0, Math.ceil(reply.body.length / 2))).end(),
    ),
    outcome: or(lost, file('a')),
  },
  { name: 'no content, every time', script: act('get', (wire, reply) => wire.send(reply.head).end()), outcome: lost },
  {
    name: 'more content than announced',
    script: act('get', (wire, reply) => wire.send(reply.bytes, 'and more')),
    outcome: file('a'),
  },
  {
    name: 'more content than announced, then closed',
    script: act('get', (wire, reply) => wire.send(reply.bytes, 'and more').end()),
    outcome: file('a'),
  },
  {
    name: 'a MiB more than announced',
    script: act('get', (wire, reply) => wire.send(reply.bytes, Buffer.alloc(1 << 20))),
    outcome: file('a'),
  },
  {
    name: 'a forged second answer behind the first',
    script: act('get', (wire, reply, asked, { a, b }) =>
      wire.send(
        reply.bytes,
        fine(
          { ...asked, range: { start: 0, end: 50_000 }, headers: {} },
          { ...b, etag: a.etag, lastModified: a.lastModified },
        ).bytes,
      ),
    ),
    outcome: file('a'),
  },
  {
    name: 'a forged answer to each later range, in advance',
    way: 'ranges',
    script: act('first', (wire, reply, { range }, { a, b }) => {
      wire.send(reply.bytes);
      for (let start = range?.end ?? 0; start < a.content.length; start += 65_536) {
        const end = Math.min(a.content.length, start + 65_536);
        wire.send(
          fine(
            { method: 'GET', path: '', headers: {}, range: { start, end }, connection: 1, nth: 1 },
            { ...b, etag: a.etag, lastModified: a.lastModified },
          ).bytes,
        );
      }
    }),
    outcome: file('a'),
  },
  {
    name: 'a forged answer behind that to HEAD',
    script: act('head', (wire, reply, asked, { a, b }) =>
      wire.send(
        reply.bytes,
        fine({ ...asked, method: 'GET', headers: {} }, { ...b, etag: a.etag, lastModified: a.lastModified }).bytes,
      ),
    ),
    outcome: file('a'),
  },
  {
    name: 'content to HEAD',
    script: act('head', (wire, reply, _asked, { a }) => wire.send(reply.head, a.content)),
    outcome: file('a'),
  },
  {
    name: 'empty lines before the answer',
    script: act('get', (wire, reply) => wire.send('\r\n\r\n', reply.bytes)),
    outcome: or(invalid, file('a')),
  },
  {
    name: 'garbage before the answer',
    script: act('get', (wire, reply) => wire.send('\0\u0001\u0002', reply.bytes)),
    outcome: invalid,
  },
  {
    name: 'HTTP/0.9: content only',
    script: act('get', (wire, reply) => wire.send(reply.body).end()),
    outcome: invalid,
  },
  {
    name: 'HTTP/0.9 to everything',
    script: act('all', (wire, _reply, _asked, { a }) => wire.send(a.content).end()),
    outcome: invalid,
  },
  {
    name: 'HTML instead of HTTP',
    script: act('all', (wire) => wire.send('<html><body>It works</body></html>').end()),
    outcome: invalid,
  },
  { name: 'SSH', script: act('all', (wire) => wire.send('SSH-2.0-OpenSSH_9.2\r\n')), outcome: invalid },
  {
    name: 'a TLS alert instead of HTTP',
    script: act('all', (wire) => wire.send(Buffer.from('15030100020228', 'hex')).end()),
    outcome: invalid,
  },
  {
    name: 'HTTP/2 preface',
    script: act('all', (wire) => wire.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')),
    outcome: invalid,
  },
  ...['HTTP/2.0', 'HTTP/1.2', 'HTTP/0.9', 'HTTP/11', 'http/1.1', 'HTTPS/1.1', 'ICY', 'RTSP/1.0', 'HTTP/1,1'].map(
    (protocol) => ({
      name: `version ${protocol}`,
      script: spoil('get' as const, (reply: Reply) => Object.assign(reply, { protocol })),
      outcome: invalid,
      undici: file('a'),
    }),
  ),
  {
    name: 'HTTP/1.0',
    script: act('all', (wire, reply) => wire.send(Object.assign(reply, { protocol: 'HTTP/1.0' }).bytes).end()),
    outcome: file('a'),
  },
  {
    name: 'HTTP/1.0 that keeps the connection',
    script: spoil('all', (reply) => Object.assign(reply, { protocol: 'HTTP/1.0' }).add('Connection', 'keep-alive')),
    outcome: file('a'),
  },
  {
    name: 'HTTP/1.0 cut short, once',
    script: act('first', (wire, reply) =>
      wire.send(Object.assign(reply, { protocol: 'HTTP/1.0' }).bytes.subarray(0, -1000)).end(),
    ),
    outcome: file('a'),
  },
  {
    name: 'HTTP/1.0 without a length',
    script: act('get', (wire, reply) =>
      wire.send(Object.assign(reply, { protocol: 'HTTP/1.0' }).set('Content-Length').bytes).end(),
    ),
    outcome: { whole: noLength, ranges: file('a') },
  },
  // --- chunks
  { name: 'chunks', script: spoil('get', (reply) => reply.chunked()), outcome: { whole: noLength, ranges: file('a') } },
  {
    name: 'chunks to HEAD and GET',
    script: spoil('all', (reply, { method }) =>
      method === 'HEAD' ? reply.set('Content-Length').add('Transfer-Encoding', 'chunked') : reply.chunked(),
    ),
    outcome: noLength,
  },
  {
    name: 'chunks of one byte',
    way: 'ranges',
    length: 3000,
    script: spoil('get', (reply) => reply.chunked(1)),
    outcome: or(file('a'), noLength),
  },
  {
    name: 'chunks with extensions and a trailer',
    way: 'ranges',
    script: spoil('get', (reply) =>
      reply.chunked(10_000, (size) => `${size.toString(16)};name="value"`, 'ETag: "forged"\r\n'),
    ),
    outcome: file('a'),
  },
  {
    name: 'chunks with forged trailers',
    way: 'ranges',
    script: spoil('get', (reply) =>
      reply.chunked(
        10_000,
        (size) => `${size.toString(16)};name="value"`,
        'ETag: "forged"\r\nContent-Range: bytes 0-1/2\r\nContent-Length: 3\r\n',
      ),
    ),
    outcome: or(invalid, file('a')),
  },
  {
    name: 'chunks with a 1 MiB extension',
    way: 'ranges',
    script: spoil('get', (reply) => reply.chunked(50_000, (size) => `${size.toString(16)};${'x'.repeat(1 << 20)}`)),
    outcome: or(file('a'), invalid),
  },
  {
    name: 'chunks with 100,000 trailers',
    way: 'ranges',
    script: spoil('get', (reply) => reply.chunked(10_000, (size) => size.toString(16), 'X-T: 1\r\n'.repeat(100_000))),
    outcome: or(file('a'), invalid),
  },
  ...(['zz', '-1', '0x10', '', ' ', '1\n', 'ffffffffffffffff', '10000000000000000000'] as const).map((size) => ({
    name: `a chunk of size ${JSON.stringify(size)}`,
    way: 'ranges' as const,
    script: spoil('get' as const, (reply: Reply) => reply.chunked(10_000, () => size)),
    outcome: or(invalid, lost),
  })),
  {
    name: 'chunks shorter than they say',
    way: 'ranges',
    script: spoil('get', (reply) => reply.chunked(10_000, (size) => (size === 0 ? '0' : (size + 5).toString(16)))),
    outcome: or(invalid, lost),
  },
  {
    name: 'chunks longer than they say',
    way: 'ranges',
    script: spoil('get', (reply) => reply.chunked(10_000, (size) => (size === 0 ? '0' : (size - 5).toString(16)))),
    outcome: or(invalid, lost),
  },
  {
    name: 'chunks cut in the middle, once',
    way: 'ranges',
    script: act('first', (wire, reply) => wire.send(reply.chunked().bytes.subarray(0, -9000)).end()),
    outcome: file('a'),
  },
  {
    name: 'chunks without the last one, once',
    way: 'ranges',
    script: act('first', (wire, reply) => wire.send(reply.chunked().bytes.subarray(0, -5)).end()),
    outcome: file('a'),
  },
  {
    name: 'more in chunks than the range has',
    way: 'ranges',
    script: spoil('get', (reply) =>
      Object.assign(reply, { body: Buffer.concat([reply.body, Buffer.alloc(100)]) }).chunked(),
    ),
    outcome: invalid,
  },
  {
    name: 'less in chunks than the range has, once',
    way: 'ranges',
    script: spoil('first', (reply) => Object.assign(reply, { body: reply.body.subarray(0, -100) }).chunked()),
    outcome: file('a'),
  },
  {
    name: 'chunks and Content-Length',
    way: 'ranges',
    script: spoil('get', (reply) => {
      const size = reply.body.length;
      return reply.chunked().add('Content-Length', String(size));
    }),
    outcome: invalid,
  },
  {
    name: 'Content-Length, and chunks that are none',
    script: spoil('get', (reply) => reply.add('Transfer-Encoding', 'chunked')),
    outcome: invalid,
  },
  ...['gzip', 'gzip, chunked', 'chunked, gzip', 'identity', 'chunked, chunked', 'xchunked', 'chunked;q=1', ''].map(
    (coding) => ({
      name: `Transfer-Encoding: ${coding === '' ? 'empty' : coding}`,
      way: 'ranges' as const,
      script: act('get' as const, (wire, reply) =>
        wire.send(reply.chunked().set('Transfer-Encoding', coding).bytes).end(),
      ),
      outcome: or(invalid, lost, encoded),
    }),
  ),
  // --- interim answers
  {
    name: 'a hundred 100s before each answer',
    script: act('get', (wire, reply) => wire.send('HTTP/1.1 100 Continue\r\n\r\n'.repeat(100), reply.bytes)),
    outcome: file('a'),
    undici: lost,
  },
  {
    name: '103 with forged fields',
    script: act('get', (wire, reply) =>
      wire.send('HTTP/1.1 103 Early Hints\r\nETag: "forged"\r\nContent-Length: 3\r\n\r\n', reply.bytes),
    ),
    outcome: file('a'),
  },
  {
    name: '100 for ever',
    script: act('get', (wire) => forever(wire.socket, 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(50))),
    outcome: or(late, invalid),
  },
  {
    name: '101 that nobody asked for',
    script: act('get', (wire) =>
      wire.send('HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n'),
    ),
    outcome: or(lost, invalid),
  },
  {
    name: '199 and nothing else',
    script: act('get', (wire) => wire.send('HTTP/1.1 199 Wait\r\n\r\n')),
    outcome: or(late, invalid),
  },
  // --- heads
  {
    name: 'lines that end with LF',
    script: spoil('get', (reply) => Object.assign(reply, { newline: '\n' })),
    outcome: invalid,
  },
  {
    name: 'lines that end with CR',
    script: spoil('get', (reply) => Object.assign(reply, { newline: '\r' })),
    outcome: invalid,
  },
  { name: 'a folded line', script: spoil('get', (reply) => reply.add('X-Folded', 'one\r\n two')), outcome: invalid },
  { name: 'a blank before the colon', script: spoil('get', (reply) => reply.add('X-Blank ', 'v')), outcome: invalid },
  {
    name: 'a line without a colon',
    script: spoil('get', (reply) => Object.assign(reply, { fields: [...reply.fields, ['no colon']] })),
    outcome: invalid,
  },
  { name: 'a field without a name', script: spoil('get', (reply) => reply.add('', 'value')), outcome: invalid },
  { name: 'NUL in a value', script: spoil('get', (reply) => reply.add('X-Nul', 'a\0b')), outcome: invalid },
  { name: 'NUL in a name', script: spoil('get', (reply) => reply.add('X-\0', 'b')), outcome: invalid },
  { name: 'CR in a value', script: spoil('get', (reply) => reply.add('X-Cr', 'a\rb')), outcome: invalid },
  {
    name: 'octets above 127 in a value',
    script: spoil('get', (reply) => reply.add('X-High', '\u00e4\u00ff')),
    outcome: file('a'),
  },
  {
    name: 'a blank behind the status line',
    script: spoil('get', (reply) => Object.assign(reply, { reason: 'Fine \t' })),
    outcome: or(file('a'), invalid),
  },
  { name: 'no reason', script: spoil('get', (reply) => Object.assign(reply, { reason: '' })), outcome: file('a') },
  {
    name: 'a field of 15 KiB',
    script: spoil('all', (reply) => reply.add('X-Long', 'x'.repeat(15_000))),
    outcome: file('a'),
  },
  {
    name: 'a field of 100 KiB',
    script: spoil('get', (reply) => reply.add('X-Long', 'x'.repeat(100_000))),
    outcome: invalid,
  },
  {
    name: 'a field of 10 MiB',
    script: spoil('get', (reply) => reply.add('X-Long', 'x'.repeat(10 << 20))),
    outcome: invalid,
  },
  { name: '200 fields', script: spoil('all', (reply) => many(reply, 200)), outcome: file('a') },
  { name: '100,000 fields', script: spoil('get', (reply) => many(reply, 100_000)), outcome: invalid },
  {
    name: 'a head that never ends',
    script: act('get', (wire) => {
      wire.send('HTTP/1.1 200 OK\r\n');
      forever(wire.socket, `X-More: ${'y'.repeat(1000)}\r\n`);
    }),
    outcome: or(invalid, late),
  },
  {
    name: 'Set-Cookie without end',
    script: spoil('all', (reply) => {
      for (let i = 0; i < 150; i++) reply.add('Set-Cookie', `c${i}=${i}; Path=/`);
      return reply;
    }),
    outcome: file('a'),
  },
];

function many(reply: Reply, count: number): Reply {
  for (let index = 0; index < count; index++) reply.add(`X-Field-${index}`, 'v');
  return reply;
}

/** Sends the same again and again until the client has had enough. */
function forever(socket: import('node:net').Socket, text: string): void {
  const timer = setInterval(() => socket.write(text), 5);
  socket.once('close', () => clearInterval(timer));
}
