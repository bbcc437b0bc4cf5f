import { createHash } from 'node:crypto';
import { CarmineError } from '@carmine/errors';
import type { PasswordCredentials } from '../context.ts';
import type { Challenge } from './challenges.ts';
import type { HttpRequestLine } from './types.ts';

/** A Digest challenge that can be answered, RFC 7616 section 3.3. */
export interface DigestChallenge {
  readonly realm: string;
  readonly nonce: string;
  readonly opaque: string | undefined;
  readonly algorithm: DigestAlgorithm;
  /** As the server wrote it, to be sent back; undefined when it left the algorithm open. */
  readonly algorithmName: string | undefined;
  readonly stale: boolean;
}

interface DigestAlgorithm {
  readonly hash: 'md5' | 'sha256';
  readonly session: boolean;
}

/**
 * The strongest Digest challenge with `qop=auth`; undefined when there is none.
 * RFC 7616 section 3.7: a client "SHOULD choose the first [challenge] it understands"; like section 5.6 we prefer SHA-256.
 */
export function selectDigest(challenges: readonly Challenge[]): DigestChallenge | undefined {
  const usable = challenges.flatMap((challenge) => readChallenge(challenge) ?? []);
  return usable.find(({ algorithm }) => algorithm.hash === 'sha256') ?? usable[0];
}

export interface DigestAnswer {
  readonly credentials: PasswordCredentials;
  readonly challenge: DigestChallenge;
  readonly request: HttpRequestLine;
  readonly clientNonce: string;
  /** How many requests were sent with this nonce, this one included. */
  readonly count: number;
}

/** The Authorization value, RFC 7616 section 3.4. */
export function encodeDigest({ credentials, challenge, request, clientNonce, count }: DigestAnswer): string {
  const { user, domain, password } = credentials;
  const { realm, nonce, opaque, algorithm, algorithmName } = challenge;
  const name = domain === undefined || domain === '' ? user : `${domain}\\${user}`;
  const hash = (text: string) => createHash(algorithm.hash).update(text, 'utf8').digest('hex');
  const nonceCount = count.toString(16).padStart(8, '0');
  // 3.4.2: A1 = unq(username) ":" unq(realm) ":" passwd, or with -sess the hash of that ":" unq(nonce) ":" unq(cnonce)
  const secret = hash(`${name}:${realm}:${password}`);
  const a1 = algorithm.session ? hash(`${secret}:${nonce}:${clientNonce}`) : secret;
  const a2 = hash(`${request.method}:${request.uri}`);
  const response = hash(`${a1}:${nonce}:${nonceCount}:${clientNonce}:auth:${a2}`);

  const parameters = [
    // 3.4: username* "if the [name] contains characters not allowed inside the ABNF quoted-string".
    /^[\x20-\x7e]*$/.test(name) ? `username=${quote(name)}` : `username*=UTF-8''${encodeExtended(name)}`,
    `realm=${quote(realm)}`,
    `nonce=${quote(nonce)}`,
    `uri=${quote(request.uri)}`,
    ...(algorithmName === undefined ? [] : [`algorithm=${algorithmName}`]),
    'qop=auth',
    `nc=${nonceCount}`,
    `cnonce=${quote(clientNonce)}`,
    `response="${response}"`,
    ...(opaque === undefined ? [] : [`opaque=${quote(opaque)}`]),
  ];
  return `Digest ${parameters.join(', ')}`;
}

function readChallenge({ scheme, parameters }: Challenge): DigestChallenge | undefined {
  if (scheme !== 'digest') return undefined;
  const realm = parameters.get('realm');
  const nonce = parameters.get('nonce');
  if (realm === undefined || nonce === undefined) {
    throw new CarmineError('auth/protocol', { context: { mechanism: 'digest', reason: 'realm or nonce is missing' } });
  }
  const qop = parameters.get('qop')?.split(',') ?? [];
  if (!qop.some((value) => value.trim().toLowerCase() === 'auth')) return undefined;
  const algorithmName = parameters.get('algorithm');
  const algorithm = algorithms.get((algorithmName ?? 'MD5').toLowerCase());
  if (algorithm === undefined) return undefined;
  const stale = parameters.get('stale')?.toLowerCase() === 'true';
  return { realm, nonce, opaque: parameters.get('opaque'), algorithm, algorithmName, stale };
}

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** ext-value of RFC 8187. */
function encodeExtended(text: string): string {
  return encodeURIComponent(text).replace(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

const algorithms = new Map<string, DigestAlgorithm>([
  ['md5', { hash: 'md5', session: false }],
  ['md5-sess', { hash: 'md5', session: true }],
  ['sha-256', { hash: 'sha256', session: false }],
  ['sha-256-sess', { hash: 'sha256', session: true }],
]);
