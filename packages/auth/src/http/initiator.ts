import { CarmineError } from '@carmine/errors';
import type { PasswordCredentials, SecurityContext } from '../context.ts';
import { createKerberosInitiator, type KerberosInitiatorOptions } from '../kerberos/gss/initiator.ts';
import { createNtlmInitiator, type NtlmInitiatorOptions } from '../ntlm/initiator.ts';
import { createSpnegoInitiator, type SpnegoInitiator } from '../spnego/initiator.ts';
import { kerberosInitiatorMechanism, ntlmInitiatorMechanism, type SpnegoMechanism } from '../spnego/mechanism.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { encodeBasic } from './basic.ts';
import { type Challenge, parseChallenges } from './challenges.ts';
import { type DigestChallenge, encodeDigest, selectDigest } from './digest.ts';
import type { HttpInitiator, HttpInitiatorOptions, HttpRequestLine, HttpScheme } from './types.ts';

/**
 * The client side of HTTP authentication on one connection: the most preferred of our schemes that the server offers, once.
 * A server that refuses it is not tried with a weaker one. Basic is used on TLS only.
 */
export function createHttpInitiator(options: HttpInitiatorOptions): HttpInitiator {
  return new HttpInitiatorState(options);
}

/** Each variant carries what belongs to it. */
type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'basic' }
  | {
      readonly kind: 'digest';
      readonly challenge: DigestChallenge;
      readonly clientNonce: string;
      readonly count: number;
      /** A stale nonce was replaced for the request under way. */
      readonly retried: boolean;
    }
  | { readonly kind: 'negotiate'; readonly context: SpnegoInitiator }
  | { readonly kind: 'ntlm' | 'kerberos'; readonly context: SecurityContext }
  | { readonly kind: 'failed' };

class HttpInitiatorState implements HttpInitiator {
  readonly #options: HttpInitiatorOptions;
  readonly #schemes: readonly HttpScheme[];
  #state: State = { kind: 'idle' };
  #complete = false;

  constructor(options: HttpInitiatorOptions) {
    this.#options = options;
    this.#schemes = options.schemes.filter((scheme) => isPossible(scheme, options));
  }

  get complete(): boolean {
    return this.#complete;
  }

  get context(): SecurityContext | undefined {
    const state = this.#state;
    return 'context' in state && state.context.complete ? state.context : undefined;
  }

  initial(request?: HttpRequestLine): string | undefined {
    const state = this.#state;
    if (state.kind === 'digest') return this.#digest(state, request);
    if (state.kind === 'basic') return encodeBasic(this.#credentials);
    if (state.kind !== 'idle' || this.#schemes[0] !== 'basic') return undefined;
    this.#state = { kind: 'basic' };
    return encodeBasic(this.#credentials);
  }

  next(wwwAuthenticate: readonly string[], request?: HttpRequestLine): string {
    const state = this.#state;
    this.#state = { kind: 'failed' };
    const challenges = parseChallenges(wwwAuthenticate);
    const wasComplete = this.#complete;
    this.#complete = false;
    switch (state.kind) {
      case 'failed':
      case 'basic':
        throw this.#refused();
      case 'idle':
        return this.#start(challenges, request);
      case 'digest': {
        // RFC 7616 section 3.3, stale: the nonce is too old, the credentials were right. Once per request.
        const fresh = selectDigest(challenges);
        if (state.retried || fresh?.stale !== true || fresh.nonce === state.challenge.nonce) throw this.#refused();
        return this.#startDigest(fresh, request, true);
      }
      case 'negotiate':
      case 'kerberos':
      case 'ntlm': {
        // A 401 on a finished exchange takes the identity back; starting again could go on for ever.
        if (wasComplete) throw this.#refused();
        const token = tokenOf(challenges, state.kind);
        const output = token === undefined ? undefined : state.context.step(token);
        if (output === undefined) throw this.#refused();
        this.#state = state;
        return `${names[state.kind]} ${encodeBase64(output)}`;
      }
    }
  }

  finish(wwwAuthenticate: readonly string[]): void {
    if (this.#complete) return;
    const state = this.#state;
    if (state.kind === 'idle') return;
    this.#state = { kind: 'failed' };
    if (state.kind === 'failed') throw this.#refused();
    if (state.kind === 'negotiate' || state.kind === 'kerberos') {
      const token = tokenOf(parseChallenges(wwwAuthenticate), state.kind);
      if (token !== undefined) state.context.step(token);
      else if (state.kind === 'negotiate') state.context.concludeWithoutToken();
    }
    if ('context' in state && !state.context.complete) {
      throw new CarmineError('auth/protocol', {
        context: { mechanism: state.kind, reason: 'the server did not finish the exchange' },
      });
    }
    this.#state = state.kind === 'digest' ? { ...state, retried: false } : state;
    this.#complete = true;
  }

  #start(challenges: readonly Challenge[], request: HttpRequestLine | undefined): string {
    for (const scheme of this.#schemes) {
      if (!challenges.some((challenge) => challenge.scheme === scheme)) continue;
      switch (scheme) {
        case 'negotiate': {
          const context = createSpnegoInitiator({ mechanisms: this.#mechanisms() });
          this.#state = { kind: scheme, context };
          return `${names[scheme]} ${encodeBase64(context.step() ?? new Uint8Array(0))}`;
        }
        case 'kerberos':
        case 'ntlm': {
          const context =
            scheme === 'ntlm' ? createNtlmInitiator(this.#ntlm()) : createKerberosInitiator(this.#kerberos()!);
          this.#state = { kind: scheme, context };
          return `${names[scheme]} ${encodeBase64(context.step() ?? new Uint8Array(0))}`;
        }
        case 'basic':
          this.#state = { kind: 'basic' };
          return encodeBasic(this.#credentials);
        case 'digest': {
          const challenge = selectDigest(challenges);
          if (challenge === undefined) continue;
          return this.#startDigest(challenge, request, false);
        }
      }
    }
    throw new CarmineError('auth/no-common-mechanism');
  }

  #startDigest(challenge: DigestChallenge, request: HttpRequestLine | undefined, retried: boolean): string {
    const clientNonce = encodeBase64(this.#options.environment.randomBytes(18));
    const state = { kind: 'digest', challenge, clientNonce, count: 0, retried } as const;
    this.#state = state;
    return this.#digest(state, request);
  }

  #digest(state: Extract<State, { kind: 'digest' }>, request: HttpRequestLine | undefined): string {
    if (request === undefined) {
      throw new CarmineError('usage/invalid', {
        context: { reason: 'Digest needs the method and URI of each request' },
      });
    }
    const { challenge, clientNonce } = state;
    const count = state.count + 1;
    this.#state = { ...state, count };
    return encodeDigest({ credentials: this.#credentials, challenge, request, clientNonce, count });
  }

  /** There whenever a scheme that needs them is possible. */
  get #credentials(): PasswordCredentials {
    const { credentials } = this.#options;
    if (credentials === undefined) throw new CarmineError('auth/no-common-mechanism');
    return credentials;
  }

  get #channelBinding(): Uint8Array | undefined {
    const { secureTransport, channelBinding } = this.#options;
    return secureTransport ? channelBinding?.() : undefined;
  }

  /** Kerberos where there is a ticket, then NTLM where there is a password. */
  #mechanisms(): readonly SpnegoMechanism[] {
    const kerberos = this.#kerberos();
    const mechanisms = kerberos === undefined ? [] : [kerberosInitiatorMechanism(kerberos)];
    if (this.#options.credentials !== undefined) mechanisms.push(ntlmInitiatorMechanism(this.#ntlm()));
    return mechanisms;
  }

  #kerberos(): KerberosInitiatorOptions | undefined {
    const { kerberos, environment } = this.#options;
    if (kerberos === undefined) return undefined;
    return { ticket: kerberos.ticket, environment, channelBinding: this.#channelBinding };
  }

  #ntlm(): NtlmInitiatorOptions {
    const { environment, host, service } = this.#options;
    return {
      credentials: this.#credentials,
      environment,
      targetName: `${service}/${host}`,
      channelBinding: this.#channelBinding,
    };
  }

  #refused(): CarmineError {
    return new CarmineError('auth/failed');
  }
}

function isPossible(scheme: HttpScheme, options: HttpInitiatorOptions): boolean {
  const { credentials, kerberos, secureTransport } = options;
  switch (scheme) {
    case 'kerberos':
      return kerberos !== undefined;
    case 'negotiate':
      return kerberos !== undefined || credentials !== undefined;
    case 'basic':
      return credentials !== undefined && secureTransport;
    case 'ntlm':
    case 'digest':
      return credentials !== undefined;
  }
}

/** The token that goes on with this scheme's exchange. */
function tokenOf(challenges: readonly Challenge[], scheme: 'negotiate' | 'kerberos' | 'ntlm'): Uint8Array | undefined {
  const text = challenges.find((challenge) => challenge.scheme === scheme && challenge.token68 !== undefined)?.token68;
  if (text === undefined) return undefined;
  const token = decodeBase64(text);
  if (token === undefined) {
    throw new CarmineError('auth/protocol', { context: { mechanism: scheme, reason: 'the token is not base64' } });
  }
  return token;
}

const names = { negotiate: 'Negotiate', kerberos: 'Kerberos', ntlm: 'NTLM' } as const;
