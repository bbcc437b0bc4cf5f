import { allocatePages, blockBytes } from './direct-writes.ts';

/**
 * Buffers that sockets receive into and files are written from, used again and again; smaller ones for many connections and for slow ones, whose every
 * piece that waits for its digest would keep a large one from being used.
 */
export class BufferPool {
  readonly #limit: number;
  readonly #large: Uint8Array[] = [];
  readonly #small: Uint8Array[] = [];
  readonly #waiting = new Set<() => void>();
  /** Octets that wait to be written. */
  #held = 0;

  /** `limit`: octets that may wait before it is `crowded`. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Always gives one: what is on its way up from a socket must go somewhere. `quick`: it will be full in a moment. */
  take(quick: boolean): Uint8Array {
    if (this.#waiting.size <= (quick ? fewConnections : twoConnections)) return this.#takeLarge();
    if (this.#small.length === 0) {
      const large = this.#takeLarge();
      for (let at = bufferBytes - smallBytes; at >= 0; at -= smallBytes) {
        this.#small.push(large.subarray(at, at + smallBytes));
      }
    }
    return this.#small.pop() as Uint8Array;
  }

  #takeLarge(): Uint8Array {
    if (this.#large.length === 0) this.#allocate();
    return this.#large.pop() as Uint8Array;
  }

  /** Many at once: such memory reserves addresses generously, and what is not touched costs nothing. */
  #allocate(): void {
    const pages = allocatePages(allocatedBytes);
    if (pages === undefined) {
      this.#large.push(Buffer.allocUnsafeSlow(bufferBytes));
      return;
    }
    for (let at = pages.byteLength - bufferBytes; at >= 0; at -= bufferBytes) {
      this.#large.push(new Uint8Array(pages, at, bufferBytes));
    }
  }

  giveBack(buffer: Uint8Array): void {
    (buffer.length === bufferBytes ? this.#large : this.#small).push(buffer);
  }

  hold(octets: number): void {
    this.#held += octets;
  }

  free(octets: number): void {
    this.#held -= octets;
    if (this.crowded) return;
    for (const tell of this.#waiting) tell();
  }

  get crowded(): boolean {
    return this.#held > this.#limit;
  }

  /** A connection is open: `tell` is called whenever there may be room again. */
  wait(tell: () => void): void {
    this.#waiting.add(tell);
  }

  leave(tell: () => void): void {
    this.#waiting.delete(tell);
  }
}

/** A buffer that is filled from its beginning and handed on in parts; it goes back when nobody needs any of them. */
export class ReceiveBuffer {
  readonly bytes: Uint8Array;
  readonly #pool: BufferPool;
  /** Octets that were received into it, and those of them that were handed on or are of no use to anybody. */
  filled = 0;
  taken = 0;
  /** Parts in use, and one for being filled. */
  #uses = 1;

  /** `quick`: see `BufferPool.take`. */
  constructor(pool: BufferPool, quick: boolean) {
    this.#pool = pool;
    this.bytes = pool.take(quick);
  }

  /** What was received and not handed on. */
  get fresh(): Uint8Array {
    return this.bytes.subarray(this.taken, this.filled);
  }

  get room(): number {
    return this.bytes.length - this.filled;
  }

  /** Hands on what is fresh up to `end`; `release` is to be called once. */
  hand(end: number): { readonly chunk: Uint8Array; readonly release: () => void } {
    const chunk = this.bytes.subarray(this.taken, end);
    this.taken = end;
    this.#uses++;
    this.#pool.hold(chunk.length);
    return {
      chunk,
      release: () => {
        this.release();
        this.#pool.free(chunk.length);
      },
    };
  }

  /**
   * Moves what is fresh so that it lies in its block of memory as `position` lies in its block of the file. What was handed
   * on before stays where it is.
   */
  align(position: number, start: number): boolean {
    const target = start + ((((position - start) % blockBytes) + blockBytes) % blockBytes);
    const count = this.filled - this.taken;
    if (target + count > this.bytes.length) return false;
    this.bytes.copyWithin(target, this.taken, this.filled);
    this.taken = target;
    this.filled = target + count;
    return true;
  }

  /** One use less; the last one gives it back. */
  release(): void {
    if (--this.#uses === 0) this.#pool.giveBack(this.bytes);
  }
}

/** A large page. */
const bufferBytes = 2 * 1024 * 1024;
const smallBytes = 256 * 1024;
const fewConnections = 6;
/**
 * So many have large ones, however slow. One in the background and its probe are two: it must take much at once and then wait long, so that the probe
 * sees what that does to the path.
 */
const twoConnections = 2;
const allocatedBytes = 4 * bufferBytes;
