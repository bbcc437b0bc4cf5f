import { CarmineError } from '@carmine/errors';
import { faultStatus } from '../fault.ts';
import { type BindBody, checkBind, nakReasons, readBind, writeBindAck } from '../pdu/bind.ts';
import { writeFault } from '../pdu/call.ts';
import { type Pdu, pduFlags, pduTypes, writePdu } from '../pdu/header.ts';
import { authLevels } from '../pdu/protection.ts';
import type { CallQueue } from './calls.ts';
import { type Line, wholePdu } from './line.ts';
import type { PresentationContexts } from './presentation-contexts.ts';
import type { SecurityContexts } from './security-contexts.ts';
import type { RpcPeer, Shared } from './types.ts';

/** What is agreed with a peer by bind, alter_context and auth3: sizes, an association, who he is, what he may call. */
export class Binding {
  readonly #shared: Shared;
  readonly #peer: RpcPeer;
  readonly #line: Line;
  readonly #security: SecurityContexts;
  readonly #contexts: PresentationContexts;
  readonly #calls: CallQueue;
  #association = 0;
  #maxTransmit: number;
  #maxReceive: number;
  #multiplexing = false;

  constructor(
    shared: Shared,
    peer: RpcPeer,
    parts: {
      readonly line: Line;
      readonly security: SecurityContexts;
      readonly contexts: PresentationContexts;
      readonly calls: CallQueue;
    },
  ) {
    this.#shared = shared;
    this.#peer = peer;
    this.#line = parts.line;
    this.#security = parts.security;
    this.#contexts = parts.contexts;
    this.#calls = parts.calls;
    this.#maxTransmit = this.#maxReceive = shared.limits.fragment;
  }

  /** 0: none. */
  get association(): number {
    return this.#association;
  }

  /** Octets of one fragment, at most. */
  get maxTransmit(): number {
    return this.#maxTransmit;
  }

  get maxReceive(): number {
    return this.#maxReceive;
  }

  bind(pdu: Pdu): void {
    const body = this.#line.state === 'unbound' && isWhole(pdu) ? tryRead(() => checked(readBind(pdu))) : undefined;
    if (body === undefined) {
      this.#line.nak(pdu.callId, this.#line.state === 'unbound' ? nakReasons.protocolVersion : nakReasons.notSpecified);
      this.#line.end();
      return;
    }
    const { limits, associations } = this.#shared;
    this.#maxTransmit = Math.min(body.maxReceive, limits.fragment);
    this.#maxReceive = Math.min(body.maxTransmit, limits.fragment);
    const association = associations.join(body.associationGroup, this.#peer.source);
    if (association === undefined) {
      this.#line.nak(pdu.callId, nakReasons.notSpecified);
      this.#line.end();
      return;
    }
    this.#association = association;
    const answer = tryRead(() => this.#authenticate(pdu));
    if (answer === undefined || typeof answer === 'string') {
      const reason = answer === 'unknown-type' ? nakReasons.authenticationType : nakReasons.invalidChecksum;
      this.#line.nak(pdu.callId, reason);
      this.#line.end();
      return;
    }
    this.#line.bound();
    this.#multiplexing = (pdu.flags & pduFlags.concurrentMultiplexing) !== 0;
    if (this.#multiplexing) this.#calls.concurrent = limits.concurrentCalls;
    this.#acknowledge(pdu, body, answer, String(this.#peer.localPort));
  }

  alter(pdu: Pdu): void {
    if (this.#line.state !== 'bound') {
      this.#line.end();
      return;
    }
    const body = isWhole(pdu) ? tryRead(() => checked(readBind(pdu))) : undefined;
    if (body === undefined) {
      this.#line.violation(pdu.callId);
      return;
    }
    const answer = tryRead(() => this.#authenticate(pdu));
    // [MS-RPCE] 3.3.1.5.2.1: while altering, a failure is told as a fault.
    if (answer === undefined || answer === 'unknown-type') {
      this.#line.send(denied(pdu.callId));
      return;
    }
    if (answer === 'limit') {
      this.#line.violation(pdu.callId);
      return;
    }
    this.#acknowledge(pdu, body, answer, '');
  }

  /** Takes the token, if there is one. */
  #authenticate(pdu: Pdu): ReturnType<SecurityContexts['step']> {
    if (pdu.auth === undefined) return { token: undefined };
    // Agreed with the first context at a level that signs; NTLM signs headers in any case.
    if ((pdu.flags & pduFlags.headerSigning) !== 0 && pdu.auth.level >= authLevels.packet)
      this.#security.headerSigning = true;
    return this.#security.step(pdu.auth);
  }

  #acknowledge(pdu: Pdu, body: BindBody, answer: { readonly token: Uint8Array | undefined }, address: string): void {
    const results = body.contexts.map((element, index) => this.#contexts.negotiate(element, index, body));
    const signing = pdu.auth !== undefined && (pdu.flags & pduFlags.headerSigning) !== 0;
    const flags =
      wholePdu |
      (signing && this.#security.headerSigning ? pduFlags.headerSigning : 0) |
      (this.#multiplexing ? pduFlags.concurrentMultiplexing : 0);
    const { auth } = pdu;
    this.#line.send(
      writePdu({
        type: pdu.type === pduTypes.bind ? pduTypes.bindAck : pduTypes.alterContextResponse,
        flags,
        callId: pdu.callId,
        body: writeBindAck({
          maxTransmit: this.#maxTransmit,
          maxReceive: this.#maxReceive,
          associationGroup: this.#association,
          secondaryAddress: address,
          results,
        }),
        auth:
          auth === undefined || answer.token === undefined
            ? undefined
            : { type: auth.type, level: auth.level, contextId: auth.contextId, token: answer.token },
      }),
    );
  }

  /** [MS-RPCE] 2.2.2.10: never answered; what was wrong is told to the first request that uses the context. */
  auth3(pdu: Pdu): void {
    if (this.#line.state !== 'bound' || pdu.auth === undefined) {
      this.#line.end();
      return;
    }
    tryRead(() => this.#authenticate(pdu));
  }
}

function isWhole(pdu: Pdu): boolean {
  return (pdu.flags & wholePdu) === wholePdu;
}

function checked(body: BindBody): BindBody {
  checkBind(body);
  return body;
}

/** Undefined for what a peer sent wrong; our own bugs go on. */
function tryRead<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof CarmineError && error.kind !== 'local') return undefined;
    throw error;
  }
}

function denied(callId: number): Uint8Array {
  return writeFault(callId, 0, faultStatus.accessDenied, pduFlags.didNotExecute);
}
