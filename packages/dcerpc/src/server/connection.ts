import { nakReasons } from '../pdu/bind.ts';
import { PduFramer } from '../pdu/framer.ts';
import { malformed, pduTypes, readPdu } from '../pdu/header.ts';
import { Binding } from './binding.ts';
import { CallQueue } from './calls.ts';
import { Line } from './line.ts';
import { PresentationContexts } from './presentation-contexts.ts';
import { Requests } from './requests.ts';
import { SecurityContexts } from './security-contexts.ts';
import type { RpcConnectionInfo, RpcPeer, Shared } from './types.ts';

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
  readonly #contexts: PresentationContexts;
  readonly #calls = new CallQueue();
  readonly #line: Line;
  readonly #binding: Binding;
  readonly #requests: Requests;

  constructor(shared: Shared, peer: RpcPeer, id: number) {
    this.#shared = shared;
    this.#peer = peer;
    this.#id = id;
    const { limits } = shared;
    this.#framer = new PduFramer(() => limits.bind);
    this.#security = new SecurityContexts(shared.options, peer, limits.securityContexts);
    this.#contexts = new PresentationContexts(shared);
    this.#line = new Line(() => this.#ended());
    const parts = { line: this.#line, security: this.#security, contexts: this.#contexts, calls: this.#calls };
    this.#binding = new Binding(shared, peer, parts);
    this.#requests = new Requests(shared, {
      ...parts,
      binding: this.#binding,
      info: () => this.info,
      onOutput: () => this.onOutput(),
    });
  }

  get info(): RpcConnectionInfo {
    return { ...this.#peer, id: this.#id, association: this.#binding.association };
  }

  get authenticated(): boolean {
    return this.#security.authenticated;
  }

  get congested(): boolean {
    return this.#requests.congested;
  }

  get busy(): boolean {
    return this.#calls.busy;
  }

  receive(bytes: Uint8Array): void {
    if (!this.#line.open) return;
    this.#line.heard();
    try {
      this.#framer.push(bytes, (pdu) => {
        if (this.#line.open) this.#take(pdu);
      });
    } catch {
      this.#line.end();
    }
  }

  poll(): Uint8Array | 'close' | undefined {
    return this.#line.poll();
  }

  close(): void {
    this.#line.close();
  }

  #take(bytes: Uint8Array): void {
    const pdu = readPdu(bytes);
    if (bytes[0] !== 5 || bytes[1] !== 0) {
      if (pdu.type === pduTypes.bind) this.#line.nak(pdu.callId, nakReasons.protocolVersion);
      this.#line.end();
      return;
    }
    switch (pdu.type) {
      case pduTypes.bind:
        this.#binding.bind(pdu);
        break;
      case pduTypes.alterContext:
        this.#binding.alter(pdu);
        break;
      case pduTypes.auth3:
        this.#binding.auth3(pdu);
        break;
      case pduTypes.request:
        if (bytes.length > this.#binding.maxReceive) throw malformed('fragment size');
        this.#requests.take(pdu);
        break;
      case pduTypes.coCancel:
        this.#calls.cancel(pdu.callId);
        break;
      case pduTypes.orphaned:
        this.#orphaned(pdu.callId);
        break;
      default:
        this.#line.end();
    }
  }

  #orphaned(callId: number): void {
    this.#calls.cancel(callId);
    this.#requests.forget(callId);
    if (!this.#contexts.keepOnOrphan) this.#line.end();
  }

  #ended(): void {
    this.#requests.forget();
    this.#calls.close();
    this.#shared.options.onClose?.(this.info);
    const { association } = this.#binding;
    if (association !== 0) this.#shared.associations.leave(association);
  }
}
