/** A call whose stub is complete. */
export interface ReadyCall {
  readonly callId: number;
  /** Runs it and sends the answer, unless it was given up. */
  run(signal: AbortSignal): Promise<void>;
}

/**
 * The calls of one connection: one after the other, or some at once where concurrent multiplexing was agreed (C706 12.6.3.1,
 * [MS-RPCE] 3.3.1.5.8).
 */
export class CallQueue {
  readonly #waiting: ReadyCall[] = [];
  readonly #running = new Map<number, AbortController>();
  #concurrent = 1;
  #closed = false;

  /** Calls that may run at once. */
  set concurrent(count: number) {
    this.#concurrent = count;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get busy(): boolean {
    return this.#running.size > 0 || this.#waiting.length > 0;
  }

  add(call: ReadyCall): void {
    this.#waiting.push(call);
    this.#next();
  }

  /** Ends a running call's signal, or takes a waiting one away. */
  cancel(callId: number): void {
    this.#running.get(callId)?.abort();
    const at = this.#waiting.findIndex((call) => call.callId === callId);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  close(): void {
    this.#closed = true;
    this.#waiting.length = 0;
    for (const controller of this.#running.values()) controller.abort();
  }

  #next(): void {
    while (!this.#closed && this.#running.size < this.#concurrent) {
      const call = this.#waiting.shift();
      if (call === undefined) return;
      const controller = new AbortController();
      this.#running.set(call.callId, controller);
      const done = () => {
        this.#running.delete(call.callId);
        this.#next();
      };
      call.run(controller.signal).then(done, done);
    }
  }
}
