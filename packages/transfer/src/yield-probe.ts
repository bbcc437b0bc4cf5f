import { RateLimit } from './rate-limit.ts';
import type { Receiver } from './receiver.ts';
import type { RunPlatform } from './run-types.ts';
import { YieldingRate } from './yielding.ts';

/** Lets a transfer give way: asks the server something small now and then and sets a limit by how long that takes. */
export class YieldProbe {
  readonly limit: RateLimit = new RateLimit({}, () => ({ day: 0, minute: 0 }));
  readonly #clock: RunPlatform['clock'];
  readonly #receiver: Receiver;
  readonly #rate = new YieldingRate();
  #received = 0;
  #since: number;
  #cancel: () => void;
  #over = false;

  constructor(clock: RunPlatform['clock'], receiver: Receiver) {
    this.#clock = clock;
    this.#receiver = receiver;
    this.#since = clock.now();
    this.#cancel = clock.after(period, () => this.#ask());
  }

  received(bytes: number): void {
    this.#received += bytes;
  }

  stop(): void {
    this.#over = true;
    this.#cancel();
    this.#receiver.close();
  }

  /** On a connection of its own, which carries nothing else: there an answer waits for nothing but the path. */
  #ask(): void {
    if (this.#over) return;
    const asked = this.#clock.now();
    let elapsed: number | undefined;
    const again = () => {
      if (!this.#over) this.#cancel = this.#clock.after(period, () => this.#ask());
    };
    this.#receiver.request(
      { method: 'HEAD' },
      {
        onHead: (head) => {
          elapsed = head.elapsed ?? this.#clock.now() - asked;
        },
        onData: (_chunk, release) => release?.(),
        onEnd: () => {
          if (elapsed !== undefined) this.#learn(elapsed);
          again();
        },
        // Then nobody knows; the next one may.
        onError: again,
      },
    );
  }

  #learn(elapsed: number): void {
    const now = this.#clock.now();
    const achieved = (this.#received * 1_000) / Math.max(1, now - this.#since);
    this.#received = 0;
    this.#since = now;
    const bytesPerSecond = this.#rate.sample(elapsed, achieved, now);
    if (bytesPerSecond !== undefined) this.limit.set({ bytesPerSecond });
  }
}

/** Milliseconds between an answer and the next question. */
const period = 300;
