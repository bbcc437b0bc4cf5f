import { CarmineError } from '@carmine/errors';
import { decodeDer } from '@carmine/wire/der';
import { kerberosProtocol } from '../errors.ts';
import { type KrbError, krbError, krbErrorName } from '../messages/krb-error.ts';

/** What to send to a KDC of a realm; its answer goes to `receive`. */
export interface KdcRequest {
  readonly realm: string;
  readonly message: Uint8Array;
}

/**
 * A conversation with KDCs, without IO: send what `poll` returns, hand over the answer, until `result` is there.
 * `receive` throws CarmineError when there will be none.
 */
export interface KdcExchange<Result> {
  /** The request that is due; undefined while an answer is awaited and once there is a result. */
  poll(): KdcRequest | undefined;
  receive(reply: Uint8Array): void;
  readonly result: Result | undefined;
}

/** What an exchange got. */
export interface KdcResult<Credential> {
  readonly credential: Credential;
  /** What to add to our clock to get the KDC's, in milliseconds. */
  readonly clockOffset: number;
}

/** Bookkeeping that the exchanges share: one request at a time, and not for ever. */
export abstract class KdcExchangeBase<Result> implements KdcExchange<Result> {
  #due: KdcRequest | undefined;
  #requests = 0;
  #awaiting = false;
  result: Result | undefined;

  poll(): KdcRequest | undefined {
    const due = this.#due;
    if (due !== undefined) this.#awaiting = true;
    this.#due = undefined;
    return due;
  }

  receive(reply: Uint8Array): void {
    if (!this.#awaiting) throw kerberosProtocol('an answer came without a request');
    this.#awaiting = false;
    this.answered(reply);
  }

  protected abstract answered(reply: Uint8Array): void;

  protected send(request: KdcRequest): void {
    this.#requests++;
    if (this.#requests > maxRequests) throw kerberosProtocol('the KDC keeps asking');
    this.#due = request;
  }
}

/** The KRB-ERROR in an answer; undefined when it is something else. */
export function asKrbError(reply: Uint8Array): KrbError | undefined {
  return reply[0] === 0x7e ? decodeDer(krbError, reply) : undefined;
}

export function kdcRefusal(error: KrbError, realm: string): CarmineError {
  return new CarmineError('auth/kdc-refused', {
    context: { realm, name: krbErrorName(error.errorCode), number: error.errorCode, text: error.eText },
  });
}

/**
 * What to add to our clock to get the KDC's, from a time that it states. UNSPECIFIED: a century is the most; further away
 * is no clock, and times could not be written any more. Throws `auth/protocol`.
 */
export function clockOffsetOf(stated: number, now: number): number {
  const offset = stated - now;
  if (Math.abs(offset) > century) throw kerberosProtocol('the clock of the KDC is a century away');
  return offset;
}

/** A nonce that peers with signed numbers read as we do. */
export function makeNonce(octets: Uint8Array): number {
  return new DataView(octets.buffer, octets.byteOffset, 4).getUint32(0) & 0x3fff_ffff;
}

const century = 100 * 365.25 * 86_400_000;

/** Preauthentication, a corrected clock and a few referrals. */
const maxRequests = 16;
