import type { Socket } from 'node:net';
import { descriptorOf, isLocal } from '@carmine/http1/node';
import type { NativeFile } from './native-file.ts';
import { asFarIn, pageAligned, pageSize } from './page-aligned.ts';
import type { PeerReads } from './peer-reads.ts';
import { isPromptReader } from './reader-pace.ts';
import { finalBytes } from './send-file.ts';
import type { RecentSource } from './shared-sources.ts';
import type { SmallAnswer } from './small-answers.ts';

/** An answer with a range of a file that is open, to a reader who takes what he is given. */
export interface PromptAnswer extends SmallAnswer {
  /**
   * It is begun, and there was room for so many octets of its body, sent by sendfile where `pagesQueued`: what follows is to be sent, and only then the
   * source, which every other end releases, to be released.
   */
  readonly rest: (sent: number, pagesQueued: boolean) => void;
}

/**
 * Gives ranges that fit into one write at once: what is in memory is read, one look at the path tells whether it still leads to this
 * very version, then it is written. What there is no room for is not kept: the ordinary way goes on from there.
 *
 * Longer ones to a peer of this system go by sendfile(2), without the last bytes, which wait until he has read the others, as `sendFile` has it. Over a network that
 * would take the time of a way there and back.
 */
export class PromptAnswers {
  readonly #native: NativeFile;
  readonly #reads: PeerReads;
  /** Not in memory, a moment ago: nothing is read for nothing. */
  readonly #cold = new WeakSet<RecentSource>();
  /** Octets given in this turn of the event loop. */
  #given = 0;

  constructor(native: NativeFile, reads: PeerReads) {
    this.#native = native;
    this.#reads = reads;
  }

  /** Whether a range of so many octets can be given in this way. */
  takes(length: number, source: RecentSource, socket: Socket): boolean {
    return length <= largest && isPromptReader(socket) && !this.#cold.has(source);
  }

  give(answer: PromptAnswer): void {
    if (this.#given >= mostInOneTurn) {
      setImmediate(() => this.give(answer));
      return;
    }
    if (this.#given === 0) {
      setImmediate(() => {
        this.#given = 0;
      });
    }
    let goesOn = false;
    try {
      goesOn = this.#begin(answer);
    } catch (error) {
      answer.failed(error);
    }
    if (!goesOn) answer.source.release();
  }

  /** True when there is a rest. */
  #begin(answer: PromptAnswer): boolean {
    const { exchange, range, source, prepared, fields } = answer;
    const length = range.last - range.first + 1;
    this.#given += length;
    if (length >= fewestPages && isLocal(exchange.socket) && this.#reads.canFollow(exchange.socket))
      return this.#beginWithPages(answer, length);
    const body = asFarIn(passing, range.first, length);
    const whole = this.#native.readResident(source.file.fd, body, length, range.first) === length;
    if (!whole) this.#cold.add(source);
    if (!whole || !source.isCurrent() || !answer.stillAllowed()) {
      answer.refused();
      return false;
    }
    exchange.begin(206, fields, prepared);
    // In one piece with its head it takes 1.2 times as long, measured.
    const sent = exchange.writeSome(body, length);
    answer.given();
    if (sent < length) {
      answer.rest(sent, false);
      return true;
    }
    exchange.end();
    return false;
  }

  #beginWithPages(answer: PromptAnswer, length: number): boolean {
    const { exchange, range, source, prepared, fields } = answer;
    const { fd } = source.file;
    const whole = this.#native.isInMemory(fd, range.first, length);
    if (!whole) this.#cold.add(source);
    if (!whole || !source.isCurrent() || !answer.stillAllowed()) {
      answer.refused();
      return false;
    }
    exchange.begin(206, fields, prepared);
    const socket = exchange.writeHead() ? descriptorOf(exchange.socket) : undefined;
    const sent = socket === undefined ? 0 : this.#native.send(socket, fd, range.first, length - finalBytes);
    answer.given();
    answer.rest(sent, sent > 0);
    return true;
  }
}

/** A few milliseconds' worth: then others have their turn. */
const mostInOneTurn = 8 * 1024 * 1024;
const largest = 1024 * 1024;
/** Octets. Less is copied in the time that the waiting takes. */
const fewestPages = 512 * 1024;
const passing = pageAligned(largest + pageSize);
