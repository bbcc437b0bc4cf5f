import { encoded, file, invalid, type Misbehaviour, or, otherLength, spoil, wrongDigest } from '../misbehaviour.ts';
import type { Asked, Reply } from '../reply.ts';

const contentRange = (
  name: string,
  value: (asked: { start: number; end: number }, total: number) => string | undefined,
  outcome = invalid,
): Misbehaviour => ({
  name: `Content-Range: ${name}`,
  way: 'ranges',
  script: spoil('get', (reply, { range }, { a }) =>
    range === undefined ? reply : reply.set('Content-Range', value(range, a.content.length)),
  ),
  outcome,
});

export const ranges: readonly Misbehaviour[] = [
  contentRange('absent', () => undefined),
  contentRange('empty', () => ''),
  contentRange('no unit', ({ start, end }, total) => `${start}-${end - 1}/${total}`),
  contentRange('another unit', ({ start, end }, total) => `octets ${start}-${end - 1}/${total}`),
  contentRange('with =', ({ start, end }, total) => `bytes=${start}-${end - 1}/${total}`),
  contentRange('words', () => 'bytes from-to/all'),
  contentRange('hexadecimal', ({ start, end }, total) => `bytes 0x${start.toString(16)}-${end - 1}/${total}`),
  contentRange('signs', ({ start, end }, total) => `bytes +${start}-${end - 1}/${total}`),
  contentRange('backwards', ({ start, end }, total) => `bytes ${end}-${start}/${total}`),
  contentRange('unsatisfied', (_range, total) => `bytes */${total}`),
  contentRange('beyond its own end', ({ start, end }) => `bytes ${start}-${end - 1}/${end - 1}`),
  contentRange('numbers beyond 2^53', () => 'bytes 9007199254740993-9007199254740994/9007199254740999'),
  contentRange('numbers beyond 2^64', () => 'bytes 0-18446744073709551616/18446744073709551617'),
  contentRange('a thousand digits', ({ start, end }) => `bytes ${start}-${end - 1}/${'9'.repeat(1000)}`),
  contentRange(
    'twice in one',
    ({ start, end }, total) => `bytes ${start}-${end - 1}/${total}, bytes ${start}-${end - 1}/${total}`,
  ),
  contentRange('two parts', ({ start, end }, total) => `bytes ${start}-${start + 1}, ${start + 2}-${end - 1}/${total}`),
  contentRange('another total', ({ start, end }, total) => `bytes ${start}-${end - 1}/${total + 1}`, otherLength),
  contentRange('total unknown', ({ start, end }) => `bytes ${start}-${end - 1}/*`, file('a')),
  contentRange('in capitals', ({ start, end }, total) => `BYTES ${start}-${end - 1}/${total}`, file('a')),
  contentRange('leading zeros', ({ start, end }, total) => `bytes 000${start}-0${end - 1}/0${total}`, file('a')),
  contentRange('one byte later', ({ start, end }, total) => `bytes ${start + 1}-${Math.min(end, total - 1)}/${total}`),
  contentRange('one byte shorter than the content', ({ start, end }, total) => `bytes ${start}-${end - 2}/${total}`),
  contentRange(
    'always the beginning',
    ({ start, end }, total) => `bytes 0-${end - start - 1}/${total}`,
    or(invalid, file('a')),
  ),
  {
    name: 'Content-Range twice, different',
    way: 'ranges',
    script: spoil('get', (reply, _asked, { a }) => reply.add('Content-Range', `bytes 0-9/${a.content.length}`)),
    outcome: invalid,
  },
  {
    name: 'a part one byte later, well described',
    way: 'ranges',
    script: spoil('get', (reply, asked, { a }) => part(reply, asked, a.content, 1, 0)),
    outcome: invalid,
  },
  {
    name: 'a part one byte earlier, well described',
    way: 'ranges',
    script: spoil('later', (reply, asked, { a }) => part(reply, asked, a.content, -1, 0)),
    outcome: or(invalid, file('a')),
  },
  {
    name: 'parts that are shorter than asked for',
    way: 'ranges',
    script: spoil('get', (reply, asked, { a }) => part(reply, asked, a.content, 0, -100)),
    outcome: file('a'),
  },
  {
    name: 'one byte for each range asked for, the first ten times',
    way: 'ranges',
    script: spoil('get', (reply, asked, { a }) =>
      asked.nth <= 10 && asked.range !== undefined
        ? part(reply, asked, a.content, 0, 1 - (asked.range.end - asked.range.start))
        : reply,
    ),
    outcome: file('a'),
  },
  {
    name: 'parts that are longer than asked for',
    way: 'ranges',
    script: spoil('get', (reply, asked, { a }) => part(reply, asked, a.content, 0, 100)),
    outcome: or(invalid, file('a')),
  },
  {
    name: 'the first part for every range, well described as what was asked for',
    way: 'ranges',
    script: spoil('get', (reply, { range }, { a }) =>
      range === undefined ? reply : Object.assign(reply, { body: a.content.subarray(0, range.end - range.start) }),
    ),
    digestKnown: true,
    outcome: wrongDigest,
  },
  {
    name: 'multipart/byteranges for one range',
    way: 'ranges',
    script: spoil('get', (reply, asked, { a }) => multipart(reply, asked, a.content.length).set('Content-Range')),
    outcome: invalid,
  },
  {
    name: 'multipart/byteranges with a Content-Range and the right length',
    way: 'ranges',
    script: spoil('get', (reply, asked, { a }) => {
      const { length } = reply.body;
      return multipart(reply, asked, a.content.length).holds(reply.body.subarray(0, length));
    }),
    outcome: invalid,
  },
  {
    name: 'multipart/byteranges for the whole file',
    way: 'whole',
    script: spoil('get', (reply, asked, { a }) => multipart(reply, asked, a.content.length).as(206, reply.body)),
    outcome: invalid,
  },
  ...['gzip', 'br', 'deflate', 'zstd', 'x-gzip', 'aes128gcm', 'gzip, identity', 'identity, gzip', 'nonsense'].map(
    (encoding) => ({
      name: `Content-Encoding: ${encoding}`,
      script: spoil('get', (reply: Reply) => reply.add('Content-Encoding', encoding)),
      outcome: encoded,
    }),
  ),
  {
    name: 'Content-Encoding: identity',
    script: spoil('get', (reply) => reply.add('Content-Encoding', 'identity')),
    outcome: file('a'),
  },
  {
    name: 'Content-Encoding of HEAD',
    script: spoil('head', (reply) => reply.add('Content-Encoding', 'gzip')),
    outcome: encoded,
  },
  {
    name: 'a gzip bomb',
    script: spoil('get', (reply) =>
      reply.holds(Buffer.from('1f8b08000000000002ffedc10101000000809048ff57', 'hex')).add('Content-Encoding', 'gzip'),
    ),
    outcome: encoded,
  },
];

function part(reply: Reply, { range }: Asked, content: Uint8Array, later: number, longer: number): Reply {
  if (range === undefined) return reply;
  const start = Math.max(0, range.start + later);
  const end = Math.min(content.length, Math.max(start + 1, range.end + later + longer));
  reply.holds(content.subarray(start, end));
  return reply.set('Content-Range', `bytes ${start}-${end - 1}/${content.length}`);
}

function multipart(reply: Reply, { range }: Asked, total: number): Reply {
  const { start, end } = range ?? { start: 0, end: total };
  const head = `--X\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes ${start}-${end - 1}/${total}\r\n\r\n`;
  reply.holds(Buffer.concat([Buffer.from(head), reply.body, Buffer.from('\r\n--X--\r\n')]));
  return reply.set('Content-Type', 'multipart/byteranges; boundary=X');
}
