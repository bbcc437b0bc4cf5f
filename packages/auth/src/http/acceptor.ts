import { CarmineError, isCarmineError } from '@carmine/errors';
import type { AuthenticationScheme, Token } from '@carmine/security';
import type { AuthenticatedAccount, SecurityContext } from '../context.ts';
import { claimedNameOf, findAccount } from '../credentials.ts';
import { createKerberosAcceptor, type KerberosAcceptorOptions } from '../kerberos/gss/acceptor.ts';
import { createNtlmAcceptor, type NtlmAcceptorOptions } from '../ntlm/acceptor.ts';
import { isNtlmMessage, ntlmMessageType } from '../ntlm/messages.ts';
import type { MechanismContext } from '../pdu-protection.ts';
import { createSpnegoAcceptor } from '../spnego/acceptor.ts';
import type { SpnegoContext } from '../spnego/context.ts';
import { kerberosAcceptorMechanism, ntlmAcceptorMechanism } from '../spnego/mechanism.ts';
import { isInitialContextToken } from '../spnego/tokens.ts';
import { createToken } from '../token.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { decodeBasic, verifyPassword } from './basic.ts';
import type { HttpAcceptor, HttpAcceptorOptions, HttpAuthOutcome, HttpScheme } from './types.ts';

/**
 * Authentication of one HTTP connection, RFC 9110 section 11, RFC 4559, RFC 7617. Negotiate, Kerberos and NTLM belong to
 * the connection: requests that follow need no header. A new Authorization header drops the old identity before it is
 * looked at, and after a failure there is none. Basic is for one request, and offered and accepted on TLS only.
 */
export function createHttpAcceptor(options: HttpAcceptorOptions): HttpAcceptor {
  return new HttpAcceptorState(options);
}

type ConnectionScheme = 'negotiate' | 'ntlm' | 'kerberos';

/** What the connection is at: each variant carries what belongs to it. */
type State =
  | { readonly kind: 'nobody' }
  | { readonly kind: 'exchange'; readonly scheme: ConnectionScheme; readonly context: ExchangeContext }
  | { readonly kind: 'somebody'; readonly token: Token; readonly context: ExchangeContext };

type ExchangeContext = SpnegoContext | MechanismContext;

interface BasicProof {
  /** Of the Authorization header. */
  readonly text: string;
  readonly user: string;
  readonly domain: string;
  readonly attempted: string;
  /** As the look-up gave it. */
  readonly account: AuthenticatedAccount;
  readonly token: Token;
}

class HttpAcceptorState implements HttpAcceptor {
  readonly #options: HttpAcceptorOptions;
  readonly #ntlm: NtlmAcceptorOptions;
  readonly #kerberos: KerberosAcceptorOptions | undefined;
  readonly #offered: readonly HttpScheme[];
  #state: State = { kind: 'nobody' };
  /** Basic credentials come with every request of a connection: the last ones that were right, and whose they were. */
  #basicProof: BasicProof | undefined;

  constructor(options: HttpAcceptorOptions) {
    const { accounts, attempts, environment, hostName, requireMic, authenticationOnly, secureTransport, source } =
      options;
    // Without TLS there is nothing to bind to ([MS-WSMV] 2.2.4.34: over http it is ignored).
    const channelBinding = secureTransport ? options.channelBinding : undefined;
    const requireChannelBinding = secureTransport && options.requireChannelBinding === true;
    if (requireChannelBinding && channelBinding === undefined) {
      throw new CarmineError('usage/invalid', {
        context: { reason: 'channel binding is required but this listener has none' },
      });
    }
    this.#options = options;
    this.#ntlm = {
      accounts,
      environment,
      hostName,
      channelBinding,
      requireChannelBinding,
      requireMic,
      authenticationOnly,
      source,
      attempts,
    };
    // Without keys there is nothing to accept, so it is not offered; with the first key it is, on the next connection.
    const service = options.kerberos?.keytab().length === 0 ? undefined : options.kerberos;
    this.#kerberos = service === undefined ? undefined : { service, channelBinding, requireChannelBinding };
    this.#offered = options.schemes.filter((scheme) => this.#isOfferable(scheme));
  }

  get context(): SecurityContext | undefined {
    return this.#state.kind === 'somebody' ? this.#state.context : undefined;
  }

  authenticate(authorization: string | undefined): HttpAuthOutcome {
    const credentials = authorization === undefined ? undefined : parseAuthorization(authorization);
    // The hint that a client certificate is meant (DSP0226 C.3.5) carries no credentials: it is as good as no header.
    if (credentials === undefined || credentials.scheme.startsWith(profileHint)) return this.#unchanged();

    const previous = this.#state;
    this.#state = { kind: 'nobody' };
    const scheme = this.#offered.find((offered) => offered === credentials.scheme);
    if (scheme === 'basic') return this.#basic(credentials.rest);
    if (scheme === 'negotiate' || scheme === 'ntlm' || scheme === 'kerberos') {
      return this.#exchange(scheme, credentials.rest, previous);
    }
    return this.#challenge();
  }

  /** A request without credentials goes on with the connection's identity, if it has one. */
  #unchanged(): HttpAuthOutcome {
    const state = this.#state;
    // A context in which a message failed to verify is not complete any more, and its owner not to be trusted.
    if (state.kind === 'somebody' && state.context.complete) return { kind: 'accepted', token: state.token };
    this.#state = { kind: 'nobody' };
    return this.#challenge();
  }

  #basic(text: string): HttpAuthOutcome {
    const { accounts, attempts, environment, source } = this.#options;
    const proof = this.#basicProof;
    // Looked up anew, so that an account that was removed or changed meanwhile is not let in.
    if (proof?.text === text && findAccount(accounts, proof.user, proof.domain) === proof.account) {
      if (attempts?.allow(source, proof.attempted.toLowerCase()) === false) return this.#challenge(proof.attempted);
      return { kind: 'accepted', token: proof.token };
    }
    this.#basicProof = undefined;
    const credentials = decodeBasic(text);
    if (credentials === undefined) return this.#challenge();
    const attempted = claimedNameOf(credentials.user, credentials.domain);
    if (attempts?.allow(source, attempted.toLowerCase()) === false) return this.#challenge(attempted);
    const account = verifyPassword(credentials, accounts, environment);
    attempts?.report(source, attempted.toLowerCase(), account !== undefined);
    if (account === undefined) return this.#challenge(attempted);
    const token = this.#token(account, 'basic');
    this.#basicProof = { text, user: credentials.user, domain: credentials.domain, attempted, account, token };
    return { kind: 'accepted', token };
  }

  #exchange(scheme: ConnectionScheme, text: string, previous: State): HttpAuthOutcome {
    const token = decodeBase64(text);
    if (token === undefined || token.length === 0) return this.#challenge();
    const going = previous.kind === 'exchange' && previous.scheme === scheme && !startsExchange(token);
    const context = going ? previous.context : this.#newContext(scheme);
    try {
      const output = context.step(token);
      const value = output === undefined ? undefined : `${names[scheme]} ${encodeBase64(output)}`;
      if (context.complete) return this.#somebody(context, value);
      if (value === undefined) return this.#challenge(context.claimedName);
      this.#state = { kind: 'exchange', scheme, context };
      return { kind: 'continue', headers: [value] };
    } catch (error) {
      if (isCarmineError(error) && error.kind !== 'local') return this.#challenge(context.claimedName);
      throw error;
    }
  }

  #somebody(context: ExchangeContext, responseHeader: string | undefined): HttpAuthOutcome {
    const scheme = context.mechanism === 'spnego' ? context.chosen : context.mechanism;
    if (context.peer === undefined || scheme === undefined) return this.#challenge(context.claimedName);
    const token = this.#token(context.peer, scheme);
    this.#state = { kind: 'somebody', token, context };
    return { kind: 'accepted', token, responseHeader };
  }

  #newContext(scheme: ConnectionScheme): ExchangeContext {
    const kerberos = this.#kerberos;
    if (scheme === 'ntlm') return createNtlmAcceptor(this.#ntlm);
    if (scheme === 'kerberos' && kerberos !== undefined) return createKerberosAcceptor(kerberos);
    const mechanisms = this.#options.ntlm === false ? [] : [ntlmAcceptorMechanism(this.#ntlm)];
    if (kerberos !== undefined) mechanisms.unshift(kerberosAcceptorMechanism(kerberos));
    return createSpnegoAcceptor({ mechanisms });
  }

  /** Digest is a client's scheme only: no server of ours stores what it needs. */
  #isOfferable(scheme: HttpScheme): boolean {
    if (scheme === 'basic') return this.#options.secureTransport;
    if (scheme === 'kerberos') return this.#kerberos !== undefined;
    if (scheme === 'negotiate') return this.#options.ntlm !== false || this.#kerberos !== undefined;
    return scheme === 'ntlm';
  }

  #token(account: AuthenticatedAccount, scheme: AuthenticationScheme): Token {
    const { secureTransport, source } = this.#options;
    return createToken(account, { scheme, source, protectedChannel: secureTransport });
  }

  #challenge(attempted?: string): HttpAuthOutcome {
    const headers = this.#offered.map((scheme) =>
      scheme === 'basic' ? `${names.basic} realm="${this.#options.realm.replace(/["\\]/g, '\\$&')}"` : names[scheme],
    );
    return { kind: 'challenge', headers, attempted };
  }
}

function parseAuthorization(value: string): { scheme: string; rest: string } | undefined {
  const trimmed = value.trim();
  if (trimmed === '') return undefined;
  const space = trimmed.indexOf(' ');
  if (space < 0) return { scheme: trimmed.toLowerCase(), rest: '' };
  return { scheme: trimmed.slice(0, space).toLowerCase(), rest: trimmed.slice(space + 1).trim() };
}

/** First tokens begin an exchange wherever the last one stood. */
function startsExchange(token: Uint8Array): boolean {
  return isInitialContextToken(token) || (isNtlmMessage(token) && ntlmMessageType(token) === 1);
}

const names = {
  negotiate: 'Negotiate',
  ntlm: 'NTLM',
  kerberos: 'Kerberos',
  basic: 'Basic',
  digest: 'Digest',
} as const satisfies Record<HttpScheme, string>;

const profileHint = 'http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/';
