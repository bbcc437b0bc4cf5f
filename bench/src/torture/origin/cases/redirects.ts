import {
  act,
  badRedirect,
  file,
  invalid,
  keepsChanging,
  lost,
  type Misbehaviour,
  or,
  refusedLogon,
  spoil,
  status,
} from '../misbehaviour.ts';
import { fine, type Reply } from '../reply.ts';

const to = (
  location: string | ((scene: { elsewhere: string; origin: string }, path: string) => string | undefined),
  number = 302,
): Misbehaviour['script'] =>
  spoil('all', (reply, { path }, scene) => {
    const target = typeof location === 'string' ? location : location(scene, path);
    return target === undefined ? reply : reply.as(number).add('Location', target);
  });
const basic = { target: 'server', scheme: 'basic', userName: 'u', password: 'secret' } as const;
const ntlm = { target: 'server', scheme: 'ntlm', userName: 'u', password: 'secret' } as const;
const digest = { target: 'server', scheme: 'digest', userName: 'u', password: 'secret' } as const;
const negotiate = { target: 'server', scheme: 'negotiate', userName: 'u', password: 'secret' } as const;
const challenge = (...values: string[]): Misbehaviour['script'] =>
  spoil('all', (reply) => values.reduce((each: Reply, value) => each.add('WWW-Authenticate', value), reply.as(401)));
/** A type 2 message of NTLM, and what is left of it. */
const typeTwo = Buffer.from(
  '4e544c4d53535000020000000c000c003800000033828ae20123456789abcdef00000000000000000000000044000000',
  'hex',
);

export const redirects: readonly Misbehaviour[] = [
  { name: 'redirect to itself', script: to('/file'), outcome: badRedirect },
  {
    name: 'redirects in a circle',
    script: to((_scene, path) => (path === '/one' ? '/two' : '/one')),
    outcome: badRedirect,
  },
  { name: 'redirects without end', script: to((_scene, path) => `${path}x`), outcome: badRedirect },
  {
    name: 'eight redirects',
    script: to((_scene, path) => (path.length < 13 ? `${path}x` : undefined)),
    outcome: file('a'),
  },
  { name: 'redirect without Location', script: spoil('all', (reply) => reply.as(302)), outcome: badRedirect },
  ...['http://', 'http://[::1', 'https://a:99999/', '//', 'http:// /'].map((location) => ({
    name: `redirect to ${JSON.stringify(location)}`,
    script: to(location),
    outcome: badRedirect,
  })),
  ...[
    'ftp://127.0.0.1/file',
    'file:///etc/passwd',
    'data:,hello',
    'javascript:alert(1)',
    'smb://127.0.0.1/share/file',
    'gopher://127.0.0.1/',
  ].map((location) => ({ name: `redirect to ${location}`, script: to(location), outcome: badRedirect })),
  ...[301, 302, 303, 307, 308].map((number) => ({
    name: `${number} to another origin`,
    script: to(({ elsewhere }) => `${elsewhere}/file`, number),
    outcome: file('a'),
  })),
  {
    name: 'two Locations',
    script: spoil('all', (reply, { path }) =>
      path === '/file' ? reply.as(302).add('Location', '/one').add('Location', '/two') : reply,
    ),
    outcome: or(file('a'), badRedirect),
  },
  {
    name: 'redirect with much content',
    script: spoil('all', (reply, { path }) =>
      path === '/file' ? reply.as(302, Buffer.alloc(4 << 20)).add('Location', '/one') : reply,
    ),
    outcome: or(file('a'), lost, invalid),
  },
  {
    name: 'redirect with content that never ends',
    script: act('all', (wire, reply, { path, method }) => {
      if (path !== '/file' || method === 'HEAD') return void wire.send(reply.bytes);
      wire.send(reply.as(302).add('Location', '/one').set('Content-Length', '99999999').head);
      const timer = setInterval(() => wire.socket.write(Buffer.alloc(65_536)), 1);
      wire.socket.once('close', () => clearInterval(timer));
    }),
    outcome: or(lost, invalid, file('a')),
  },
  {
    name: 'redirect from https to http',
    certificate: 'good',
    script: to(({ elsewhere }) => `${elsewhere}/file`),
    outcome: badRedirect,
  },
  {
    name: 'redirect of GET only',
    script: spoil('get', (reply, { path }) => (path === '/file' ? reply.as(302).add('Location', '/moved') : reply)),
    outcome: file('a'),
  },
  {
    name: 'redirect of GET to another version elsewhere',
    script: spoil('get', (reply, _asked, { elsewhere }) => reply.as(302).add('Location', `${elsewhere}/file`)),
    elsewhere: (scene) => (asked, wire) => void wire.send(fine(asked, scene().b).bytes),
    outcome: or(keepsChanging, file('b')),
  },
  {
    name: 'redirect of HEAD and GET to another version elsewhere',
    script: to(({ elsewhere }) => `${elsewhere}/file`),
    elsewhere: (scene) => (asked, wire) => void wire.send(fine(asked, scene().b).bytes),
    outcome: file('b'),
  },
  {
    name: 'redirect elsewhere, where it is 403',
    script: to(({ elsewhere }) => `${elsewhere}/file`),
    elsewhere: () => (_asked, wire) => void wire.send('HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n'),
    outcome: status(403),
  },
  // --- credentials (design: promise 6)
  {
    name: 'redirect elsewhere, which asks for Basic',
    credentials: [basic],
    secret: true,
    script: to(({ elsewhere }) => `${elsewhere}/file`),
    elsewhere: () => (_asked, wire) =>
      void wire.send('HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'),
    outcome: refusedLogon,
  },
  {
    name: 'redirect elsewhere, which asks for NTLM',
    credentials: [ntlm],
    secret: true,
    script: to(({ elsewhere }) => `${elsewhere}/file`),
    elsewhere: () => (_asked, wire) =>
      void wire.send('HTTP/1.1 401 Who\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n'),
    outcome: refusedLogon,
  },
  {
    name: 'redirect to the same host on another port, which asks for Digest',
    credentials: [digest],
    secret: true,
    script: to(({ elsewhere }) => `${elsewhere}/file`),
    elsewhere: () => (_asked, wire) =>
      void wire.send(
        'HTTP/1.1 401 Who\r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256\r\nContent-Length: 0\r\n\r\n',
      ),
    outcome: refusedLogon,
  },
  {
    name: 'redirect with user and password in Location',
    secret: true,
    script: to(({ elsewhere }) => `${elsewhere.replace('//', '//user:password@')}/file`),
    outcome: file('a'),
  },
  {
    name: 'Basic asked for without TLS',
    credentials: [basic],
    secret: true,
    script: challenge('Basic realm="r"'),
    outcome: refusedLogon,
  },
  { name: '401 for ever to NTLM', credentials: [ntlm], script: challenge('NTLM'), outcome: refusedLogon },
  {
    name: '401 for ever to Negotiate',
    credentials: [negotiate],
    script: challenge('Negotiate'),
    outcome: refusedLogon,
  },
  {
    name: '401 for ever to Digest',
    credentials: [digest],
    script: challenge('Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256'),
    outcome: refusedLogon,
  },
  {
    name: '401 for ever to Basic over TLS',
    certificate: 'good',
    credentials: [basic],
    script: challenge('Basic realm="r"'),
    outcome: refusedLogon,
  },
  {
    name: 'NTLM with a token that is no base64',
    credentials: [ntlm],
    script: challenge('NTLM !!!'),
    outcome: refusedLogon,
  },
  {
    name: 'NTLM with garbage for a token',
    credentials: [ntlm],
    script: challenge(`NTLM ${Buffer.from('garbage').toString('base64')}`),
    outcome: refusedLogon,
  },
  {
    name: 'NTLM with a truncated challenge',
    credentials: [ntlm],
    script: challenge(`NTLM ${typeTwo.subarray(0, 20).toString('base64')}`),
    outcome: refusedLogon,
  },
  {
    name: 'NTLM without session security',
    credentials: [ntlm],
    script: challenge(`NTLM ${typeTwo.toString('base64')}`),
    outcome: refusedLogon,
  },
  {
    name: 'Negotiate with garbage',
    credentials: [negotiate],
    script: challenge('Negotiate oYIBADCC'),
    outcome: refusedLogon,
  },
  {
    name: 'a scheme that nobody has',
    credentials: [ntlm],
    script: challenge('Bearer realm="x"', 'Hoba result=0'),
    outcome: refusedLogon,
  },
  {
    name: 'a thousand challenges',
    credentials: [ntlm],
    script: challenge(Array.from({ length: 1000 }, (_, index) => `S${index}`).join(', ')),
    outcome: refusedLogon,
  },
  {
    name: 'Digest with an unknown algorithm',
    credentials: [digest],
    script: challenge('Digest realm="r", nonce="n", algorithm=ROT13'),
    outcome: refusedLogon,
  },
  {
    name: 'Digest with a nonce that changes each time',
    credentials: [digest],
    script: (scene) => {
      let count = 0;
      return (asked, wire) =>
        void wire.send(
          fine(asked, scene().a)
            .as(401)
            .add('WWW-Authenticate', `Digest realm="r", nonce="${count++}", stale=true, qop="auth", algorithm=SHA-256`)
            .bytes,
        );
    },
    outcome: refusedLogon,
  },
  {
    name: '401 in the middle, no credentials',
    way: 'ranges',
    script: spoil('later', (reply) => reply.as(401).add('WWW-Authenticate', 'NTLM')),
    outcome: refusedLogon,
  },
  {
    name: '401 with much content',
    credentials: [ntlm],
    script: spoil('all', (reply) => reply.as(401, Buffer.alloc(4 << 20)).add('WWW-Authenticate', 'NTLM')),
    outcome: or(refusedLogon, lost, invalid),
  },
  {
    name: '200 that asks to log on',
    credentials: [ntlm],
    script: spoil('get', (reply) => reply.add('WWW-Authenticate', 'NTLM')),
    outcome: or(file('a'), refusedLogon),
  },
  {
    name: 'user and password in the URL',
    userInfo: 'user:password@',
    secret: true,
    script: challenge('Basic realm="r"'),
    outcome: refusedLogon,
  },
];
