import {
  act,
  badTls,
  expired,
  file,
  late,
  lost,
  type Misbehaviour,
  or,
  otherName,
  untrusted,
} from '../misbehaviour.ts';
import { fine, type Reply } from '../reply.ts';
import type { Wire } from '../stage.ts';

/** How much of an answer is sent before the connection goes. */
const points: readonly (readonly [name: string, sent: (reply: Reply) => number])[] = [
  ['before the first byte', () => 0],
  ['after one byte', () => 1],
  ['within the version', () => 6],
  ['before the status', () => 9],
  ['within the status', () => 11],
  ['within the reason', () => 14],
  ['behind the status line', (reply) => reply.head.indexOf('\r\n') + 2],
  ['within the first field', (reply) => reply.head.indexOf('\r\n') + 9],
  ['within Content-Length', (reply) => reply.head.indexOf('Content-Length') + 17],
  ['before the empty line', (reply) => reply.head.length - 2],
  ['within the empty line', (reply) => reply.head.length - 1],
  ['behind the head', (reply) => reply.head.length],
  ['after one byte of content', (reply) => reply.head.length + 1],
  ['in the middle of the content', (reply) => reply.head.length + (reply.body.length >> 1)],
  ['before the last byte', (reply) => reply.head.length + reply.body.length - 1],
];
const endings = { closed: (wire: Wire) => wire.cut(), reset: (wire: Wire) => wire.reset() } as const;

const slowly = (wire: Wire, bytes: Uint8Array, size: number, milliseconds: number) => {
  let at = 0;
  const timer = setInterval(() => {
    if (at < bytes.length) wire.socket.write(bytes.subarray(at, at + size));
    else clearInterval(timer);
    at += size;
  }, milliseconds);
  wire.socket.once('close', () => clearInterval(timer));
};

export const connections: readonly Misbehaviour[] = [
  ...Object.entries(endings).flatMap(([how, end]) =>
    points.flatMap(([where, sent]) => [
      {
        name: `${how} ${where}, once`,
        script: act('first', (wire: Wire, reply: Reply) => end(wire.send(reply.bytes.subarray(0, sent(reply))))),
        outcome: file('a'),
      },
      {
        name: `${how} ${where} of HEAD's answer, once`,
        script: ((scene) => {
          let times = 0;
          return (asked, wire) => {
            const reply = fine(asked, scene().a);
            if (asked.method === 'HEAD' && times++ === 0) end(wire.send(reply.bytes.subarray(0, sent(reply))));
            else wire.send(reply.bytes);
          };
        }) satisfies Misbehaviour['script'],
        outcome: file('a'),
      },
    ]),
  ),
  { name: 'closed without an answer, for ever', script: act('all', (wire) => wire.end()), outcome: lost },
  { name: 'reset without an answer, for ever', script: act('all', (wire) => wire.reset()), outcome: lost },
  { name: 'GETs closed without an answer, for ever', script: act('get', (wire) => wire.end()), outcome: lost },
  {
    name: 'closed within the head, for ever',
    script: act('get', (wire, reply) => wire.send(reply.head.subarray(0, -3)).end()),
    outcome: lost,
  },
  {
    name: 'every connection closed after one answer',
    script: act('all', (wire, reply) => wire.send(reply.bytes).end()),
    outcome: file('a'),
  },
  {
    name: 'every connection reset after one answer',
    script: act('all', (wire, reply) => wire.send(reply.bytes).reset()),
    outcome: or(file('a'), lost),
  },
  {
    name: 'Connection: close, and it stays open',
    script: act('all', (wire, reply) => wire.send(reply.add('Connection', 'close').bytes)),
    outcome: file('a'),
  },
  {
    name: 'Connection: close, and an answer to nothing',
    script: act('all', (wire, reply, asked, { b }) =>
      wire.send(reply.add('Connection', 'close').bytes, fine({ ...asked, headers: {} }, b).bytes),
    ),
    outcome: file('a'),
  },
  {
    name: 'keep-alive, and closed at once',
    script: act('all', (wire, reply) =>
      wire.send(reply.add('Connection', 'keep-alive').add('Keep-Alive', 'timeout=60').bytes).cut(),
    ),
    outcome: file('a'),
  },
  {
    name: 'every answer in 7-byte packets',
    length: 3000,
    script: act('all', (wire, reply) => {
      for (let at = 0; at < reply.bytes.length; at += 7) wire.socket.write(reply.bytes.subarray(at, at + 7));
    }),
    outcome: file('a'),
  },
  { name: 'no answer at all', script: act('get', () => undefined), outcome: late },
  { name: 'no answer to HEAD', script: act('head', () => undefined), outcome: late },
  {
    name: 'content stops in the middle',
    script: act('get', (wire, reply) => wire.send(reply.head, reply.body.subarray(0, 1000))),
    outcome: or(late, file('a')),
  },
  {
    name: 'head stops in the middle',
    script: act('get', (wire, reply) => wire.send(reply.head.subarray(0, 30))),
    outcome: late,
  },
  {
    name: 'a head in drips',
    length: 100,
    script: act('first', (wire, reply) => slowly(wire, reply.bytes, 20, 10)),
    outcome: file('a'),
  },
  {
    name: 'content in drips',
    length: 100,
    script: act('first', (wire, reply) => {
      wire.send(reply.head);
      slowly(wire, reply.body, 5, 20);
    }),
    outcome: file('a'),
  },
  {
    name: 'a head in drips for ever',
    script: act('get', (wire, reply) =>
      slowly(wire, Buffer.concat([reply.head.subarray(0, -2), Buffer.alloc(100_000, 'x: y\r\n')]), 1, 30),
    ),
    outcome: late,
  },
  {
    name: 'an answer before anything is asked',
    greeting: (wire) => void wire.send('HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n'),
    script: act('head', (wire, reply) => wire.send(reply.bytes)),
    outcome: or(file('a'), lost, {
      files: [],
      errors: [{ code: 'transfer/http-status', hresult: 0x80190194, state: 'error' }],
    }),
  },
  {
    name: 'FIN when the connection is there',
    greeting: (wire) => wire.socket.end(),
    script: act('all', (wire, reply) => wire.send(reply.bytes)),
    outcome: or(lost, file('a')),
  },
  {
    name: 'RST when the connection is there',
    greeting: (wire) => wire.socket.resetAndDestroy(),
    script: act('all', () => undefined),
    outcome: lost,
  },
  // --- TLS
  {
    name: 'TLS',
    certificate: 'good',
    script: act('head', (wire, reply) => wire.send(reply.bytes)),
    outcome: file('a'),
  },
  {
    name: 'TLS, truncated in the content, once',
    certificate: 'good',
    script: act('first', (wire, reply) => wire.send(reply.head, reply.body.subarray(0, -1)).cut()),
    outcome: file('a'),
  },
  {
    name: 'TLS, truncated behind the head, for ever',
    certificate: 'good',
    script: act('get', (wire, reply) => wire.send(reply.head).cut()),
    outcome: lost,
  },
  {
    name: 'TLS, truncated chunks, once',
    way: 'ranges',
    certificate: 'good',
    script: act('first', (wire, reply) => wire.send(reply.chunked().bytes.subarray(0, -5)).cut()),
    outcome: file('a'),
  },
  {
    name: 'TLS, truncated content without a length',
    way: 'ranges',
    certificate: 'good',
    script: act('first', (wire, reply) =>
      wire.send(reply.set('Content-Length').head, reply.body.subarray(0, -7)).cut(),
    ),
    outcome: file('a'),
  },
  {
    name: 'TLS, reset in the content, once',
    certificate: 'good',
    script: act('first', (wire, reply) => wire.send(reply.head, reply.body.subarray(0, 5000)).reset()),
    outcome: file('a'),
  },
  {
    name: 'TLS, plain text in the middle',
    certificate: 'good',
    script: act('get', (wire, reply) => {
      wire.send(reply.head);
      const below = (wire.socket as unknown as { _parent?: { write(text: string): void } })._parent;
      setTimeout(() => below?.write('HTTP/1.1 200 OK\r\n\r\n'), 5);
    }),
    outcome: or(badTls, lost, late),
  },
  {
    name: 'TLS, a certificate that ended',
    certificate: 'expired',
    script: act('all', (wire, reply) => wire.send(reply.bytes)),
    outcome: expired,
  },
  {
    name: 'TLS, a certificate for another name',
    certificate: 'otherName',
    script: act('all', (wire, reply) => wire.send(reply.bytes)),
    outcome: otherName,
  },
  {
    name: 'TLS, an unknown authority',
    certificate: 'unknownAuthority',
    script: act('all', (wire, reply) => wire.send(reply.bytes)),
    outcome: untrusted,
  },
  {
    name: 'TLS 1.1',
    certificate: 'good',
    tlsVersion: 'TLSv1.1',
    script: act('all', (wire, reply) => wire.send(reply.bytes)),
    outcome: badTls,
  },
];
