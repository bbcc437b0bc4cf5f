import { nobody, type Token } from '@carmine/security';
import { faultStatus, statusOf } from '../fault.ts';
import { readRequestHead, writeResponseHead } from '../pdu/call.ts';
import { type Pdu, pduFlags, pduTypes } from '../pdu/header.ts';
import { authLevels, openStub, type Protection, writeFragments } from '../pdu/protection.ts';
import { takeVerificationTrailer } from '../pdu/verification-trailer.ts';
import { type Assembly, checkFragment, startAssembly } from './assembly.ts';
import type { Binding } from './binding.ts';
import type { CallQueue } from './calls.ts';
import type { Line } from './line.ts';
import type { PresentationContexts } from './presentation-contexts.ts';
import type { SecurityContexts } from './security-contexts.ts';
import type { RpcCall, RpcConnectionInfo, RpcInterface, Shared } from './types.ts';

/** What requests are judged by and whom they go to. */
export interface RequestSurroundings {
  readonly line: Line;
  readonly security: SecurityContexts;
  readonly contexts: PresentationContexts;
  readonly calls: CallQueue;
  readonly binding: Binding;
  info(): RpcConnectionInfo;
  /** An answer is there. */
  onOutput(): void;
}

/** The requests of one connection: fragments are opened and put together, and who may is heard and answered. */
export class Requests {
  readonly #shared: Shared;
  readonly #around: RequestSurroundings;
  readonly #line: Line;
  readonly #security: SecurityContexts;
  readonly #contexts: PresentationContexts;
  readonly #calls: CallQueue;
  readonly #binding: Binding;
  #assembly: Assembly | undefined;

  constructor(shared: Shared, around: RequestSurroundings) {
    this.#shared = shared;
    this.#around = around;
    this.#line = around.line;
    this.#security = around.security;
    this.#contexts = around.contexts;
    this.#calls = around.calls;
    this.#binding = around.binding;
  }

  get congested(): boolean {
    return this.#calls.waiting >= this.#shared.limits.waitingCalls;
  }

  /** Forgets the request whose fragments are coming: that of this call, or any. */
  forget(callId = this.#assembly?.callId): void {
    if (this.#assembly?.callId === callId) this.#assembly = undefined;
  }

  take(pdu: Pdu): void {
    if (this.#line.state !== 'bound') {
      this.#line.end();
      return;
    }
    const head = readRequestHead(pdu);
    const first = (pdu.flags & pduFlags.firstFragment) !== 0;
    if (!first && this.#assembly === undefined && !this.#calls.busy) {
      this.#line.violation(pdu.callId);
      return;
    }
    const current = this.#assembly;
    if (!first && current === undefined) return;
    if (first && current !== undefined) {
      this.#line.violation(pdu.callId);
      return;
    }
    const service = this.#contexts.find(head.contextId);
    if (service === undefined) {
      this.#line.fault(pdu.callId, head.contextId, faultStatus.invalidPresentationContext, false);
      return;
    }
    const opened = this.#open(pdu, head.stubStart, service, head.opnum);
    if (typeof opened === 'number') {
      this.#assembly = undefined;
      this.#line.fault(pdu.callId, head.contextId, opened, false);
      if (opened === faultStatus.securityPackage || opened === faultStatus.protocolError) this.#line.end();
      return;
    }
    const { stub, protection, token, level } = opened;
    const assembly = current ?? startAssembly(pdu, head, protection, token, level);
    const complaint = checkFragment(assembly, pdu, head, protection, stub.length, this.#shared.limits.stub);
    if (complaint !== undefined) {
      this.#assembly = undefined;
      this.#line.fault(pdu.callId, head.contextId, complaint, false);
      if (complaint === faultStatus.protocolError) this.#line.end();
      return;
    }
    assembly.add(stub);
    if ((pdu.flags & pduFlags.lastFragment) === 0) {
      // Who is nobody gets one fragment.
      if (protection === undefined) {
        this.#line.violation(pdu.callId);
        return;
      }
      this.#assembly = assembly;
      return;
    }
    this.#assembly = undefined;
    const taken = takeVerificationTrailer(assembly.stub(), { pdu, head, abstractSyntax: service.syntax });
    if (taken === 'refused') {
      this.#line.fault(pdu.callId, head.contextId, faultStatus.accessDenied, false);
      return;
    }
    this.#start(assembly, service, taken.stub);
  }

  /** Opens a fragment and decides whether its caller may call at all; a number is the status of the refusal. */
  #open(pdu: Pdu, stubStart: number, service: RpcInterface, opnum: number): Opened | number {
    const open = service.open?.has(opnum) === true;
    if (pdu.auth === undefined) {
      const stub = pdu.bytes.subarray(stubStart);
      return open ? { stub, protection: undefined, token: nobody, level: authLevels.none } : faultStatus.accessDenied;
    }
    const found = this.#security.find(pdu.auth);
    if (found === undefined) return faultStatus.accessDenied;
    let stub: Uint8Array;
    try {
      stub = openStub(pdu, stubStart, found.protection);
    } catch {
      return faultStatus.securityPackage;
    }
    const { level } = found.protection;
    const least = this.#shared.options.minimumLevel === 'privacy' ? authLevels.privacy : authLevels.integrity;
    if (!open && (level < least || !this.#security.permits(found.entry))) return faultStatus.accessDenied;
    return { stub, protection: found.protection, token: found.token, level };
  }

  #start(assembly: Assembly, service: RpcInterface, stub: Uint8Array): void {
    const { callId, head, protection, token, level, littleEndian } = assembly;
    // The shell reads no more before there is room; what came in one piece with the rest is not kept for later.
    if (this.congested) {
      this.#line.fault(callId, head.contextId, faultStatus.tooBusy, false);
      return;
    }
    const run = async (signal: AbortSignal): Promise<void> => {
      const call: RpcCall = {
        abstractSyntax: service.syntax,
        opnum: head.opnum,
        object: head.object,
        stub,
        littleEndian,
        token,
        level,
        connection: this.#around.info(),
        signal,
      };
      try {
        const answer = await service.invoke(call);
        this.#respond(callId, head.contextId, answer, protection);
      } catch (error) {
        const status = statusOf(error);
        if (status === faultStatus.serverFault) this.#shared.options.onError?.(error);
        this.#line.fault(callId, head.contextId, status, true);
      }
      this.#around.onOutput();
    };
    this.#calls.add({ callId, run });
  }

  #respond(callId: number, contextId: number, stub: Uint8Array, protection: Protection | undefined): void {
    if (this.#line.state !== 'bound') return;
    const fragments = writeFragments({
      type: pduTypes.response,
      callId,
      stub,
      maxFragment: this.#binding.maxTransmit,
      protection: protection === undefined || protection.level < authLevels.packet ? undefined : protection,
      head: (allocHint) => writeResponseHead({ allocHint, contextId, cancelCount: 0 }),
    });
    this.#line.send(...fragments);
  }
}

interface Opened {
  readonly stub: Uint8Array;
  readonly protection: Protection | undefined;
  readonly token: Token;
  readonly level: number;
}
