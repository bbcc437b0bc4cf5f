import { CarmineError } from '@carmine/errors';
import { remoteFault } from '../remote-fault.ts';
import { SpnegoBase, type SpnegoContext, spnegoPolicy, spnegoProtocol } from './context.ts';
import type { SpnegoMechanism } from './mechanism.ts';
import {
  decodeNegTokenResp,
  encodeMechTypes,
  encodeNegTokenInit,
  encodeNegTokenResp,
  type NegTokenResp,
} from './tokens.ts';

export interface SpnegoInitiatorOptions {
  /** What is offered, most preferred first; the first one's token goes along at once. */
  readonly mechanisms: readonly SpnegoMechanism[];
}

export interface SpnegoInitiator extends SpnegoContext {
  /**
   * For servers that send no last token: completes when the mechanism is done and the server took our first choice, so that
   * no mechListMIC of its own is needed; throws `auth/protocol` otherwise.
   */
  concludeWithoutToken(): void;
}

/**
 * RFC 4178 as a client. The mechListMIC is always sent with the mechanism's last token; the server's is required when it did
 * not take our first choice or asked for ours.
 */
export function createSpnegoInitiator(options: SpnegoInitiatorOptions): SpnegoInitiator {
  return new SpnegoInitiatorContext(options);
}

class SpnegoInitiatorContext extends SpnegoBase implements SpnegoInitiator {
  readonly #mechanisms: readonly SpnegoMechanism[];
  readonly #mechTypesDer: Uint8Array;
  #state: 'start' | 'first-answer' | 'further' | 'over' = 'start';
  #optimistic: SpnegoMechanism;
  #micRequired = false;
  #micSent = false;
  #micVerified = false;

  constructor(options: SpnegoInitiatorOptions) {
    super();
    const [first] = options.mechanisms;
    if (first === undefined) throw new CarmineError('auth/no-common-mechanism');
    this.#optimistic = first;
    this.#mechanisms = options.mechanisms;
    this.#mechTypesDer = encodeMechTypes(options.mechanisms.flatMap(({ oids }) => oids));
  }

  step(input?: Uint8Array): Uint8Array | undefined {
    const state = this.#state;
    this.#state = 'over';
    switch (state) {
      case 'start': {
        if (input !== undefined && input.length > 0) throw spnegoProtocol('a token came before the first one was sent');
        this.inner = this.#optimistic.create();
        const token = encodeNegTokenInit(this.#mechTypesDer, this.inner.step());
        this.#state = 'first-answer';
        return token;
      }
      case 'first-answer':
      case 'further': {
        if (input === undefined) throw spnegoProtocol('the server sent no token');
        return remoteFault('spnego', () => this.#answer(decodeNegTokenResp(input), state === 'first-answer'));
      }
      case 'over':
        throw spnegoProtocol('the exchange is over');
    }
  }

  concludeWithoutToken(): void {
    if (this.concluded) return;
    if (this.#state !== 'further' || this.inner?.complete !== true || this.#micRequired) {
      throw spnegoProtocol('the server did not finish the exchange');
    }
    this.#state = 'over';
    this.concluded = true;
  }

  #answer(answer: NegTokenResp, first: boolean): Uint8Array | undefined {
    const { negState, responseToken, mechListMic } = answer;
    if (negState === 'reject') throw new CarmineError('auth/failed');
    if (negState === 'request-mic') this.#micRequired = true;
    const switched = first && this.#select(answer.supportedMech);
    const inner = this.inner;
    if (inner === undefined) throw spnegoProtocol('no mechanism was chosen');

    let token: Uint8Array | undefined;
    if (switched) {
      if (responseToken !== undefined) throw spnegoProtocol('a token came before the mechanism was started');
      token = inner.step();
    } else if (responseToken !== undefined) {
      if (inner.complete) throw spnegoProtocol('a token came after the mechanism was done');
      token = inner.step(responseToken);
    } else if (!inner.complete) {
      throw spnegoProtocol('the mechanism token is missing');
    }

    if (mechListMic !== undefined) {
      if (!inner.complete) throw spnegoProtocol('the mechListMIC came too early');
      inner.verifyMechanismList(this.#mechTypesDer, mechListMic);
      this.#micVerified = true;
    }
    if (negState === 'accept-completed') {
      if (!inner.complete || token !== undefined) throw spnegoProtocol('the server finished too early');
      if (this.#micRequired && !this.#micVerified) throw spnegoPolicy('the mechListMIC is missing');
      this.concluded = true;
      return undefined;
    }
    this.#state = 'further';
    const mic = inner.complete && !this.#micSent ? inner.signMechanismList(this.#mechTypesDer) : undefined;
    if (mic !== undefined) this.#micSent = true;
    if (token === undefined && mic === undefined) throw spnegoProtocol('the server does not finish');
    return encodeNegTokenResp({ negState: undefined, responseToken: token, mechListMic: mic });
  }

  /** Takes the server's choice; true when it is not the mechanism that was started. */
  #select(supportedMech: string | undefined): boolean {
    if (supportedMech === undefined || this.#optimistic.oids.includes(supportedMech)) return false;
    const mechanism = this.#mechanisms.find(({ oids }) => oids.includes(supportedMech));
    if (mechanism === undefined) throw spnegoProtocol('the server chose what was not offered');
    this.inner = mechanism.create();
    this.#micRequired = true;
    return true;
  }
}
