import type { RateLimit } from './rate-limit.ts';
import type { RunPlatform } from './run-types.ts';
import type { YieldProbe } from './yield-probe.ts';

export interface PaceOptions {
  readonly clock: RunPlatform['clock'];
  readonly limits: readonly RateLimit[];
  /** Where the transfer gives way to others. */
  readonly probe: YieldProbe | undefined;
  /** All connections are to wait, or to go on. */
  readonly onChange: (heldBack: boolean, now: number) => void;
}

/** How fast a transfer may go: while a limit says so, everything waits. */
export class Pace {
  readonly #options: PaceOptions;
  readonly #limits: readonly RateLimit[];
  #heldBack = false;
  #cancelWait: (() => void) | undefined;
  #unwatch: readonly (() => void)[] = [];
  #over = false;

  constructor(options: PaceOptions) {
    this.#options = options;
    this.#limits = [...options.limits, ...(options.probe === undefined ? [] : [options.probe.limit])];
  }

  /** Everything is to wait. */
  get heldBack(): boolean {
    return this.#heldBack;
  }

  start(): void {
    this.#unwatch = this.#limits.map((limit) => limit.watch(() => this.holdBack()));
    this.holdBack();
  }

  /** So much came; `holdBack` says what follows from it. */
  spend(bytes: number, now: number): void {
    this.#options.probe?.received(bytes);
    for (const limit of this.#limits) limit.spend(bytes, now);
  }

  holdBack(): void {
    const limits = this.#limits;
    if (limits.length === 0 || this.#over) return;
    const { clock, onChange } = this.#options;
    const now = clock.now();
    const wait = Math.max(...limits.map((limit) => limit.wait(now)));
    if (wait > 0 !== this.#heldBack) {
      this.#heldBack = wait > 0;
      onChange(this.#heldBack, now);
    }
    this.#cancelWait?.();
    this.#cancelWait = wait > 0 ? clock.after(wait, () => this.holdBack()) : undefined;
  }

  stop(): void {
    this.#over = true;
    this.#cancelWait?.();
    this.#options.probe?.stop();
    for (const unwatch of this.#unwatch) unwatch();
  }
}
