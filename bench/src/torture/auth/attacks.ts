import { ntlmInitiatorMechanism, type SecurityContext, type SpnegoMechanism } from '@carmine/auth';
import { systemEnvironment } from '@carmine/auth/node';
import { isCarmineError } from '@carmine/errors';
import type { SeededRandom } from '@carmine/testkit';
import { concatBytes } from '@carmine/wire';
import type { Attack } from './attack.ts';
import { admin, type Door, reader } from './doors.ts';
import { flip } from './flip.ts';
import { kerberosAlone, refusedMechanism } from './foreign-mechanisms.ts';
import {
  authenticateParts,
  challengeParts,
  type ForgedKind,
  forgeAuthenticate,
  negotiateParts,
  withoutListMic,
  withoutMic,
} from './forge.ts';
import { kerberosAttacks } from './kerberos-attacks.ts';
import type { LineAnswer, LineRequest } from './line.ts';
import type { Logon, LogonOptions, Scene, Tampering } from './scene.ts';
import { tokenReplays } from './token-replays.ts';

const management = (door: Door) => door.service === 'management';
const data = (door: Door) => door.service === 'data';
const secure = (door: Door) => door.secure;
const insecure = (door: Door) => !door.secure;
const sealing = (door: Door) => door.service === 'management' && !door.secure;
const basicOffered = (door: Door) => door.service === 'management' && door.secure;

/** A header by itself, with the request that would act, and the request once more without it. */
function header(kind: string, value: (scene: Scene) => string | undefined, at?: Attack['at']): Attack {
  return {
    kind,
    at,
    async run(scene) {
      const line = await scene.open();
      return [await line.ask(scene.bare(value(scene))), await line.ask(scene.bare())];
    },
  };
}

/** An exchange in which something is wrong; afterwards the connection must be nobody's. */
function exchange(kind: string, options: (scene: Scene) => LogonOptions, at?: Attack['at']): Attack {
  return {
    kind,
    at,
    async run(scene) {
      const logon = await scene.ntlm(await scene.open(), options(scene));
      return [logon.answer, ...(await afterwards(scene, logon))];
    },
  };
}

function tampered(kind: string, tampering: (random: SeededRandom) => Tampering, at?: Attack['at']): Attack {
  return exchange(kind, ({ random }) => ({ credentials: admin, tampering: tampering(random) }), at);
}

function forged(kind: ForgedKind, name: string, at?: Attack['at']): Attack {
  return tampered(
    name,
    () => ({ authenticate: (_, challenge) => forgeAuthenticate(kind, challenge, admin.user, admin.password) }),
    at,
  );
}

async function afterwards(scene: Scene, { line, context }: Logon): Promise<readonly LineAnswer[]> {
  const answers = [await line.ask(scene.bare())];
  const message = sealing(scene.door) && context.complete ? sealedIfAgreed(scene, context) : undefined;
  if (message !== undefined) answers.push(await line.ask(message));
  return answers;
}

/** Undefined when somebody took the flag for sealing away: then our own client does not seal. */
function sealedIfAgreed(scene: Scene, context: SecurityContext): LineRequest | undefined {
  try {
    return scene.sealed(context);
  } catch (error) {
    if (isCarmineError(error, 'auth/policy')) return undefined;
    throw error;
  }
}

/** With a connection that administrator has, and one action done. */
function onAdministrators(
  kind: string,
  run: (scene: Scene, logon: Logon) => Promise<readonly LineAnswer[]>,
  at?: Attack['at'],
): Attack {
  return {
    kind,
    at,
    async run(scene) {
      const logon = await scene.logOn(await scene.open(), admin);
      await scene.act(logon.line, scene.request(logon.context));
      return run(scene, logon);
    },
  };
}

const firstHeader = ({ sent }: Logon) => sent[0] ?? '';

const headers: readonly Attack[] = [
  header('header absent', () => undefined),
  header('header empty', ({ random }) => random.pick(['', ' ', 'Negotiate', 'NTLM', 'Negotiate ', 'Basic', 'Basic '])),
  header('wrong scheme', ({ random }) =>
    random.pick([
      'Bearer abc',
      'Digest username="admin"',
      'Kerberos YIIB',
      'Negotiat e',
      'AWS4 x',
      'NTLMv2 TlRMTVNTUAAB',
    ]),
  ),
  header(
    'not base64',
    ({ random, door }) => `${door.scheme} ${random.pick(['*', 'a', 'TlRM TVNT', '====', 'TlRMTVNTUAAB!'])}`,
  ),
  header('random token', ({ random, door }) => `${door.scheme} ${base64(random.bytes(1 + random.below(400)))}`),
  header('Basic over http, right password', () => basic(admin.user, admin.password), insecure),
  header('Basic where it is not offered', () => basic(admin.user, admin.password), data),
  header('Basic, wrong password', ({ random }) => basic(admin.user, wrong(random)), basicOffered),
  header('Basic, empty password', () => basic(admin.user, ''), basicOffered),
  header(
    'Basic, unknown or empty user',
    ({ random }) => basic(random.pick(['guest', '', 'x']), random.pick(['', 'x'])),
    basicOffered,
  ),
  header('Basic, malformed', ({ random }) => `Basic ${base64(random.bytes(random.below(40)))}`, basicOffered),
  header('SPNEGO, a mechanism that is not ours alone', ({ random }) => `Negotiate ${base64(kerberosAlone(random))}`),
];

const exchanges: readonly Attack[] = [
  exchange('NTLM, wrong password', ({ random }) => ({ credentials: { user: admin.user, password: wrong(random) } })),
  exchange('NTLM, empty password', () => ({ credentials: { user: admin.user, password: '' } })),
  exchange('NTLM, unknown user', ({ random }) => ({ credentials: { user: `x${random.below(1e6)}`, password: 'x' } })),
  exchange('NTLM, guest', ({ random }) => ({ credentials: { user: 'guest', password: random.pick(['', 'guest']) } })),
  exchange(
    'wrong channel binding',
    ({ random }) => ({
      credentials: admin,
      binding: concatBytes(encoder.encode('tls-server-end-point:'), random.bytes(32)),
    }),
    secure,
  ),
  exchange('channel binding missing', () => ({ credentials: admin, binding: 'none' }), secure),
  tampered('AUTHENTICATE truncated', (random) => ({
    authenticate: (message) => message.slice(0, random.below(message.length)),
  })),
  tampered('AUTHENTICATE flipped', (random) => ({
    authenticate: (message) => flip(message, random, 0, message.length),
  })),
  tampered('NEGOTIATE truncated', (random) => ({ negotiate: (message) => message.slice(0, 1 + random.below(15)) })),
  tampered('CHALLENGE of another exchange', (random) => ({
    challenge: (message) => flip(message, random, challengeParts.nonce.start, challengeParts.nonce.end),
  })),
  tampered('MIC removed', () => ({ authenticate: withoutMic })),
  tampered('MIC zeroed', () => ({
    authenticate: (message) => concatBytes(message.subarray(0, 72), new Uint8Array(16), message.subarray(88)),
  })),
  tampered('MIC flipped', (random) => ({
    authenticate: (message) => flip(message, random, authenticateParts.mic.start, authenticateParts.mic.end),
  })),
  tampered('flags downgraded in NEGOTIATE', (random) => ({
    negotiate: (message) => fewerFlags(message, negotiateParts.flags, random),
  })),
  tampered('flags downgraded in CHALLENGE', (random) => ({
    challenge: (message) => fewerFlags(message, challengeParts.flags, random),
  })),
  tampered('flags downgraded in AUTHENTICATE', (random) => ({
    authenticate: (message) => fewerFlags(message, authenticateParts.flags, random),
  })),
  forged('ntlmv1', 'NTLMv1'),
  forged('ntlmv1 with extended security', 'NTLMv1 with extended session security'),
  forged('lm', 'LM'),
  forged('anonymous', 'anonymous'),
  forged('guest', 'guest without responses'),
  // Where no message is ever sealed, clients that have no MIC at all are let in (curl); see url-server.
  forged('no mic', 'NTLMv2 without a MIC', management),
];

const replays: readonly Attack[] = [
  ...tokenReplays(onAdministrators, afterwards),
  onAdministrators('whole exchange replayed on another connection', async (scene, logon) => {
    const line = await scene.open();
    const answers: LineAnswer[] = [];
    for (const authorization of logon.sent) answers.push(await line.ask(scene.bare(authorization)));
    return [...answers, ...(await afterwards(scene, { ...logon, line }))];
  }),
  {
    kind: "another connection's challenge",
    async run(scene) {
      const [line, lastTo] = [await scene.open(), await scene.open()];
      // The other connection has a challenge of its own.
      await scene.ntlm(lastTo, { credentials: admin, lastTo: await scene.open() });
      const logon = await scene.ntlm(line, { credentials: admin, lastTo });
      return [logon.answer, ...(await afterwards(scene, logon)), await line.ask(scene.bare())];
    },
  },
  {
    kind: 'header after a reset',
    async run(scene) {
      const [line, lastTo] = [await scene.open(), await scene.open()];
      const logon = await scene.ntlm(line, {
        credentials: admin,
        lastTo,
        tampering: {
          authenticate(message) {
            line.close();
            return message;
          },
        },
      });
      return [logon.answer, ...(await afterwards(scene, logon))];
    },
  },
];

const secondUsers: readonly Attack[] = [
  onAdministrators("second user's wrong password on the first's connection", async (scene, first) => {
    const second = await scene.ntlm(first.line, { credentials: { user: reader.user, password: wrong(scene.random) } });
    return [second.answer, ...(await afterwards(scene, first)), ...(await afterwards(scene, second))];
  }),
  onAdministrators("half an exchange on the first's connection", async (scene, first) => [
    await first.line.ask(scene.bare(firstHeader(first))),
    ...(await afterwards(scene, first)),
  ]),
  onAdministrators("a broken header on the first's connection", async (scene, first) => [
    await first.line.ask(scene.bare(scene.random.pick(['Negotiate', 'NTLM *', 'Basic eDp5', 'Bearer x', 'x']))),
    ...(await afterwards(scene, first)),
  ]),
  onAdministrators("second user without rights on the first's connection", async (scene, first) => {
    const second = await scene.ntlm(first.line, { credentials: reader });
    const own = await first.line.ask(scene.request(second.context));
    return [...refusedLogon(scene, second), own, ...(await afterwards(scene, first))];
  }),
  {
    kind: 'user without rights',
    async run(scene) {
      const logon = await scene.ntlm(await scene.open(), { credentials: reader });
      const own = await logon.line.ask(scene.request(logon.context));
      return [...refusedLogon(scene, logon), own];
    },
  },
];

/** At the data door the last message of a logon is a request for the file already. */
function refusedLogon({ door }: Scene, { answer }: Logon): readonly LineAnswer[] {
  return door.service === 'data' ? [answer] : [];
}

const seals: readonly Attack[] = [
  sealed('sealed message replayed', async (scene, logon) => {
    const message = scene.sealed(logon.context);
    await scene.act(logon.line, message);
    return [await logon.line.ask(message)];
  }),
  sealed('sealed message of another connection', async (scene, logon) => {
    const other = await scene.logOn(await scene.open(), admin);
    return [await logon.line.ask(scene.sealed(other.context))];
  }),
  sealed('sealed message without logon', async (scene, logon) => {
    const line = await scene.open();
    return [await line.ask(scene.sealed(logon.context))];
  }),
  sealed('sealed messages out of order', async (scene, logon) => {
    scene.sealed(logon.context);
    return [await logon.line.ask(scene.sealed(logon.context))];
  }),
  sealed('sealed message truncated', async (scene, logon) => {
    const message = scene.sealed(logon.context);
    const length = scene.random.below(message.binary.end);
    // Nothing at all would be the empty message that ends a logon.
    return [await logon.line.ask({ ...message, body: message.body.slice(0, Math.max(1, length)) })];
  }),
  sealed('sealed message flipped', async (scene, logon) => {
    const message = scene.sealed(logon.context);
    const body = flip(message.body, scene.random, message.binary.start, message.binary.end);
    return [await logon.line.ask({ ...message, body })];
  }),
  {
    kind: 'plain message where messages are sealed',
    at: sealing,
    async run(scene) {
      const { line } = await scene.logOn(await scene.open(), admin);
      return [await line.ask(scene.bare())];
    },
  },
];

/** Afterwards the connection is over, for the right message as well. */
function sealed(kind: string, run: (scene: Scene, logon: Logon) => Promise<readonly LineAnswer[]>): Attack {
  const then = async (scene: Scene, logon: Logon) => {
    const answers = await run(scene, logon);
    return kind === 'sealed message without logon' ? answers : [...answers, ...(await afterwards(scene, logon))];
  };
  return onAdministrators(kind, then, sealing);
}

const negotiations: readonly Attack[] = [
  spnego('SPNEGO, mechListMIC removed', (token, leg) => (leg === 0 ? token : withoutListMic(token))),
  spnego('SPNEGO, mechListMIC flipped', (token, leg, random) =>
    leg === 0 ? token : flip(token, random, token.length - 16, token.length),
  ),
  // The list that the server sees lacks the client's first choice, and so the MIC over it is another one.
  spnego('SPNEGO, list of mechanisms edited', (token, leg) => (leg === 0 ? renamedFirst(token) : token)),
  spnego('SPNEGO, last token truncated', (token, leg, random) =>
    leg === 0 ? token : token.slice(0, random.below(token.length)),
  ),
];

function spnego(kind: string, tamper: (token: Uint8Array, leg: number, random: SeededRandom) => Uint8Array): Attack {
  return {
    kind,
    // Where Kerberos is offered it would be taken.
    at: (door) => door.kerberos === undefined,
    async run(scene) {
      const mechanisms = [refusedMechanism, ntlmOf(scene)];
      const logon = await scene.spnego(await scene.open(), mechanisms, (token, leg) =>
        tamper(token, leg, scene.random),
      );
      return [logon.answer, ...(await afterwards(scene, logon))];
    },
  };
}

/** NTLM as a SPNEGO mechanism for administrator. */
export function ntlmOf(scene: Scene): SpnegoMechanism {
  return ntlmInitiatorMechanism({
    credentials: admin,
    environment: systemEnvironment,
    targetName: 'WSMAN/localhost',
    channelBinding: scene.door.binding,
  });
}

export const attacks: readonly Attack[] = [
  ...headers,
  ...exchanges,
  ...replays,
  ...secondUsers,
  ...seals,
  ...negotiations,
  ...kerberosAttacks,
];

/** Clears at least one of the flags that are set. */
function fewerFlags(message: Uint8Array, at: number, random: SeededRandom): Uint8Array {
  const copy = message.slice();
  const view = new DataView(copy.buffer);
  const before = view.getUint32(at, true);
  for (let after = before; after === before; ) {
    after = (before & random.uint32()) >>> 0;
    view.setUint32(at, after, true);
  }
  return copy;
}

/** The last number of the first identifier (1.2.840.48018.1.2.2) becomes another one. */
function renamedFirst(token: Uint8Array): Uint8Array {
  const copy = token.slice();
  const identifier = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x82, 0xf7, 0x12, 0x01, 0x02, 0x02];
  const at = copy.findIndex((_, start) => identifier.every((byte, index) => copy[start + index] === byte));
  copy[at + identifier.length - 1] = 0x03;
  return copy;
}

function wrong(random: SeededRandom): string {
  return random.pick([
    `${admin.password}x`,
    admin.password.toLowerCase(),
    admin.password.slice(1),
    'x',
    ' ',
    'password',
  ]);
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

const encoder = new TextEncoder();
