import {
  kerberosInitiatorMechanism,
  type MechanismContext,
  type ServiceTicket,
  type SpnegoMechanism,
} from '@carmine/auth';
import { systemEnvironment } from '@carmine/auth/node';
import { apReq, authenticator, frameToken, keyUsages, profileOf, readToken, useKey } from '@carmine/auth/testing';
import type { SeededRandom } from '@carmine/testkit';
import { concatBytes } from '@carmine/wire';
import { type DerValueOf, decodeDer, encodeDer } from '@carmine/wire/der';
import type { Attack } from './attack.ts';
import { admin, type Door, reader } from './doors.ts';
import { flip } from './flip.ts';
import { newKey, type TicketClaims } from './kerberos-realm.ts';
import type { LineAnswer } from './line.ts';
import type { Logon, Scene } from './scene.ts';
import { tokenReplays } from './token-replays.ts';

type ApReq = DerValueOf<typeof apReq>;
type Authenticator = DerValueOf<typeof authenticator>;

interface Attempt {
  readonly ticket?: ((scene: Scene) => Partial<TicketClaims>) | undefined;
  /** Octets of tls-server-end-point; the door's unless given. */
  readonly binding?: ((scene: Scene) => Uint8Array | 'none') | undefined;
  readonly authenticator?: ((part: Authenticator, random: SeededRandom) => Partial<Authenticator>) | undefined;
  readonly request?: ((request: ApReq, random: SeededRandom) => Partial<ApReq>) | undefined;
  readonly token?: ((token: Uint8Array, random: SeededRandom) => Uint8Array) | undefined;
}

/** Logs on with a ticket, in SPNEGO or as a Kerberos token alone; `attempt` breaks what it says. */
export async function kerberosLogon(scene: Scene, line: Logon['line'], attempt: Attempt = {}): Promise<Logon> {
  const { door, random } = scene;
  if (door.kerberos === undefined) throw new Error(`${door.name} has no Kerberos`);
  const ticket = door.kerberos.ticket({ client: someAdministrator(random), ...attempt.ticket?.(scene) });
  const binding = attempt.binding?.(scene) ?? door.binding;
  const inner = kerberosInitiatorMechanism({
    ticket,
    environment: systemEnvironment,
    channelBinding: binding === 'none' ? undefined : binding,
  });
  const mechanism = changed(inner, (token) => {
    const framed = rewrite(token, ticket, attempt, random);
    return attempt.token?.(framed, random) ?? framed;
  });
  return random.below(2) === 0 ? scene.spnego(line, [mechanism]) : scene.raw(line, mechanism);
}

/** Many names for one account: the memory of authenticators has a limit for each. */
function someAdministrator(random: SeededRandom): string {
  return `${admin.user}/${random.below(64)}`;
}

/** The mechanism with another first token. */
function changed(mechanism: SpnegoMechanism, change: (token: Uint8Array) => Uint8Array): SpnegoMechanism {
  return {
    ...mechanism,
    create() {
      const context = mechanism.create();
      const step: MechanismContext['step'] = (input) => {
        const token = context.step(input);
        return input === undefined && token !== undefined ? change(token) : token;
      };
      return new Proxy(context, {
        get: (target, name) => {
          if (name === 'step') return step;
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    },
  };
}

function rewrite(token: Uint8Array, ticket: ServiceTicket, attempt: Attempt, random: SeededRandom): Uint8Array {
  let request = decodeDer(apReq, readToken(token).message);
  if (attempt.authenticator !== undefined) {
    const { sessionKey } = ticket;
    const sealing = useKey(sessionKey, keyUsages.requestAuthenticator);
    const part = decodeDer(authenticator, sealing.decrypt(request.authenticator.cipher));
    const plain = encodeDer(authenticator, { ...part, ...attempt.authenticator(part, random) });
    const confounder = systemEnvironment.randomBytes(profileOf(sessionKey).confounderLength);
    request = { ...request, authenticator: { etype: sessionKey.etype, cipher: sealing.encrypt(plain, confounder) } };
  }
  return frameToken('ap-req', encodeDer(apReq, { ...request, ...attempt.request?.(request, random) }));
}

async function afterwards(scene: Scene, { line, context }: Logon): Promise<readonly LineAnswer[]> {
  const answers = [await line.ask(scene.bare())];
  if (scene.door.service === 'management' && !scene.door.secure && context.complete)
    answers.push(await line.ask(scene.sealed(context)));
  return answers;
}

const withKerberos = (door: Door) => door.kerberos !== undefined;
const secure = (door: Door) => withKerberos(door) && door.secure;
const sealing = (door: Door) => withKerberos(door) && door.service === 'management' && !door.secure;

/** An exchange in which something is wrong; afterwards the connection must be nobody's. */
function broken(kind: string, attempt: Attempt, at = withKerberos): Attack {
  return {
    kind: `Kerberos, ${kind}`,
    at,
    async run(scene) {
      const logon = await kerberosLogon(scene, await scene.open(), attempt);
      return [logon.answer, ...(await afterwards(scene, logon))];
    },
  };
}

function onAdministrators(
  kind: string,
  run: (scene: Scene, logon: Logon) => Promise<readonly LineAnswer[]>,
  at = withKerberos,
): Attack {
  return {
    kind: `Kerberos, ${kind}`,
    at,
    async run(scene) {
      const logon = await validLogon(scene);
      return run(scene, logon);
    },
  };
}

/** Administrator's, with an action done: reading the file is part of the logon at the data door. */
async function validLogon(scene: Scene): Promise<Logon> {
  const logon = await kerberosLogon(scene, await scene.open());
  scene.mustSucceed(logon.answer, 'a valid Kerberos logon');
  await scene.act(logon.line, scene.request(logon.context));
  return logon;
}

const minutes = 60_000;

const tickets: readonly Attack[] = [
  broken('ticket under a key that is not the service’s', { ticket: () => ({ key: newKey() }) }),
  broken('ticket of an unknown principal', { ticket: ({ random }) => ({ client: `x${random.below(1e6)}` }) }),
  broken('ticket of another realm’s admin', { ticket: () => ({ realm: 'OTHER.EXAMPLE' }) }),
  broken('ticket that has ended', { ticket: () => ({ start: -600 * minutes, end: -6 * minutes }) }),
  broken('ticket that has not begun', { ticket: () => ({ start: 6 * minutes, end: 600 * minutes }) }),
  broken('ticket that is marked invalid', { ticket: () => ({ flags: 0x0100_0000 }) }),
  broken('PAC that makes a stranger administrator', { ticket: () => ({ client: 'stranger', pacKey: newKey() }) }),
  {
    kind: 'Kerberos, user without rights',
    at: withKerberos,
    async run(scene) {
      const logon = await kerberosLogon(scene, await scene.open(), { ticket: () => ({ client: reader.user }) });
      const own = await logon.line.ask(scene.request(logon.context));
      // At the data door the last message of a logon is a request for the file already.
      return scene.door.service === 'data' ? [logon.answer, own] : [own];
    },
  },
];

const requests: readonly Attack[] = [
  broken('AP-REQ truncated', { token: (token, random) => token.slice(0, random.below(token.length)) }),
  broken('ticket flipped', {
    request: ({ ticket }, random) => ({ ticket: flip(ticket, random, ticket.length - 100, ticket.length) }),
  }),
  broken('authenticator flipped', {
    request: ({ authenticator: { etype, cipher } }, random) => ({
      authenticator: { etype, cipher: flip(cipher, random, 0, cipher.length) },
    }),
  }),
  broken('authenticator removed', {
    request: ({ authenticator: { etype } }, random) => ({
      authenticator: { etype, cipher: random.pick([new Uint8Array(0), random.bytes(16), random.bytes(200)]) },
    }),
  }),
  broken('authenticator of another name', { authenticator: () => ({ cname: { nameType: 1, nameString: ['admin'] } }) }),
  broken('authenticator of another realm', { authenticator: () => ({ crealm: 'OTHER.EXAMPLE' }) }),
  broken('authenticator of another time', {
    authenticator: ({ ctime }, random) => ({ ctime: ctime + random.pick([-6, 6, 60, -1_000_000]) * minutes }),
  }),
  broken('authenticator without the GSS checksum', { authenticator: () => ({ cksum: undefined }) }),
  broken(
    'wrong channel binding',
    { binding: ({ random }) => concatBytes(encoder.encode('tls-server-end-point:'), random.bytes(32)) },
    secure,
  ),
  broken('channel binding missing', { binding: () => 'none' }, secure),
];

const replays: readonly Attack[] = [
  ...tokenReplays(onAdministrators, afterwards),
  onAdministrators("second user's broken token on the first's connection", async (scene, first) => {
    const second = await kerberosLogon(scene, first.line, { ticket: () => ({ client: reader.user, key: newKey() }) });
    return [second.answer, ...(await afterwards(scene, first)), ...(await afterwards(scene, second))];
  }),
];

const seals: readonly Attack[] = [
  onAdministrators(
    'sealed message replayed',
    async (scene, logon) => {
      const message = scene.sealed(logon.context);
      await scene.act(logon.line, message);
      return [await logon.line.ask(message)];
    },
    sealing,
  ),
  onAdministrators(
    'sealed message of another connection',
    async (scene, logon) => [await logon.line.ask(scene.sealed((await validLogon(scene)).context))],
    sealing,
  ),
  onAdministrators(
    'sealed messages out of order',
    async (scene, logon) => {
      scene.sealed(logon.context);
      return [await logon.line.ask(scene.sealed(logon.context))];
    },
    sealing,
  ),
  onAdministrators(
    'sealed message flipped',
    async (scene, logon) => {
      const message = scene.sealed(logon.context);
      const body = flip(message.body, scene.random, message.binary.start, message.binary.end);
      return [await logon.line.ask({ ...message, body })];
    },
    sealing,
  ),
  onAdministrators(
    'plain message where messages are sealed',
    async (scene, { line }) => [await line.ask(scene.bare())],
    sealing,
  ),
];

export const kerberosAttacks: readonly Attack[] = [...tickets, ...requests, ...replays, ...seals];

const encoder = new TextEncoder();
