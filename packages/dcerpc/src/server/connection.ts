import { CarmineError } from '@carmine/errors';
import { nobody, type Token } from '@carmine/security';
import { concatBytes } from '@carmine/wire';
import { faultStatus, statusOf } from '../fault.ts';
import {
  type BindBody,
  type ContextElement,
  type ContextResult,
  checkBind,
  contextResults,
  nakReasons,
  readBind,
  rejectionReasons,
  writeBindAck,
  writeBindNak,
} from '../pdu/bind.ts';
import { readRequestHead, writeFault, writeResponseHead } from '../pdu/call.ts';
import { PduFramer } from '../pdu/framer.ts';
import { malformed, type Pdu, pduFlags, pduTypes, readPdu, writePdu } from '../pdu/header.ts';
import { authLevels, openStub, type Protection, writeFragments } from '../pdu/protection.ts';
import { features, featuresOf, ndrSyntax, noSyntax, sameSyntax } from '../pdu/syntax.ts';
import { takeVerificationTrailer } from '../pdu/verification-trailer.ts';
import { type Assembly, checkFragment, startAssembly } from './assembly.ts';
import type { Associations } from './associations.ts';
import { CallQueue } from './calls.ts';
import { SecurityContexts } from './security-contexts.ts';
import type { RpcCall, RpcConnectionInfo, RpcInterface, RpcLimits, RpcPeer, RpcServerOptions } from './types.ts';

/** One connection of an RPC server, without the socket. */
export interface RpcServerConnection {
  /** Takes octets as they arrive. Never throws for what a peer sent. */
  receive(bytes: Uint8Array): void;
  /** The next octets to send, `close` once at the end, or undefined: nothing now. */
  poll(): Uint8Array | 'close' | undefined;
  /** Called when there is something to poll that did not come of `receive`. */
  onOutput: () => void;
  /** The peer is gone, or is to go. */
  close(): void;
  /** Somebody has proved who he is; others get less time. */
  readonly authenticated: boolean;
  /** As many calls wait as may: read no more for now. */
  readonly congested: boolean;
  /** Calls run or wait. */
  readonly busy: boolean;
  readonly info: RpcConnectionInfo;
}

/** What connections of one server share. */
export interface Shared {
  readonly options: RpcServerOptions;
  readonly limits: RpcLimits;
  readonly associations: Associations;
}

interface PresentationContext {
  readonly service: RpcInterface;
}

/**
 * Connection-oriented RPC as a server (C706 chapter 9 and 12, [MS-RPCE] 3.3.3). What breaks the protocol is answered with bind_nak or
 * fault and ends the connection; who is not authenticated at the level that is asked for gets access denied and nothing else.
 */
export class ServerConnection implements RpcServerConnection {
  onOutput: () => void = () => {};
  readonly #shared: Shared;
  readonly #peer: RpcPeer;
  readonly #id: number;
  readonly #framer: PduFramer;
  readonly #security: SecurityContexts;
  readonly #contexts = new Map<number, PresentationContext>();
  readonly #calls = new CallQueue();
  #output: Uint8Array[] = [];
  #state: 'unbound' | 'bound' | 'closing' | 'closed' = 'unbound';
  #association = 0;
  #maxTransmit: number;
  #maxReceive: number;
  #assembly: Assembly | undefined;
  #multiplexing = false;
  #keepOnOrphan = false;

  constructor(shared: Shared, peer: RpcPeer, id: number) {
    this.#shared = shared;
    this.#peer = peer;
    this.#id = id;
    const { limits } = shared;
    this.#maxTransmit = this.#maxReceive = limits.fragment;
    this.#framer = new PduFramer(() => limits.bind);
    this.#security = new SecurityContexts(shared.options, peer, limits.securityContexts);
  }

  /** In what came in one piece; who goes on after so many hears nothing of it and costs memory only. */
  #faults = 0;

  get info(): RpcConnectionInfo {
    return { ...this.#peer, id: this.#id, association: this.#association };
  }

  get authenticated(): boolean {
    return this.#security.authenticated;
  }

  get congested(): boolean {
    return this.#calls.waiting >= this.#shared.limits.waitingCalls;
  }

  get busy(): boolean {
    return this.#calls.busy;
  }

  receive(bytes: Uint8Array): void {
    if (this.#state === 'closing' || this.#state === 'closed') return;
    this.#faults = 0;
    try {
      this.#framer.push(bytes, (pdu) => {
        if (this.#state === 'unbound' || this.#state === 'bound') this.#take(pdu);
      });
    } catch {
      this.#end();
    }
  }

  poll(): Uint8Array | 'close' | undefined {
    if (this.#output.length > 0) {
      const [first] = this.#output;
      const all = this.#output.length === 1 && first !== undefined ? first : concatBytes(...this.#output);
      this.#output = [];
      return all;
    }
    if (this.#state !== 'closing') return undefined;
    this.#state = 'closed';
    return 'close';
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#end();
    this.#state = 'closed';
  }

  #take(bytes: Uint8Array): void {
    const pdu = readPdu(bytes);
    if (bytes[0] !== 5 || bytes[1] !== 0) {
      if (pdu.type === pduTypes.bind) this.#nak(pdu.callId, nakReasons.protocolVersion);
      this.#end();
      return;
    }
    switch (pdu.type) {
      case pduTypes.bind:
        this.#bind(pdu);
        break;
      case pduTypes.alterContext:
        this.#alter(pdu);
        break;
      case pduTypes.auth3:
        this.#auth3(pdu);
        break;
      case pduTypes.request:
        if (bytes.length > this.#maxReceive) throw malformed('fragment size');
        this.#request(pdu);
        break;
      case pduTypes.coCancel:
        this.#calls.cancel(pdu.callId);
        break;
      case pduTypes.orphaned:
        this.#orphaned(pdu.callId);
        break;
      default:
        this.#end();
    }
  }

  #bind(pdu: Pdu): void {
    const body = this.#state === 'unbound' && this.#isWhole(pdu) ? tryRead(() => checked(readBind(pdu))) : undefined;
    if (body === undefined) {
      this.#nak(pdu.callId, this.#state === 'unbound' ? nakReasons.protocolVersion : nakReasons.notSpecified);
      this.#end();
      return;
    }
    const { limits, associations } = this.#shared;
    this.#maxTransmit = Math.min(body.maxReceive, limits.fragment);
    this.#maxReceive = Math.min(body.maxTransmit, limits.fragment);
    const association = associations.join(body.associationGroup, this.#peer.source);
    if (association === undefined) {
      this.#nak(pdu.callId, nakReasons.notSpecified);
      this.#end();
      return;
    }
    this.#association = association;
    const answer = tryRead(() => this.#authenticate(pdu));
    if (answer === undefined || typeof answer === 'string') {
      const reason = answer === 'unknown-type' ? nakReasons.authenticationType : nakReasons.invalidChecksum;
      this.#nak(pdu.callId, reason);
      this.#end();
      return;
    }
    this.#state = 'bound';
    this.#multiplexing = (pdu.flags & pduFlags.concurrentMultiplexing) !== 0;
    if (this.#multiplexing) this.#calls.concurrent = limits.concurrentCalls;
    this.#acknowledge(pdu, body, answer, String(this.#peer.localPort));
  }

  #alter(pdu: Pdu): void {
    if (this.#state !== 'bound') {
      this.#end();
      return;
    }
    const body = this.#isWhole(pdu) ? tryRead(() => checked(readBind(pdu))) : undefined;
    if (body === undefined) {
      this.#violation(pdu.callId);
      return;
    }
    const answer = tryRead(() => this.#authenticate(pdu));
    // [MS-RPCE] 3.3.1.5.2.1: while altering, a failure is told as a fault.
    if (answer === undefined || answer === 'unknown-type') {
      this.#send(denied(pdu.callId));
      return;
    }
    if (answer === 'limit') {
      this.#violation(pdu.callId);
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
    const results = body.contexts.map((element, index) => this.#negotiate(element, index, body));
    const signing = pdu.auth !== undefined && (pdu.flags & pduFlags.headerSigning) !== 0;
    const flags =
      wholePdu |
      (signing && this.#security.headerSigning ? pduFlags.headerSigning : 0) |
      (this.#multiplexing ? pduFlags.concurrentMultiplexing : 0);
    const { auth } = pdu;
    this.#send(
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

  #negotiate(element: ContextElement, index: number, body: BindBody): ContextResult {
    const reject = (reason: number): ContextResult => ({
      result: contextResults.providerRejection,
      reason,
      transferSyntax: noSyntax,
    });
    const [only] = element.transferSyntaxes;
    const mask = element.transferSyntaxes.length === 1 && only !== undefined ? featuresOf(only) : undefined;
    if (mask !== undefined && index > 0) {
      const known = mask & (features.securityContextMultiplexing | features.keepConnectionOnOrphan);
      this.#keepOnOrphan = (known & features.keepConnectionOnOrphan) !== 0;
      return { result: contextResults.negotiateAck, reason: known, transferSyntax: noSyntax };
    }
    const service = this.#shared.options.find(element.abstractSyntax);
    if (service === undefined) return reject(rejectionReasons.abstractSyntax);
    if (!element.transferSyntaxes.some((syntax) => sameSyntax(syntax, ndrSyntax)))
      return reject(rejectionReasons.transferSyntaxes);
    // The same abstract syntax may be offered twice, with one transfer syntax each; NDR is there once.
    const known = this.#contexts.get(element.contextId);
    if (known !== undefined && known.service !== service) return reject(rejectionReasons.abstractSyntax);
    if (known === undefined && this.#contexts.size >= this.#shared.limits.presentationContexts)
      return reject(rejectionReasons.localLimit);
    if (body.contexts.findIndex(({ contextId }) => contextId === element.contextId) !== index)
      return reject(rejectionReasons.abstractSyntax);
    this.#contexts.set(element.contextId, { service });
    return { result: contextResults.acceptance, reason: 0, transferSyntax: ndrSyntax };
  }

  /** [MS-RPCE] 2.2.2.10: never answered; what was wrong is told to the first request that uses the context. */
  #auth3(pdu: Pdu): void {
    if (this.#state !== 'bound' || pdu.auth === undefined) {
      this.#end();
      return;
    }
    tryRead(() => this.#authenticate(pdu));
  }

  #orphaned(callId: number): void {
    this.#calls.cancel(callId);
    if (this.#assembly?.callId === callId) this.#assembly = undefined;
    if (!this.#keepOnOrphan) this.#end();
  }

  #request(pdu: Pdu): void {
    if (this.#state !== 'bound') {
      this.#end();
      return;
    }
    const head = readRequestHead(pdu);
    const first = (pdu.flags & pduFlags.firstFragment) !== 0;
    if (!first && this.#assembly === undefined && !this.#calls.busy) {
      this.#violation(pdu.callId);
      return;
    }
    const current = this.#assembly;
    if (!first && current === undefined) return;
    if (first && current !== undefined) {
      this.#violation(pdu.callId);
      return;
    }
    const context = this.#contexts.get(head.contextId);
    if (context === undefined) {
      this.#fault(pdu.callId, head.contextId, faultStatus.invalidPresentationContext, false);
      return;
    }
    const opened = this.#open(pdu, head.stubStart, context, head.opnum);
    if (typeof opened === 'number') {
      this.#assembly = undefined;
      this.#fault(pdu.callId, head.contextId, opened, false);
      if (opened === faultStatus.securityPackage || opened === faultStatus.protocolError) this.#end();
      return;
    }
    const { stub, protection, token, level } = opened;
    const assembly = current ?? startAssembly(pdu, head, protection, token, level);
    const complaint = checkFragment(assembly, pdu, head, protection, stub.length, this.#shared.limits.stub);
    if (complaint !== undefined) {
      this.#assembly = undefined;
      this.#fault(pdu.callId, head.contextId, complaint, false);
      if (complaint === faultStatus.protocolError) this.#end();
      return;
    }
    assembly.add(stub);
    if ((pdu.flags & pduFlags.lastFragment) === 0) {
      // Who is nobody gets one fragment.
      if (protection === undefined) {
        this.#violation(pdu.callId);
        return;
      }
      this.#assembly = assembly;
      return;
    }
    this.#assembly = undefined;
    const taken = takeVerificationTrailer(assembly.stub(), { pdu, head, abstractSyntax: context.service.syntax });
    if (taken === 'refused') {
      this.#fault(pdu.callId, head.contextId, faultStatus.accessDenied, false);
      return;
    }
    this.#start(assembly, context.service, taken.stub);
  }

  /** Opens a fragment and decides whether its caller may call at all; a number is the status of the refusal. */
  #open(pdu: Pdu, stubStart: number, { service }: PresentationContext, opnum: number): Opened | number {
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
      this.#fault(callId, head.contextId, faultStatus.tooBusy, false);
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
        connection: this.info,
        signal,
      };
      try {
        const answer = await service.invoke(call);
        this.#respond(callId, head.contextId, answer, protection);
      } catch (error) {
        const status = statusOf(error);
        if (status === faultStatus.serverFault) this.#shared.options.onError?.(error);
        this.#fault(callId, head.contextId, status, true);
      }
      this.onOutput();
    };
    this.#calls.add({ callId, run });
  }

  #respond(callId: number, contextId: number, stub: Uint8Array, protection: Protection | undefined): void {
    if (this.#state !== 'bound') return;
    const fragments = writeFragments({
      type: pduTypes.response,
      callId,
      stub,
      maxFragment: this.#maxTransmit,
      protection: protection === undefined || protection.level < authLevels.packet ? undefined : protection,
      head: (allocHint) => writeResponseHead({ allocHint, contextId, cancelCount: 0 }),
    });
    this.#output.push(...fragments);
  }

  #fault(callId: number, contextId: number, status: number, executed: boolean): void {
    if (++this.#faults > mostFaults) {
      this.#end();
      return;
    }
    this.#send(writeFault(callId, contextId, status, executed ? 0 : pduFlags.didNotExecute));
  }

  /** [MS-RPCE] 3.3.3.5.7. */
  #violation(callId: number): void {
    this.#fault(callId, 0, faultStatus.protocolError, false);
    this.#end();
  }

  #nak(callId: number, reason: number): void {
    this.#send(writePdu({ type: pduTypes.bindNak, flags: wholePdu, callId, body: writeBindNak(reason) }));
  }

  #isWhole(pdu: Pdu): boolean {
    return (pdu.flags & wholePdu) === wholePdu;
  }

  #send(bytes: Uint8Array): void {
    if (this.#state === 'unbound' || this.#state === 'bound') this.#output.push(bytes);
  }

  /** What is to be sent still is; then the connection ends. */
  #end(): void {
    if (this.#state === 'closing' || this.#state === 'closed') return;
    this.#state = 'closing';
    this.#assembly = undefined;
    this.#calls.close();
    this.#shared.options.onClose?.(this.info);
    if (this.#association !== 0) this.#shared.associations.leave(this.#association);
  }
}

interface Opened {
  readonly stub: Uint8Array;
  readonly protection: Protection | undefined;
  readonly token: Token;
  readonly level: number;
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

const wholePdu = pduFlags.firstFragment | pduFlags.lastFragment;

const mostFaults = 64;
