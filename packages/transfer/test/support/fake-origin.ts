import { CarmineError } from '@carmine/errors';
import type { FakeClock, SeededRandom } from '@carmine/testkit';
import type { Headers, Receiver, ReceiverExchange, ReceiverHandler, ReceiverRequest } from '@carmine/transfer';

export interface Version {
  readonly content: Uint8Array;
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
  readonly digest?: string | undefined;
}

/** An origin in memory and virtual time: it answers as HTTP would, in chunks, and drops connections when told to. */
export class FakeOrigin {
  version: Version;
  /** False: Range is ignored. */
  ranges = true;
  acceptRanges: 'bytes' | 'none' | undefined = 'bytes';
  /** Of 1,000 chunks, how many are followed by a dropped connection. */
  drops = 0;
  maximumChunk = 4_096;
  /** Octets that may wait to be written; more, and nobody is given any until there are less. */
  memory = Number.POSITIVE_INFINITY;
  #held = 0;
  readonly #crowded = new Set<() => void>();
  readonly requests: ReceiverRequest[] = [];
  /** Content bytes that handlers were given. */
  delivered = 0;
  /** Requests under way. */
  open = 0;
  mostOpen = 0;
  onChunk: (() => void) | undefined;
  readonly #clock: FakeClock;
  readonly #random: SeededRandom;

  constructor(clock: FakeClock, random: SeededRandom, version: Version) {
    this.#clock = clock;
    this.#random = random;
    this.version = version;
  }

  readonly receivers = (): Receiver => ({
    request: (request, handler) => this.#serve(request, handler),
    close: () => undefined,
  });

  #serve(request: ReceiverRequest, handler: ReceiverHandler): ReceiverExchange {
    this.requests.push(request);
    this.open++;
    this.mostOpen = Math.max(this.mostOpen, this.open);
    const { version } = this;
    let paused = false;
    let over = false;
    let waiting: (() => void) | undefined;
    const end = (tell: () => void) => {
      if (over) return;
      over = true;
      this.open--;
      tell();
    };
    const later = (work: () => void) => this.#clock.after(this.#random.below(4), () => over || work());
    const { status, headers, start, stop } = this.#answer(request, version);
    const chunk = (position: number) => {
      if (paused) {
        waiting = () => chunk(position);
        return;
      }
      if (position >= stop) {
        end(() => handler.onEnd());
        return;
      }
      const next = Math.min(stop, position + 1 + this.#random.below(this.maximumChunk));
      this.delivered += next - position;
      this.#held += next - position;
      handler.onData(version.content.slice(position, next), () => {
        this.#held -= next - position;
        if (this.#held > this.memory) return;
        for (const goOn of this.#crowded) goOn();
      });
      this.onChunk?.();
      if (this.#held > this.memory) {
        const goOn = () => {
          this.#crowded.delete(goOn);
          if (over) return;
          handler.onCrowded?.(false);
          later(() => chunk(next));
        };
        this.#crowded.add(goOn);
        handler.onCrowded?.(true);
        return;
      }
      if (this.#random.below(1_000) < this.drops) {
        end(() => handler.onError(new CarmineError('transfer/connection-lost', { context: { origin: 'o' } })));
      } else later(() => chunk(next));
    };
    later(() => {
      handler.onHead({ status, headers, origin: 'http://origin.example' });
      later(() => chunk(start));
    });
    return {
      pause() {
        paused = true;
      },
      resume() {
        paused = false;
        const go = waiting;
        waiting = undefined;
        if (go !== undefined) later(go);
      },
      abort: () => end(() => undefined),
    };
  }

  #answer(request: ReceiverRequest, version: Version) {
    const { content, etag, lastModified, digest } = version;
    const common: Headers = {
      etag,
      'last-modified': lastModified,
      'accept-ranges': this.acceptRanges,
      'repr-digest': digest === undefined ? undefined : `sha-256=:${digest}:`,
    };
    const { validator, range } = request;
    const stale = validator !== undefined && validator.value !== (validator.kind === 'etag' ? etag : lastModified);
    if (stale && validator.kind === 'lastModified') return { status: 412, headers: common, start: 0, stop: 0 };
    const whole = { ...common, 'content-length': String(content.length) };
    if (request.method === 'HEAD') return { status: 200, headers: whole, start: 0, stop: 0 };
    if (range === undefined || stale || !this.ranges)
      return { status: 200, headers: whole, start: 0, stop: content.length };
    if (range.start >= content.length) return { status: 416, headers: common, start: 0, stop: 0 };
    const stop = Math.min(range.end, content.length);
    const headers = {
      ...common,
      'content-length': String(stop - range.start),
      'content-range': `bytes ${range.start}-${stop - 1}/${content.length}`,
    };
    return { status: 206, headers, start: range.start, stop };
  }
}
