import { CarmineError, isCarmineError } from '@carmine/errors';
import { concatBytes } from '@carmine/wire';
import { faultError, faultStatus } from '../fault.ts';
import { type BindAckBody, contextResults, readBindAck, readBindNak, writeBind } from '../pdu/bind.ts';
import { readFault, readResponseHead, responseHeadEnd, writeRequestHead } from '../pdu/call.ts';
import { PduFramer } from '../pdu/framer.ts';
import { malformed, type Pdu, pduFlags, pduTypes, readPdu, writePdu } from '../pdu/header.ts';
import { authLevels, authTypes, openStub, type Protection, writeFragments } from '../pdu/protection.ts';
import { featureSyntax, features, ndrSyntax, type SyntaxId } from '../pdu/syntax.ts';
import type { RpcAnswer, RpcClientOptions, RpcClientSecurity, RpcRequest, RpcStream } from './types.ts';

/** A connection to an RPC server. Interfaces are bound when they are first called. */
export interface RpcClientConnection {
  /** Throws what the server answers a bind or call with: `rpc/fault`, `auth/…`, `rpc/bind-refused`, `rpc/disconnected`. */
  call(request: RpcRequest): Promise<RpcAnswer>;
  /** A further security context on the same connection ([MS-RPCE] 3.3.1.5.4), which later calls use. */
  secure(security: RpcClientSecurity): Promise<void>;
  /** Known after the first call. */
  readonly associationGroup: number;
  readonly closed: boolean;
  /** Whether calls may overlap; known after the first one. */
  readonly multiplexing: boolean;
  close(): void;
}

interface PendingCall {
  readonly request: RpcRequest;
  readonly protection: Protection | undefined;
  readonly pieces: Uint8Array[];
  length: number;
  /** Undefined once nobody waits for it any longer. */
  settle: { resolve(answer: RpcAnswer): void; reject(error: unknown): void } | undefined;
  done: () => void;
}

/**
 * Connection-oriented RPC as a client (C706 chapter 12, [MS-RPCE] 3.3.2): bind, with as many legs as the security needs, then
 * alter_context without any for each further interface. Signatures and sequence numbers of answers are verified.
 */
export function createRpcClient(stream: RpcStream, options: RpcClientOptions = {}): RpcClientConnection {
  return new ClientConnection(stream, options);
}

class ClientConnection implements RpcClientConnection {
  readonly #stream: RpcStream;
  readonly #options: RpcClientOptions;
  readonly #framer: PduFramer;
  readonly #contexts = new Map<string, Promise<number>>();
  readonly #calls = new Map<number, PendingCall>();
  /** Binding is done one after the other; so are calls when they must not overlap. */
  #binding: Promise<unknown> = Promise.resolve();
  #serial: Promise<unknown> = Promise.resolve();
  #answer: { resolve(pdu: Pdu): void; reject(error: unknown): void } | undefined;
  #state: 'new' | 'bound' | 'closed' = 'new';
  #error: CarmineError | undefined;
  #callId = 0;
  #nextContext = 0;
  #securities = 0;
  #protection: Protection | undefined;
  #headerSigning = false;
  #multiplexing = false;
  #maxTransmit: number;
  #association = 0;
  /** Whether the server has answered under the security context; before, a refusal means the logon. */
  #proven = false;

  constructor(stream: RpcStream, options: RpcClientOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#maxTransmit = options.fragment ?? defaultFragment;
    this.#framer = new PduFramer(() => maximumPdu);
    stream.onData = (bytes) => this.#receive(bytes);
    stream.onClose = (error) => this.#fail(new CarmineError('rpc/disconnected', { cause: error }));
  }

  get associationGroup(): number {
    return this.#association;
  }

  get multiplexing(): boolean {
    return this.#multiplexing;
  }

  get closed(): boolean {
    return this.#state === 'closed';
  }

  async call(request: RpcRequest): Promise<RpcAnswer> {
    if (request.signal?.aborted === true) throw new CarmineError('internal/aborted');
    const contextId = await this.#context(request.syntax);
    if (this.#multiplexing) return this.#send(request, contextId).answer;
    return await this.#inTurn(request, contextId);
  }

  secure(security: RpcClientSecurity): Promise<void> {
    const done = this.#binding.then(async () => {
      const [first] = this.#contexts.values();
      if (first === undefined) throw new CarmineError('usage/invalid', { context: { reason: 'nothing is bound' } });
      const [[syntaxKey]] = [...this.#contexts.entries()] as [[string, unknown]];
      this.#protection = await this.#establish(pduTypes.alterContext, parseKey(syntaxKey), await first, security);
      this.#proven = false;
    });
    this.#binding = done.catch(() => {});
    return done;
  }

  close(): void {
    this.#fail(new CarmineError('rpc/disconnected'));
  }

  /** Without multiplexing the next call waits for the answer of the one before, even if nobody else does. */
  #inTurn(request: RpcRequest, contextId: number): Promise<RpcAnswer> {
    return new Promise((resolve, reject) => {
      const turn = this.#serial.then(async () => {
        if (request.signal?.aborted === true) {
          reject(new CarmineError('internal/aborted'));
          return;
        }
        const { answer, over } = this.#send(request, contextId);
        answer.then(resolve, reject);
        await over;
      });
      this.#serial = turn.catch(reject);
    });
  }

  #send(request: RpcRequest, contextId: number): { readonly answer: Promise<RpcAnswer>; readonly over: Promise<void> } {
    if (this.#state === 'closed') return { answer: Promise.reject(this.#gone()), over: Promise.resolve() };
    const callId = ++this.#callId;
    let done: () => void = () => {};
    const over = new Promise<void>((resolve) => {
      done = resolve;
    });
    const answer = new Promise<RpcAnswer>((resolve, reject) => {
      const { signal } = request;
      const abort = () => {
        const call = this.#calls.get(callId);
        if (call?.settle === undefined) return;
        call.settle = undefined;
        if (this.#state !== 'closed')
          this.#stream.send(writePdu({ type: pduTypes.coCancel, flags: whole, callId, body: none }));
        reject(new CarmineError('internal/aborted'));
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#calls.set(callId, {
        request,
        protection: this.#protection,
        pieces: [],
        length: 0,
        settle: { resolve, reject },
        done: () => {
          signal?.removeEventListener('abort', abort);
          done();
        },
      });
    });
    const { object, opnum } = request;
    const fragments = writeFragments({
      type: pduTypes.request,
      callId,
      stub: request.stub,
      maxFragment: this.#maxTransmit,
      flags: object === undefined ? 0 : pduFlags.objectUuid,
      protection: this.#protection,
      head: (allocHint) => writeRequestHead({ allocHint, contextId, opnum, object }),
    });
    this.#stream.send(fragments.length === 1 ? fragments[0]! : concatBytes(...fragments));
    return { answer, over };
  }

  /** The presentation context of an interface, bound once. */
  #context(syntax: SyntaxId): Promise<number> {
    const key = keyOf(syntax);
    const known = this.#contexts.get(key);
    if (known !== undefined) return known;
    const bound = this.#binding.then(() => this.#bind(syntax));
    this.#binding = bound.catch(() => {});
    this.#contexts.set(key, bound);
    bound.catch(() => this.#contexts.delete(key));
    return bound;
  }

  async #bind(syntax: SyntaxId): Promise<number> {
    if (this.#state === 'closed') throw this.#gone();
    const contextId = this.#nextContext++;
    if (this.#state === 'bound') {
      const answer = await this.#exchange(
        pduTypes.alterContext,
        this.#bindBody(syntax, contextId, false),
        undefined,
        0,
      );
      this.#accept(await this.#acknowledged(answer, false), syntax);
      return contextId;
    }
    const { security } = this.#options;
    try {
      this.#protection = await this.#establish(pduTypes.bind, syntax, contextId, security);
    } catch (error) {
      this.#fail(CarmineError.from(error));
      throw error;
    }
    this.#state = 'bound';
    return contextId;
  }

  /** bind or alter_context with the first token, then the further legs. */
  async #establish(
    type: number,
    syntax: SyntaxId,
    contextId: number,
    security: RpcClientSecurity | undefined,
  ): Promise<Protection | undefined> {
    const isBind = type === pduTypes.bind;
    const body = this.#bindBody(syntax, contextId, isBind);
    const level = security === undefined ? 0 : authLevels[security.level];
    const number = security === undefined ? 0 : ++this.#securities;
    const auth = (token: Uint8Array) =>
      security === undefined ? undefined : { type: security.type, level, contextId: number, token };
    const flags =
      (security === undefined ? 0 : pduFlags.headerSigning) |
      (isBind && this.#options.multiplexing !== false ? pduFlags.concurrentMultiplexing : 0);
    let answer = await this.#exchange(type, body, auth(security?.context.step() ?? none), flags);
    const ack = await this.#acknowledged(answer, security !== undefined);
    this.#accept(ack, syntax);
    if (isBind) {
      this.#association = ack.associationGroup;
      this.#maxTransmit = Math.min(this.#maxTransmit, ack.maxReceive);
      this.#multiplexing =
        this.#options.multiplexing !== false && (answer.flags & pduFlags.concurrentMultiplexing) !== 0;
    }
    if (security === undefined) return undefined;
    if ((answer.flags & pduFlags.headerSigning) !== 0) this.#headerSigning = true;
    const { context } = security;
    for (let leg = 0; leg < maxLegs; leg++) {
      const input = answer.auth?.token;
      // What ends an exchange early is for the mechanism to say.
      const token = context.complete && input === undefined ? undefined : context.step(input);
      if (token === undefined) break;
      if (security.type !== authTypes.negotiate) {
        this.#transmit(pduTypes.auth3, new Uint8Array(4), auth(token), 0, this.#callId);
        break;
      }
      answer = await this.#exchange(pduTypes.alterContext, body, auth(token), 0);
      await this.#acknowledged(answer, true);
      if (answer.auth === undefined) break;
    }
    if (!context.complete) throw new CarmineError('auth/failed');
    return { context, type: security.type, level, contextId: number, headerSigning: this.#headerSigning };
  }

  #bindBody(syntax: SyntaxId, contextId: number, negotiate: boolean): Uint8Array {
    const fragment = this.#options.fragment ?? defaultFragment;
    const contexts = [{ contextId, abstractSyntax: syntax, transferSyntaxes: [ndrSyntax] }];
    const wanted = featureSyntax(features.securityContextMultiplexing | features.keepConnectionOnOrphan);
    if (negotiate)
      contexts.push({ contextId: this.#nextContext++, abstractSyntax: syntax, transferSyntaxes: [wanted] });
    return writeBind({
      maxTransmit: fragment,
      maxReceive: fragment,
      associationGroup: this.#association || (this.#options.associationGroup ?? 0),
      contexts,
    });
  }

  async #acknowledged(answer: Pdu, authenticated: boolean): Promise<BindAckBody> {
    if (answer.type === pduTypes.bindAck || answer.type === pduTypes.alterContextResponse) return readBindAck(answer);
    if (answer.type === pduTypes.bindNak) {
      const reason = readBindNak(answer);
      throw authenticated ? new CarmineError('auth/failed') : refused(`bind_nak ${reason}`);
    }
    if (answer.type !== pduTypes.fault) throw malformed(`PDU of type ${answer.type}`);
    const status = readFault(answer);
    throw authenticated && (status === faultStatus.accessDenied || status === faultStatus.securityPackage)
      ? new CarmineError('auth/failed')
      : faultError(status);
  }

  #accept({ results }: BindAckBody, { uuid }: SyntaxId): void {
    const [first] = results;
    if (first === undefined) throw malformed('bind_ack without results');
    if (first.result !== contextResults.acceptance) throw refused(`interface ${uuid}: reason ${first.reason}`);
  }

  #exchange(type: number, body: Uint8Array, auth: Parameters<typeof writePdu>[0]['auth'], flags: number): Promise<Pdu> {
    if (this.#state === 'closed') return Promise.reject(this.#gone());
    return new Promise((resolve, reject) => {
      this.#answer = { resolve, reject };
      this.#transmit(type, body, auth, flags, ++this.#callId);
    });
  }

  #transmit(
    type: number,
    body: Uint8Array,
    auth: Parameters<typeof writePdu>[0]['auth'],
    flags: number,
    callId: number,
  ): void {
    this.#stream.send(writePdu({ type, flags: whole | flags, callId, body, auth }));
  }

  #receive(bytes: Uint8Array): void {
    if (this.#state === 'closed') return;
    try {
      this.#framer.push(bytes, (octets) => {
        if (this.#state !== 'closed') this.#take(readPdu(octets));
      });
    } catch (error) {
      this.#fail(inbound(error));
    }
  }

  #take(pdu: Pdu): void {
    const call = this.#calls.get(pdu.callId);
    if (pdu.type === pduTypes.response) {
      if (call === undefined) throw malformed('an answer to nothing');
      this.#response(pdu, call);
    } else if (pdu.type === pduTypes.fault && call !== undefined) this.#fault(pdu, call);
    else if (pdu.type !== pduTypes.shutdown) {
      const waiting = this.#answer;
      if (waiting === undefined) throw malformed(`PDU of type ${pdu.type}`);
      this.#answer = undefined;
      // The octets belong to the stream.
      waiting.resolve(readPdu(pdu.bytes.slice()));
    }
  }

  #fault(pdu: Pdu, call: PendingCall): void {
    this.#calls.delete(pdu.callId);
    const status = readFault(pdu);
    const unproven = call.protection !== undefined && !this.#proven && status === faultStatus.accessDenied;
    const error = faultError(status);
    call.settle?.reject(unproven ? new CarmineError('auth/failed', { cause: error }) : error);
    call.done();
  }

  #response(pdu: Pdu, call: PendingCall): void {
    readResponseHead(pdu);
    const { protection } = call;
    let stub: Uint8Array;
    if (protection === undefined) stub = pdu.bytes.subarray(responseHeadEnd, pdu.bodyEnd - (pdu.auth?.padLength ?? 0));
    else {
      if (pdu.auth === undefined || pdu.auth.contextId !== protection.contextId || pdu.auth.level !== protection.level)
        throw malformed('an answer that is not protected');
      stub = openStub(pdu, responseHeadEnd, { ...protection, headerSigning: this.#headerSigning });
      this.#proven = true;
    }
    call.length += stub.length;
    const limit = this.#options.stub ?? defaultStub;
    if (call.length > limit)
      throw new CarmineError('wire/limit', { context: { what: 'response', actual: call.length, limit } });
    call.pieces.push(stub.slice());
    if ((pdu.flags & pduFlags.lastFragment) === 0) return;
    this.#calls.delete(pdu.callId);
    const [first] = call.pieces;
    const all = call.pieces.length === 1 && first !== undefined ? first : concatBytes(...call.pieces);
    call.settle?.resolve({ stub: all, littleEndian: pdu.littleEndian });
    call.done();
  }

  #fail(error: CarmineError): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#error = error;
    this.#stream.close();
    this.#answer?.reject(error);
    this.#answer = undefined;
    for (const call of this.#calls.values()) {
      call.settle?.reject(error);
      call.done();
    }
    this.#calls.clear();
  }

  #gone(): CarmineError {
    return isCarmineError(this.#error, 'rpc/disconnected')
      ? this.#error
      : new CarmineError('rpc/disconnected', { cause: this.#error });
  }
}

/** Whatever our codecs object to is the server's fault. */
function inbound(error: unknown): CarmineError {
  if (isCarmineError(error) && error.code.startsWith('wire/'))
    return new CarmineError('rpc/malformed', { context: { reason: error.message }, cause: error });
  return CarmineError.from(error);
}

function refused(reason: string): CarmineError {
  return new CarmineError('rpc/bind-refused', { context: { reason } });
}

function keyOf({ uuid, major, minor }: SyntaxId): string {
  return `${uuid} ${major} ${minor}`;
}

function parseKey(key: string): SyntaxId {
  const [uuid = '', major, minor] = key.split(' ');
  return { uuid, major: Number(major), minor: Number(minor) };
}

const whole = pduFlags.firstFragment | pduFlags.lastFragment;
const none = new Uint8Array(0);
const defaultFragment = 5840;
const defaultStub = 32 * 1024 * 1024;
const maximumPdu = 65_535;
const maxLegs = 6;
