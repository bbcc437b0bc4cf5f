import type { Socket } from 'node:net';
import { sendNow } from './native-socket.ts';
import { atTurnEnd } from './turn-end.ts';

/** Called as that of `Socket.write` is, or at once. */
export type Written = (error?: Error | null) => void;

/** What leaves on one connection, in order. All that is written to its socket goes through here. */
export class Outgoing {
  readonly #socket: Socket;
  #held: Held[] = [];
  #heldLength = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** The peer does not take what there is. `drain` of the socket tells when he does. */
  get stuck(): boolean {
    // Answers to requests that came together do not pile up here either.
    if (this.#heldLength > mostHeld) this.flush();
    return this.#socket.writableNeedDrain;
  }

  /** Writes at the end of this turn of the event loop, together with what is written to other sockets by then. */
  hold(octets: string | Uint8Array, done: Written | undefined): void {
    if (this.#held.length === 0) atTurnEnd(() => this.flush());
    this.#held.push({ octets, done });
    this.#heldLength += octets.length;
  }

  /** Writes what is held. */
  flush(): void {
    const held = this.#held;
    const [first] = held;
    if (first === undefined) return;
    this.#held = [];
    this.#heldLength = 0;
    if (held.length === 1) {
      this.#write(first);
      return;
    }
    this.#socket.cork();
    for (const { octets, done } of held) this.#socket.write(asBuffer(octets), done);
    this.#socket.uncork();
  }

  /** Nothing may change the octets until `done`. */
  write(octets: Uint8Array, done: Written): void {
    this.flush();
    this.#socket.write(octets, done);
  }

  /** Writes a text, and the octets behind it, in one. */
  writeBoth(text: string, octets: Uint8Array, done: Written): void {
    this.flush();
    this.#socket.cork();
    this.#socket.write(text, 'latin1');
    this.#socket.write(octets, done);
    this.#socket.uncork();
  }

  writeText(text: string): void {
    this.flush();
    this.#socket.write(text, 'latin1');
  }

  /** Writes all of it, or copies what there is no room for: when it returns, the octets may be changed. */
  writeCopied(octets: Uint8Array, from: number, to: number, done: Written | undefined): void {
    this.flush();
    const sent = sendNow(this.#socket, octets, from, to);
    if (sent === to - from) done?.();
    else this.#socket.write(Buffer.from(octets.subarray(from + sent, to)), done);
  }

  /**
   * Writes of a text and the octets from `from` to `to` what there is room for now: the whole text, and as many octets as it
   * returns. Undefined when nothing was written.
   */
  writeSome(text: string | undefined, octets: Uint8Array, from: number, to: number): number | undefined {
    this.flush();
    const before = text === undefined || this.writeTextNow(text);
    if (before === undefined) return undefined;
    const sent = before ? sendNow(this.#socket, octets, from, to) : 0;
    return sent === 0 && text === undefined ? undefined : sent;
  }

  /**
   * Writes a text that more follows at once, where there is room for some of it. True when all of it is with the operating system and nothing is queued
   * here: what follows may go past this. Undefined when nothing was written.
   */
  writeTextNow(text: string): boolean | undefined {
    this.flush();
    const octets = asBuffer(text);
    const sent = sendNow(this.#socket, octets, 0, octets.length, true);
    if (sent === 0) return undefined;
    if (sent < octets.length) this.#socket.write(octets.subarray(sent));
    return sent === octets.length;
  }

  /** Nothing follows what was written. */
  end(): void {
    this.flush();
    this.#socket.end();
  }

  /** Closes the connection when all is written. */
  close(): void {
    this.flush();
    this.#socket.destroySoon();
  }

  #write({ octets, done }: Held): void {
    const bytes = asBuffer(octets);
    const sent = sendNow(this.#socket, bytes, 0, bytes.length);
    if (sent === bytes.length) done?.();
    else this.#socket.write(bytes.subarray(sent), done);
  }
}

interface Held {
  readonly octets: string | Uint8Array;
  readonly done: Written | undefined;
}

function asBuffer(octets: string | Uint8Array): Uint8Array {
  return typeof octets === 'string' ? Buffer.from(octets, 'latin1') : octets;
}

/** Octets. */
const mostHeld = 64 * 1024;
