import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { CarmineError, isCarmineError } from '@carmine/errors';
import { asKrbError, type KdcExchange, type KdcRequest } from '../kerberos/client/exchange.ts';
import { krbErrors } from '../kerberos/messages/krb-error.ts';

export interface KdcConnectionOptions {
  /** `host`, `host:port` or `[address]:port` of the KDCs of a realm, in the order in which they are tried. */
  readonly kdcs: (realm: string) => readonly string[];
  /** Milliseconds for one attempt over TCP, 5,000 unless given; over UDP a fifth of it. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs an exchange with real KDCs, RFC 4120 section 7.2: each is asked over UDP when the request is small, and over TCP
 * when it is not, when the answer would be too big or when none comes. Throws what the exchange throws,
 * `auth/kdc-unreachable` when no KDC answers, `internal/aborted`.
 */
export async function runKdcExchange<Result>(
  exchange: KdcExchange<Result>,
  options: KdcConnectionOptions,
): Promise<Result> {
  for (;;) {
    const request = exchange.poll();
    if (request === undefined) break;
    exchange.receive(await ask(request, options));
  }
  if (exchange.result === undefined)
    throw new CarmineError('internal/unexpected', { context: { message: 'no result' } });
  return exchange.result;
}

async function ask({ realm, message }: KdcRequest, options: KdcConnectionOptions): Promise<Uint8Array> {
  const { timeout = 5000 } = options;
  const kdcs = options.kdcs(realm);
  const reasons: string[] = kdcs.length === 0 ? ['none is configured'] : [];
  for (const kdc of kdcs) {
    const address = parseAddress(kdc);
    for (const [exchange, limit] of message.length <= maxDatagram ? [udp(timeout), tcp(timeout)] : [tcp(timeout)]) {
      if (isAborted(options.signal)) throw new CarmineError('internal/aborted');
      try {
        const reply = await exchange(address, message, limitedSignal(options.signal, limit));
        // Over TCP there is no such answer.
        if (exchange === askUdp && isTooBig(reply)) continue;
        return reply;
      } catch (error) {
        if (isAborted(options.signal)) throw new CarmineError('internal/aborted', { cause: error });
        reasons.push(`${kdc}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  throw new CarmineError('auth/kdc-unreachable', { context: { realm, reason: reasons.join('; ') } });
}

type Ask = (address: Address, message: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>;

const udp = (timeout: number): readonly [Ask, number] => [askUdp, timeout / 5];
const tcp = (timeout: number): readonly [Ask, number] => [askTcp, timeout];

interface Address {
  readonly host: string;
  readonly port: number;
}

async function askUdp({ host, port }: Address, message: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4' });
  try {
    return await settled(signal, (resolve, reject) => {
      socket.on('error', reject);
      socket.on('message', (reply) => resolve(new Uint8Array(reply)));
      // Connected, so that others' datagrams are not seen and a closed port is noticed.
      socket.connect(port, host, () => socket.send(message));
    });
  } finally {
    socket.close();
  }
}

/** RFC 4120 section 7.2.2: four octets of length, big-endian, the highest bit zero. */
async function askTcp({ host, port }: Address, message: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  const socket = connect({ host, port, noDelay: true });
  try {
    return await settled(signal, (resolve, reject) => {
      let received = Buffer.alloc(0);
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('the connection was closed')));
      socket.on('data', (octets: Buffer) => {
        received = Buffer.concat([received, octets]);
        if (received.length < 4) return;
        const length = received.readUInt32BE();
        if (length > maxReply) reject(new Error(`an answer of ${length} octets`));
        else if (received.length >= 4 + length) resolve(new Uint8Array(received.subarray(4, 4 + length)));
      });
      const head = Buffer.alloc(4);
      head.writeUInt32BE(message.length);
      socket.write(Buffer.concat([head, message]));
    });
  } finally {
    socket.destroy();
  }
}

function settled<T>(
  signal: AbortSignal,
  start: (resolve: (value: T) => void, reject: (reason: Error) => void) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = () => reject(new Error('no answer in time'));
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    else start(resolve, reject);
  });
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

function limitedSignal(signal: AbortSignal | undefined, milliseconds: number): AbortSignal {
  const limit = AbortSignal.timeout(milliseconds);
  return signal === undefined ? limit : AbortSignal.any([signal, limit]);
}

function isTooBig(reply: Uint8Array): boolean {
  try {
    return asKrbError(reply)?.errorCode === krbErrors.KRB_ERR_RESPONSE_TOO_BIG;
  } catch (error) {
    // The exchange says what is wrong with it.
    if (isCarmineError(error)) return false;
    throw error;
  }
}

function parseAddress(text: string): Address {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text.replace(/^(?:tcp|udp)\//, ''));
  const port = Number(match?.[3] ?? 88);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port === 0 || port > 65_535) {
    throw new CarmineError('usage/invalid', { context: { reason: `not the address of a KDC: ${text}` } });
  }
  return { host, port };
}

/** MIT's udp_preference_limit. */
const maxDatagram = 1465;

/** Tickets with the largest authorisation data stay below 64 KiB. */
const maxReply = 1 << 20;
