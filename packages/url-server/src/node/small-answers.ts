import type { PreparedFields, ResponseFields } from '@carmine/http1';
import { atTurnEnd, type Exchange } from '@carmine/http1/node';
import type { ByteRange } from '../range.ts';
import type { NativeFile } from './native-file.ts';
import { pageAligned } from './page-aligned.ts';
import type { RecentSource } from './shared-sources.ts';

/** An answer with a small range of a file that is open. */
export interface SmallAnswer {
  readonly exchange: Exchange;
  /** Of this answer alone: released when it is over. */
  readonly source: RecentSource;
  readonly range: ByteRange;
  readonly prepared: PreparedFields;
  readonly fields: ResponseFields;
  /** May it still be given? Asked right before. */
  readonly stillAllowed: () => boolean;
  /** It is given now. */
  readonly given: () => void;
  /** It is not given, and nothing else is: the file is not in memory, or not any more what it was, or it may not be given. */
  readonly refused: () => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Gives small answers at the end of the turn in which they were asked for, all together: what is in memory is read, each behind its
 * head, into one piece of memory; one look at the path of each file, after the reads, tells of all of them whether it still leads to
 * this very version; then they are written. Nothing is waited for, so nothing can change in between that this would not see.
 */
export class SmallAnswers {
  readonly #native: NativeFile;
  #waiting: SmallAnswer[] = [];

  constructor(native: NativeFile) {
    this.#native = native;
  }

  add(answer: SmallAnswer): void {
    if (this.#waiting.length === 0) atTurnEnd(() => this.#give());
    this.#waiting.push(answer);
  }

  #give(): void {
    const waiting = this.#waiting.slice(0, mostInOneTurn);
    this.#waiting = this.#waiting.slice(mostInOneTurn);
    if (this.#waiting.length > 0) setImmediate(() => this.#give());
    let read: Read[] = [];
    let end = 0;
    for (const answer of waiting) {
      const { exchange, range, prepared, fields, source } = answer;
      const head = exchange.headText(206, fields, prepared);
      const length = range.last - range.first + 1;
      if (end + head.length + length > memory.length) {
        this.#write(read);
        [read, end] = [[], 0];
      }
      const [from, to] = [end, end + head.length + length];
      memory.write(head, from, 'latin1');
      const body = memory.subarray(from + head.length, to);
      const whole = this.#native.readResident(source.file.fd, body, length, range.first) === length;
      read.push({ answer, from, to, whole });
      end = to;
    }
    this.#write(read);
  }

  #write(answers: readonly Read[]): void {
    const current = new Map<RecentSource, boolean>();
    for (const { answer, from, to, whole } of answers) {
      const { exchange, source } = answer;
      let isCurrent = current.get(source);
      if (isCurrent === undefined) {
        isCurrent = source.isCurrent();
        current.set(source, isCurrent);
      }
      source.release();
      try {
        if (whole && isCurrent && answer.stillAllowed()) {
          answer.given();
          exchange.respondWhole(206, memory, from, to);
        } else answer.refused();
      } catch (error) {
        // The others are not to suffer for it.
        answer.failed(error);
      }
    }
  }
}

interface Read {
  readonly answer: SmallAnswer;
  /** In the memory. */
  readonly from: number;
  readonly to: number;
  readonly whole: boolean;
}

/** Longer ranges are read and written as they come. */
export const smallSize = 32 * 1024;
/** A few milliseconds' worth: then others have their turn. */
const mostInOneTurn = 256;
const memory = pageAligned(512 * 1024);
