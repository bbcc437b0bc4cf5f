import { concatBytes } from '@carmine/wire';
import { faultStatus } from '../fault.ts';
import { writeBindNak } from '../pdu/bind.ts';
import { writeFault } from '../pdu/call.ts';
import { pduFlags, pduTypes, writePdu } from '../pdu/header.ts';

/** What is sent on a connection, and how far that is; complaints that are too grave or too many end it. */
export class Line {
  readonly #onEnd: () => void;
  #output: Uint8Array[] = [];
  #state: 'unbound' | 'bound' | 'closing' | 'closed' = 'unbound';
  /** In what came in one piece; who goes on after so many hears nothing of it and costs memory only. */
  #faults = 0;

  /** `onEnd` is called once, when nothing more is taken from the peer. */
  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
  }

  get state(): 'unbound' | 'bound' | 'closing' | 'closed' {
    return this.#state;
  }

  /** Somebody may be heard and answered. */
  get open(): boolean {
    return this.#state === 'unbound' || this.#state === 'bound';
  }

  bound(): void {
    this.#state = 'bound';
  }

  /** The next piece has come. */
  heard(): void {
    this.#faults = 0;
  }

  send(...pieces: readonly Uint8Array[]): void {
    if (this.open) this.#output.push(...pieces);
  }

  fault(callId: number, contextId: number, status: number, executed: boolean): void {
    if (++this.#faults > mostFaults) {
      this.end();
      return;
    }
    this.send(writeFault(callId, contextId, status, executed ? 0 : pduFlags.didNotExecute));
  }

  /** [MS-RPCE] 3.3.3.5.7. */
  violation(callId: number): void {
    this.fault(callId, 0, faultStatus.protocolError, false);
    this.end();
  }

  nak(callId: number, reason: number): void {
    this.send(writePdu({ type: pduTypes.bindNak, flags: wholePdu, callId, body: writeBindNak(reason) }));
  }

  /** What is to be sent still is; then the connection ends. */
  end(): void {
    if (!this.open) return;
    this.#state = 'closing';
    this.#onEnd();
  }

  /** The peer is gone. */
  close(): void {
    this.end();
    this.#state = 'closed';
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
}

export const wholePdu = pduFlags.firstFragment | pduFlags.lastFragment;

const mostFaults = 64;
