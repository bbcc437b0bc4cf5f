import { CarmineError } from '@carmine/errors';
import type { Extent } from './extents.ts';
import { checkRanges, type FileRange, partsOf, placeRanges, sourceOfRanges, validatorOfRanges } from './file-ranges.ts';
import type { ResponseHead } from './headers.ts';
import type { Receiver, ReceiverExchange, ReceiverFactory, ReceiverHandler, ReceiverRequest } from './receiver.ts';
import { judgeResponse, readSource } from './response-rules.ts';
import { type Source, type Validator, validatorOf } from './source.ts';

/**
 * Shows some ranges of a file, one after the other, as if they were a file. So everything that is done with files is done with them: several
 * connections, the journal, going on. Each part is asked for alone (a server may merge several, which BITS does not allow) and judged like
 * any part of a file; of a file that changed the ranges have changed.
 */
export function createRangesFactory(inner: ReceiverFactory, ranges: readonly FileRange[]): ReceiverFactory {
  checkRanges(ranges);
  /** What was last heard of the file, by URL. */
  const known = new Map<string, Source>();
  return (url) =>
    new RangesReceiver(inner(url), ranges, {
      get: () => known.get(url),
      set: (source) => known.set(url, source),
    });
}

interface Known {
  get(): Source | undefined;
  set(source: Source): void;
}

class RangesReceiver implements Receiver {
  readonly inner: Receiver;
  readonly ranges: readonly FileRange[];
  readonly known: Known;

  constructor(inner: Receiver, ranges: readonly FileRange[], known: Known) {
    this.inner = inner;
    this.ranges = ranges;
    this.known = known;
  }

  request(request: ReceiverRequest, handler: ReceiverHandler): ReceiverExchange {
    const exchange = new RangesExchange(this, request, handler);
    exchange.start();
    return exchange;
  }

  close(): void {
    this.inner.close();
  }
}

class RangesExchange implements ReceiverExchange {
  readonly #receiver: RangesReceiver;
  readonly #request: ReceiverRequest;
  readonly #handler: ReceiverHandler;
  #current: ReceiverExchange | undefined;
  #paused = false;
  #over = false;
  #told = false;
  /** What was told is an answer as it came, and its body nothing of the file. */
  #refused = false;

  constructor(receiver: RangesReceiver, request: ReceiverRequest, handler: ReceiverHandler) {
    this.#receiver = receiver;
    this.#request = request;
    this.#handler = handler;
  }

  start(): void {
    const source = this.#receiver.known.get();
    if (this.#request.method === 'HEAD' || source === undefined) this.#ask();
    else this.#fetch(source);
  }

  pause(): void {
    this.#paused = true;
    this.#current?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#current?.resume();
  }

  abort(): void {
    this.#over = true;
    this.#current?.abort();
  }

  #send(request: ReceiverRequest, handler: ReceiverHandler): void {
    this.#current = this.#receiver.inner.request(request, handler);
    if (this.#over) this.#current.abort();
    else if (this.#paused) this.#current.pause();
  }

  /** What the file is. Windows asks too when the ranges are not all of it (spec/bits.md 4.7). */
  #ask(): void {
    let asked: { readonly head: ResponseHead; readonly source: Source } | undefined;
    this.#send(
      { method: 'HEAD' },
      {
        onHead: (head) =>
          this.#guard(() => {
            if (head.status !== 200) {
              this.#tell(head);
              return;
            }
            const source = readSource(head);
            // Whether it has them all is known before anything is fetched.
            placeRanges(this.#receiver.ranges, source.length);
            this.#receiver.known.set(source);
            asked = { head, source };
            if (this.#request.method === 'HEAD') this.#tell(this.#headOf(head, source, 200));
          }),
        onData: (_chunk, release) => release?.(),
        onEnd: () => {
          if (this.#over) return;
          if (this.#request.method === 'HEAD' || asked === undefined) this.#end();
          else this.#fetch(asked.source);
        },
        onError: (error) => this.#fail(error),
      },
    );
  }

  #fetch(known: Source): void {
    this.#guard(() => {
      const placed = placeRanges(this.#receiver.ranges, known.length);
      const total = placed.reduce((sum, { start, end }) => sum + end - start, 0);
      const { start, end } = this.#request.range ?? { start: 0, end: total };
      const { validator } = this.#request;
      const wanted = validator === undefined ? validatorOf(known) : validatorOfRanges(this.#receiver.ranges, validator);
      const parts = [...partsOf(placed, start, end)];
      // Several answers are joined only when each says which version it is of.
      if (placed.length > 1 && validatorOf(known) === undefined) throw new CarmineError('transfer/no-ranges');
      // Of another version than the one that we were told of last, or of other ranges: then it has changed.
      if (parts.length === 0 || !isOf(known, wanted)) this.#changed();
      else this.#next(known, wanted, parts, { start, end, total });
    });
  }

  #next(known: Source, validator: Validator | undefined, parts: Extent[], whole: Whole): void {
    const part = parts.shift();
    if (part === undefined) {
      this.#end();
      return;
    }
    let left = part.end - part.start;
    this.#send(
      { method: 'GET', range: part, validator },
      {
        onHead: (head) =>
          this.#guard(() => {
            const refused = head.status !== 200 && head.status !== 206;
            if (refused && !this.#told) {
              this.#tell(head);
              return;
            }
            const verdict = judgeResponse({ ...part, ranged: true }, known, head);
            if (verdict.kind === 'changed') {
              this.#changed();
              return;
            }
            if (verdict.whole && part.end !== known.length) throw new CarmineError('transfer/no-ranges');
            left = verdict.end - part.start;
            // A server may send less; what is missing is asked for next.
            if (verdict.end < part.end) parts.unshift({ start: verdict.end, end: part.end });
            if (!this.#told)
              this.#tell(this.#headOf(head, known, this.#request.range === undefined ? 200 : 206, whole));
          }),
        onData: (chunk, release) => {
          left -= chunk.length;
          if (this.#over || left < 0) release?.();
          else this.#handler.onData(chunk, release);
          if (left < 0) this.#fail(lost());
        },
        onCrowded: (waits) => this.#handler.onCrowded?.(waits),
        onEnd: () => {
          if (this.#over) return;
          if (this.#refused) this.#end();
          else if (left > 0) this.#fail(lost());
          else this.#next(known, validator, parts, whole);
        },
        onError: (error) => this.#fail(error),
      },
    );
  }

  #tell(head: ResponseHead): void {
    this.#told = true;
    this.#refused = head.status !== 200 && head.status !== 206;
    this.#handler.onHead(head);
  }

  /** The head that the ranges would have if they were a file. */
  #headOf(head: ResponseHead, source: Source, status: number, whole?: Whole): ResponseHead {
    const { length, etag, lastModified } = sourceOfRanges(this.#receiver.ranges, source);
    const { start, end, total } = whole ?? { start: 0, end: length, total: length };
    const headers = {
      etag,
      'last-modified': lastModified,
      'content-length': String(end - start),
      ...(status === 206 ? { 'content-range': `bytes ${start}-${end - 1}/${total}` } : {}),
    };
    return { ...head, status, headers };
  }

  /** RFC 9110, section 15.5.13: what was asked for is no more. In the middle it only ends: who asks again hears of it. */
  #changed(): void {
    this.#current?.abort();
    if (this.#over) return;
    if (this.#told) {
      this.#fail(lost());
      return;
    }
    queueMicrotask(() => {
      if (this.#over) return;
      this.#tell({ status: 412, headers: {}, origin: 'the ranges' });
      this.#end();
    });
  }

  #guard(work: () => void): void {
    if (this.#over) return;
    try {
      work();
    } catch (thrown) {
      this.#current?.abort();
      this.#fail(CarmineError.from(thrown));
    }
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#handler.onEnd();
  }

  /** Never before `request` has returned. */
  #fail(error: CarmineError): void {
    if (this.#over) return;
    this.#over = true;
    this.#current?.abort();
    queueMicrotask(() => this.#handler.onError(error));
  }
}

interface Whole {
  readonly start: number;
  readonly end: number;
  readonly total: number;
}

function isOf(source: Source, validator: Validator | undefined): boolean {
  const own = validatorOf(source);
  return own?.kind === validator?.kind && own?.value === validator?.value;
}

/** Between two parts of it: what comes next is asked for again, and judged then. */
function lost(): CarmineError {
  return new CarmineError('transfer/connection-lost', { context: { origin: 'the ranges' } });
}
