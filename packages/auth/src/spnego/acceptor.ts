import { CarmineError } from '@carmine/errors';
import type { MechanismContext } from '../pdu-protection.ts';
import { remoteFault } from '../remote-fault.ts';
import { SpnegoBase, type SpnegoContext, spnegoPolicy, spnegoProtocol } from './context.ts';
import type { SpnegoMechanism } from './mechanism.ts';
import {
  decodeNegTokenInit,
  decodeNegTokenResp,
  encodeNegTokenResp,
  isInitialContextToken,
  type NegState,
} from './tokens.ts';

export interface SpnegoAcceptorOptions {
  /** What is acceptable; the peer's order decides among them. */
  readonly mechanisms: readonly SpnegoMechanism[];
}

/**
 * RFC 4178 as a server. The first mechanism of the peer's list that is one of ours is taken, all others, NegoEx included,
 * are ignored. When it is not the peer's first choice the mechListMIC is required; a peer that sends one without need gets
 * one back. A raw token of one of our mechanisms is accepted in place of SPNEGO and answered raw.
 */
export function createSpnegoAcceptor(options: SpnegoAcceptorOptions): SpnegoContext {
  return new SpnegoAcceptor(options);
}

interface Negotiation {
  readonly context: MechanismContext;
  readonly mechTypesDer: Uint8Array;
  readonly micRequired: boolean;
}

/** Each state takes a token to the next: first token → raw exchange or negotiation → over. */
type State =
  | { readonly kind: 'first' }
  | { readonly kind: 'raw'; readonly context: MechanismContext }
  | { readonly kind: 'negotiating'; readonly negotiation: Negotiation; readonly micSent: boolean }
  | { readonly kind: 'over' };

class SpnegoAcceptor extends SpnegoBase {
  readonly #mechanisms: readonly SpnegoMechanism[];
  #state: State = { kind: 'first' };

  constructor(options: SpnegoAcceptorOptions) {
    super();
    this.#mechanisms = options.mechanisms;
  }

  step(input?: Uint8Array): Uint8Array | undefined {
    const state = this.#state;
    // Whatever goes wrong from here ends the exchange.
    this.#state = { kind: 'over' };
    if (input === undefined) throw spnegoProtocol('a token is missing');
    return remoteFault('spnego', () => {
      switch (state.kind) {
        case 'first':
          return this.#first(input);
        case 'raw':
          return this.#raw(state.context, input);
        case 'negotiating':
          return this.#further(state.negotiation, state.micSent, input);
        case 'over':
          throw spnegoProtocol('the exchange is over');
      }
    });
  }

  #first(input: Uint8Array): Uint8Array | undefined {
    const raw = this.#mechanisms.find((mechanism) => mechanism.recognises(input));
    if (raw !== undefined) return this.#raw(raw.create(), input);
    if (!isInitialContextToken(input)) throw spnegoProtocol('not an initial token');
    const { mechTypes, mechTypesDer, mechToken, mechListMic } = decodeNegTokenInit(input);
    const supportedMech = mechTypes.find((oid) => this.#mechanisms.some(({ oids }) => oids.includes(oid)));
    const mechanism = this.#mechanisms.find(({ oids }) => supportedMech !== undefined && oids.includes(supportedMech));
    if (mechanism === undefined) throw new CarmineError('auth/no-common-mechanism');
    this.inner = mechanism.create();

    const optimistic = supportedMech === mechTypes[0];
    const negotiation = { context: this.inner, mechTypesDer, micRequired: !optimistic };
    if (!optimistic || mechToken === undefined) {
      // The optimistic token, if any, is for another mechanism: it is dropped, and ours starts with the next one.
      this.#state = { kind: 'negotiating', negotiation, micSent: false };
      return encodeNegTokenResp({ negState: optimistic ? 'accept-incomplete' : 'request-mic', supportedMech });
    }
    return this.#advance(negotiation, false, mechToken, mechListMic, supportedMech);
  }

  #raw(context: MechanismContext, input: Uint8Array): Uint8Array | undefined {
    this.inner = context;
    const output = context.step(input);
    this.concluded = context.complete;
    if (!this.concluded) this.#state = { kind: 'raw', context };
    return output;
  }

  #further(negotiation: Negotiation, micSent: boolean, input: Uint8Array): Uint8Array {
    const { negState, responseToken, mechListMic } = decodeNegTokenResp(input);
    if (negState === 'reject') throw new CarmineError('auth/failed');
    return this.#advance(negotiation, micSent, responseToken, mechListMic, undefined);
  }

  #advance(
    negotiation: Negotiation,
    micSent: boolean,
    token: Uint8Array | undefined,
    mic: Uint8Array | undefined,
    supportedMech: string | undefined,
  ): Uint8Array {
    const { context, mechTypesDer, micRequired } = negotiation;
    let responseToken: Uint8Array | undefined;
    if (token !== undefined) {
      if (context.complete) throw spnegoProtocol('a token came after the mechanism was done');
      responseToken = context.step(token);
    } else if (!context.complete) {
      throw spnegoProtocol('the mechanism token is missing');
    }

    let negState: NegState = 'accept-incomplete';
    let mechListMic: Uint8Array | undefined;
    if (context.complete) {
      if (mic !== undefined) context.verifyMechanismList(mechTypesDer, mic);
      // RFC 4178 section 5: with the MIC required, the peer's last token carries it, unless ours is the last one.
      if (micRequired && mic === undefined && (responseToken === undefined || micSent)) {
        throw spnegoPolicy('the mechListMIC is missing');
      }
      const concluded = mic !== undefined || !micRequired;
      if ((mic !== undefined || micRequired) && !micSent) mechListMic = context.signMechanismList(mechTypesDer);
      this.concluded = concluded;
      if (concluded) negState = 'accept-completed';
    } else if (mic !== undefined) {
      throw spnegoProtocol('the mechListMIC came too early');
    }
    if (!this.concluded) {
      this.#state = { kind: 'negotiating', negotiation, micSent: micSent || mechListMic !== undefined };
    }
    return encodeNegTokenResp({ negState, supportedMech, responseToken, mechListMic });
  }
}
