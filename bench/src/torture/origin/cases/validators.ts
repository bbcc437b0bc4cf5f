import { file, invalid, keepsChanging, type Misbehaviour, or, spoil, wrongDigest } from '../misbehaviour.ts';
import { fine, type Version } from '../reply.ts';

/** Serves one version or the other, by request. */
const serves =
  (pick: (nth: number, method: string) => 'a' | 'b'): Misbehaviour['script'] =>
  (scene) =>
  (asked, wire) =>
    void wire.send(fine(asked, scene()[pick(asked.nth, asked.method)]).bytes);
const describes = (fields: Partial<Version>) => fields;
const bare = describes({ etag: undefined, lastModified: undefined });
const dated = describes({ etag: undefined });
const tagged = describes({ lastModified: undefined });
const day = (number: number) => new Date(Date.UTC(2026, 0, number)).toUTCString();

export const validators: readonly Misbehaviour[] = [
  {
    name: 'a new ETag with every answer',
    script: spoil('get', (reply, { nth }) => reply.set('ETag', `"n${nth}"`)),
    outcome: keepsChanging,
  },
  {
    name: 'another ETag than HEAD has',
    script: spoil('get', (reply) => reply.set('ETag', '"other"')),
    outcome: keepsChanging,
  },
  {
    name: 'the new version from the second GET on',
    script: serves((nth) => (nth === 1 ? 'a' : 'b')),
    outcome: { whole: file('a'), ranges: file('a', 'b') },
  },
  {
    name: 'HEAD of one version, everything else of another',
    script: serves((nth, method) => (method === 'HEAD' && nth === 1 ? 'a' : 'b')),
    outcome: file('b'),
  },
  {
    name: 'two versions in turn',
    way: 'ranges',
    script: serves((nth, method) => (method === 'HEAD' || nth % 2 === 1 ? 'a' : 'b')),
    outcome: or(keepsChanging, file('a', 'b')),
  },
  { name: 'no ETag in answers to GET', script: spoil('get', (reply) => reply.set('ETag')), outcome: file('a') },
  {
    name: 'no ETag in answers to GET, no Last-Modified at all',
    version: tagged,
    script: spoil('get', (reply) => reply.set('ETag')),
    outcome: invalid,
  },
  {
    name: 'no validator in later answers',
    way: 'ranges',
    script: spoil('later', (reply) => reply.set('ETag').set('Last-Modified')),
    outcome: invalid,
  },
  {
    name: 'strong ETag to HEAD, weak to GET',
    script: spoil('get', (reply) => reply.set('ETag', `W/${reply.get('ETag')}`)),
    outcome: file('a'),
  },
  {
    name: 'strong ETag to HEAD, weak to GET, no Last-Modified',
    version: tagged,
    script: spoil('get', (reply) => reply.set('ETag', `W/${reply.get('ETag')}`)),
    outcome: invalid,
  },
  {
    name: 'weak ETag to HEAD, strong to GET',
    script: spoil('head', (reply) => reply.set('ETag', `W/${reply.get('ETag')}`)),
    outcome: file('a'),
  },
  {
    name: 'weak ETags only',
    version: describes({ etag: 'W/"1"', lastModified: undefined }),
    script: spoil('head', (reply) => reply),
    outcome: file('a'),
  },
  {
    name: 'ETag strong and weak in turn',
    script: spoil('get', (reply, { nth }) => (nth % 2 === 0 ? reply.set('ETag', `W/${reply.get('ETag')}`) : reply)),
    outcome: file('a'),
  },
  {
    name: 'ETag without quotes',
    version: describes({ etag: 'abc', lastModified: undefined }),
    script: spoil('head', (reply) => reply),
    outcome: file('a'),
  },
  { name: 'ETag twice', script: spoil('get', (reply) => reply.add('ETag', '"second"')), outcome: file('a') },
  {
    name: 'ETag twice, no Last-Modified',
    version: tagged,
    script: spoil('get', (reply) => reply.add('ETag', '"second"')),
    outcome: invalid,
  },
  {
    name: 'an empty ETag',
    version: describes({ etag: '""' }),
    script: spoil('head', (reply) => reply),
    outcome: file('a'),
  },
  {
    name: 'an ETag of 8 KiB',
    version: describes({ etag: `"${'e'.repeat(8192)}"` }),
    script: spoil('head', (reply) => reply),
    outcome: file('a'),
  },
  { name: 'no validators at all', version: bare, script: spoil('head', (reply) => reply), outcome: file('a') },
  {
    name: 'no validators, cut in the middle once',
    version: bare,
    script: (scene) => (asked, wire) => {
      const reply = fine(asked, scene().a);
      if (asked.method === 'GET' && asked.nth === 1) wire.send(reply.head, reply.body.subarray(0, 1000)).cut();
      else wire.send(reply.bytes);
    },
    outcome: file('a'),
  },
  {
    name: 'no validators, cut in the middle, then the other version',
    version: bare,
    script: (scene) => (asked, wire) => {
      if (asked.method === 'GET' && asked.nth === 1) {
        const reply = fine(asked, scene().a);
        wire.send(reply.head, reply.body.subarray(0, 100_000)).cut();
      } else wire.send(fine(asked, scene()[asked.method === 'HEAD' ? 'a' : 'b']).bytes);
    },
    outcome: file('b'),
  },
  {
    name: 'Last-Modified goes back',
    version: dated,
    script: spoil('get', (reply, { nth }) => reply.set('Last-Modified', day(20 - Math.min(nth, 15)))),
    outcome: keepsChanging,
  },
  {
    name: 'Last-Modified moves with every answer',
    version: dated,
    script: spoil('all', (reply, { nth, method }) =>
      reply.set('Last-Modified', day(method === 'HEAD' ? nth : nth + 1)),
    ),
    outcome: keepsChanging,
  },
  {
    name: 'Last-Modified moves, the ETag stays',
    script: spoil('get', (reply, { nth }) => reply.set('Last-Modified', day(nth))),
    outcome: file('a'),
  },
  {
    name: 'Last-Modified is no date',
    version: describes({ etag: undefined, lastModified: 'the day before yesterday' }),
    script: spoil('head', (reply) => reply),
    outcome: file('a'),
  },
  {
    name: 'Last-Modified in the year 9999',
    version: describes({ lastModified: 'Fri, 31 Dec 9999 23:59:59 GMT' }),
    script: spoil('head', (reply) => reply),
    outcome: file('a'),
  },
  {
    name: 'Last-Modified before 1970',
    version: describes({ lastModified: 'Mon, 01 Jan 1601 00:00:00 GMT' }),
    script: spoil('head', (reply) => reply),
    outcome: file('a'),
  },
  {
    name: 'Date before Last-Modified, in the past, twice, absurd',
    script: spoil('all', (reply) =>
      reply.add('Date', day(-400)).add('Date', 'never').add('Age', '-1').add('Expires', '0'),
    ),
    outcome: file('a'),
  },
  {
    name: 'Last-Modified in another form of the same moment',
    version: dated,
    script: spoil('get', (reply) => reply.set('Last-Modified', 'Thursday, 01-Jan-26 00:00:00 GMT')),
    outcome: or(file('a'), keepsChanging),
  },
  {
    name: 'Repr-Digest of other content',
    script: spoil('all', (reply, _asked, { b }) => reply.set('Repr-Digest', `sha-256=:${b.sha256}:`)),
    outcome: wrongDigest,
  },
  {
    name: 'Repr-Digest of other content, to GET only',
    script: spoil('get', (reply, _asked, { b }) => reply.set('Repr-Digest', `sha-256=:${b.sha256}:`)),
    outcome: wrongDigest,
  },
  {
    name: 'Repr-Digest of other content, to the last GET only',
    way: 'ranges',
    script: spoil('later', (reply, _asked, { b }) => reply.set('Repr-Digest', `sha-256=:${b.sha256}:`)),
    outcome: wrongDigest,
  },
  {
    name: 'Repr-Digest changes, the ETag stays',
    way: 'ranges',
    script: spoil('get', (reply, { nth }, { a, b }) =>
      reply.set('Repr-Digest', `sha-256=:${nth % 2 === 1 ? a.sha256 : b.sha256}:`),
    ),
    outcome: or(file('a'), wrongDigest, keepsChanging),
  },
  ...[
    'sha-256=',
    'sha-256=:::',
    'sha-256=:AAAA:',
    `sha-256=:${'A'.repeat(43)}!:`,
    'md5=:1B2M2Y8AsgTpgAmY7PhCfg==:',
    'sha-512=:AAAA:',
    'sha-256',
    ':',
    `sha-256=:${'A'.repeat(5000)}=:`,
  ].map((digest) => ({
    name: `Repr-Digest: ${digest.slice(0, 30)} (${digest.length})`,
    script: spoil('all' as const, (reply) => reply.set('Repr-Digest', digest)),
    outcome: file('a'),
  })),
  {
    name: 'other bytes in the middle of an answer, digest published',
    script: spoil('first', (reply, { range }, { a, b }) => {
      const start = range?.start ?? 0;
      reply.set('Repr-Digest', `sha-256=:${a.sha256}:`);
      const middle = start + (reply.body.length >> 1);
      return Object.assign(reply, {
        body: Buffer.concat([a.content.subarray(start, middle), b.content.subarray(middle, start + reply.body.length)]),
      });
    }),
    outcome: wrongDigest,
  },
  {
    name: 'other bytes in the middle of an answer, digest known to the caller',
    digestKnown: true,
    script: spoil('first', (reply, _asked, { b }) =>
      Object.assign(reply, { body: Buffer.concat([reply.body.subarray(0, -500), b.content.subarray(0, 500)]) }),
    ),
    outcome: wrongDigest,
  },
  {
    name: 'Accept-Ranges: none, but ranges are served',
    script: spoil('all', (reply) => reply.set('Accept-Ranges', 'none')),
    outcome: file('a'),
  },
  {
    name: 'Accept-Ranges: nonsense',
    script: spoil('all', (reply) => reply.set('Accept-Ranges', 'furlongs')),
    outcome: file('a'),
  },
  { name: 'no Accept-Ranges', script: spoil('all', (reply) => reply.set('Accept-Ranges')), outcome: file('a') },
  {
    name: 'names of files and folders in every field',
    script: spoil('all', (reply) =>
      reply
        .add('Content-Disposition', 'attachment; filename="../../etc/passwd"')
        .add('Content-Location', '/etc/passwd')
        .add('Link', '</b>; rel=canonical')
        .add('Refresh', '0; url=/other')
        .add('Alt-Svc', 'h3=":1"'),
    ),
    outcome: file('a'),
  },
];
