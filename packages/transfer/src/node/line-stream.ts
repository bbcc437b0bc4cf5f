import { Duplex } from 'node:stream';
import { Line, type LineReader } from './line.ts';
import type { Peer } from './peer.ts';

/** A line as a stream, for who reads it like that: undici. Once it is let go of, whatever its holder does to the stream does nothing to the line. */
export class LineStream extends Duplex implements LineReader {
  readonly #opened: (thrown: unknown) => void;
  /** What was not given to anybody yet; what was is never filled again. */
  #memory = new Uint8Array(0);
  #line: Line | undefined;
  #over = false;
  #paused = false;

  /** `opened`: it is connected, or never will be. */
  constructor(peer: Peer, opened: (thrown: unknown) => void) {
    super();
    this.#opened = opened;
    this.#line = new Line(peer, this);
    // Its holder hears of it, if there still is one.
    this.on('error', () => undefined);
  }

  /** The line, which goes on with another reader; undefined: there is something on it that is not read or written yet, or it is over. */
  letGo(reader: LineReader): Line | undefined {
    const line = this.#line;
    if (line?.connected !== true || line.destroyed || this.destroyed || this.#over) return undefined;
    if (this.#paused || this.readableLength > 0 || this.writableLength > 0) return undefined;
    this.#line = undefined;
    line.handTo(reader);
    return line;
  }

  space(): Uint8Array {
    if (this.#memory.length < worthwhile) this.#memory = Buffer.allocUnsafeSlow(memoryBytes);
    return this.#memory;
  }

  received(count: number): boolean {
    const bytes = this.#memory.subarray(0, count);
    this.#memory = this.#memory.subarray(count);
    if (this.push(bytes)) return true;
    this.#paused = true;
    this.#line?.pause();
    return false;
  }

  connected(): void {
    this.#opened(undefined);
  }

  lost(reason: unknown): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#line?.connected !== true) {
      this.#close();
      this.#opened(reason ?? new Error('the other side closed the connection'));
    } else if (reason === undefined) this.push(null);
    else this.destroy(reason as Error);
  }

  // As undici asks for it where nothing is asked for.
  ref(): void {
    this.#line?.ref(true);
  }

  unref(): void {
    this.#line?.ref(false);
  }

  override _read(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#line?.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, written: (error?: Error | null) => void): void {
    if (this.#line === undefined) written(new Error('the connection is closed'));
    else this.#line.write(chunk, written);
  }

  override _destroy(error: Error | null, destroyed: (error?: Error | null) => void): void {
    this.#close();
    destroyed(error);
  }

  #close(): void {
    const line = this.#line;
    this.#line = undefined;
    line?.close(() => undefined);
  }
}

const memoryBytes = 256 * 1024;
/** Less is not worth a read. */
const worthwhile = 16 * 1024;
