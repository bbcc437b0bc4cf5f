import type { Socket } from 'node:net';
import type { CarmineError } from '@carmine/errors';
import { AnswerReader, type SmallAnswer } from '../answer-reader.ts';
import type { Source } from '../source.ts';
import { type AnswerBuffers, startOfAnswer } from './answer-buffers.ts';
import type { RawSockets } from './raw-socket.ts';

/** Who has files to ask a connection for. */
export interface QuickFiles<T> {
  /** The next one with its request; undefined: there is none for this connection. */
  next(): { readonly item: T; readonly request: string } | undefined;
  /**
   * It came whole; the content is there during the call, and longer for who holds it. `elapsed`: milliseconds from the request to what was read first of
   * the answer.
   */
  arrived(item: T, source: Source, content: HeldContent, elapsed: number): void;
  refused(item: T, error: CarmineError): void;
}

/** Content, and a way to keep it: what `hold` returns is to be called once. */
export interface HeldContent {
  readonly bytes: Uint8Array;
  hold(): () => void;
}

/** How a connection ended. */
export interface QuickEnd<T> {
  /** The file that was asked for and has no answer, or one that is nothing for this way. */
  readonly left: T | undefined;
  /** Answers that were taken. */
  readonly answers: number;
  /** `done`: there was nothing more to ask for. `large`: what is left is. */
  readonly reason: 'done' | 'large' | 'other';
}

/**
 * A connection for many small files: nothing is waited for between an answer and the file that is written from it. What is not
 * a plain answer ends it; it tries nothing twice, and whoever uses it has another way for what is left.
 *
 * One request at a time, as everywhere: who sent several could not tell an answer that comes twice from the one to the next file.
 */
export class QuickConnection<T> {
  readonly ended: Promise<QuickEnd<T>>;
  readonly #files: QuickFiles<T>;
  readonly #reader: AnswerReader;
  readonly #socket: Socket;
  readonly #tell: (end: QuickEnd<T>) => void;
  readonly #buffers: AnswerBuffers;
  /** Node asks where the next octets go as soon as it has brought some; so there is another one by the time that an answer is whole. */
  #buffer: Uint8Array;
  /** Of the buffer: where the answer begins, and where the next octets go. */
  #start = 0;
  #filled = 0;
  #asked: Asked<T> | undefined;
  /** A whole answer, and where it is. */
  #came: { readonly answer: FinalAnswer; readonly bytes: Uint8Array; readonly buffer: Uint8Array } | undefined;
  #answers = 0;
  #over = false;

  constructor(
    origin: string,
    sockets: RawSockets,
    files: QuickFiles<T>,
    buffers: AnswerBuffers,
    options: { readonly small: number; readonly connect: number; readonly silence: number },
  ) {
    this.#files = files;
    this.#buffers = buffers;
    this.#buffer = buffers.take();
    this.#reader = new AnswerReader(origin, options.small);
    const { promise, resolve } = Promise.withResolvers<QuickEnd<T>>();
    this.ended = promise;
    this.#tell = resolve;
    const socket = sockets.open({
      buffer: () => (this.#over ? sink : this.#buffer.subarray(this.#filled)),
      callback: (count) => this.#onRead(count),
    });
    this.#socket = socket;
    socket.setTimeout(options.connect, () => this.close());
    socket.once(sockets.ready, () => {
      if (this.#over) return;
      if (sockets.refused(socket) !== undefined) {
        this.close();
        return;
      }
      socket.setTimeout(options.silence);
      this.#ask();
    });
    socket.on('error', () => this.close());
    socket.once('end', () => this.close());
    socket.once('close', () => this.close());
  }

  /** Ends it; what has come whole still counts. */
  close(): void {
    this.#write(this.#take());
    this.#end();
  }

  #end(reason: QuickEnd<T>['reason'] = 'other'): void {
    if (this.#over) return;
    this.#over = true;
    this.#socket.destroy();
    // From here on Node is given another place.
    this.#buffers.giveBack(this.#buffer);
    this.#tell({ left: this.#asked?.item, answers: this.#answers, reason });
  }

  #ask(): void {
    const next = this.#files.next();
    if (next === undefined) {
      this.#end('done');
      return;
    }
    this.#asked = { item: next.item, at: performance.now(), elapsed: undefined };
    this.#socket.write(next.request, 'latin1');
  }

  #onRead(count: number): boolean {
    if (this.#over) return false;
    const asked = this.#asked;
    // Nobody asked: whatever it is, it must not become part of the next answer.
    if (asked === undefined || this.#came !== undefined) {
      this.close();
      return false;
    }
    this.#filled += count;
    asked.elapsed ??= performance.now() - asked.at;
    const bytes = this.#buffer.subarray(this.#start, this.#filled);
    const answer = this.#reader.read(bytes);
    if (answer === undefined) this.#makeRoom();
    else if (answer.kind === 'large' || answer.kind === 'other') this.#end(answer.kind);
    else {
      // More than announced: the answer is whole, but nobody knows what the rest is.
      const whole = bytes.length > answer.end ? { ...answer, stays: false } : answer;
      this.#came = { answer: whole, bytes, buffer: this.#buffer };
      this.#buffer = this.#buffers.take();
      // The next head is as long as this one, or what it belongs to is not written past the page cache.
      this.#start = answer.kind === 'file' ? startOfAnswer(answer.start) : 0;
      this.#filled = this.#start;
      atEndOfTurn(this);
    }
    return !this.#over;
  }

  /** A head is never longer than the usual buffer. */
  #makeRoom(): void {
    const size = this.#start + (this.#reader.size ?? 0);
    if (size <= this.#buffer.length && this.#filled < this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(size, this.#start + this.#buffer.length));
    larger.set(this.#buffer.subarray(0, this.#filled));
    this.#buffers.giveBack(this.#buffer);
    this.#buffer = larger;
  }

  /** Takes the answer that has come and asks for the next file; what is returned writes the one that came. */
  takeTurn(): () => void {
    const taken = this.#take();
    if (taken?.came.answer.stays === true && !this.#over) this.#ask();
    return () => {
      this.#write(taken);
      if (taken?.came.answer.stays === false) this.#end();
    };
  }

  #take(): Taken<T> | undefined {
    const [came, asked] = [this.#came, this.#asked];
    if (came === undefined || asked === undefined) return undefined;
    this.#came = undefined;
    this.#asked = undefined;
    this.#answers++;
    return { came, asked };
  }

  #write(taken: Taken<T> | undefined): void {
    if (taken === undefined) return;
    const { came, asked } = taken;
    const { answer, bytes, buffer } = came;
    let release = () => this.#buffers.giveBack(buffer);
    if (answer.kind === 'refused') this.#files.refused(asked.item, answer.error);
    else {
      const hold = () => {
        const held = release;
        release = () => undefined;
        return held;
      };
      const content = { bytes: bytes.subarray(answer.start, answer.end), hold };
      this.#files.arrived(asked.item, answer.source, content, asked.elapsed ?? 0);
    }
    release();
  }
}

type FinalAnswer = Extract<SmallAnswer, { readonly kind: 'file' | 'refused' }>;

interface Asked<T> {
  readonly item: T;
  readonly at: number;
  elapsed: number | undefined;
}

interface Taken<T> {
  readonly came: { readonly answer: FinalAnswer; readonly bytes: Uint8Array; readonly buffer: Uint8Array };
  readonly asked: Asked<T>;
}

/**
 * At the end of the turn of the loop all connections that have an answer ask for the next file before any is written: a server that sleeps is woken once
 * for all of them, and has something to do meanwhile.
 */
function atEndOfTurn(connection: Pick<QuickConnection<never>, 'takeTurn'>): void {
  if (answered.push(connection) > 1) return;
  setImmediate(() => {
    const writes = answered.splice(0).map((each) => each.takeTurn());
    for (const write of writes) write();
  });
}
const answered: Pick<QuickConnection<never>, 'takeTurn'>[] = [];

/** Where the octets go that nobody wants; nobody reads them. */
const sink = new Uint8Array(64 * 1024);
