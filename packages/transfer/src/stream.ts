import type { ResponseHead } from './headers.ts';

/** One request of the planner and how far its bytes are: `received ≥ written ≥ journalled`, as offsets in the file. */
export interface Stream {
  readonly id: number;
  readonly slot: number;
  readonly purpose: 'probe' | 'learn' | 'data';
  readonly ranged: boolean;
  readonly start: number;
  /** Exclusive; moves when the server sends another amount than was asked for. */
  end: number;
  /** Asked for and not answered, receiving, or nothing more to come. */
  state: 'asked' | 'open' | 'closed';
  /** A probe's answer, until the probe has ended. */
  head: ResponseHead | undefined;
  paused: boolean;
  received: number;
  written: number;
  journalled: number;
}
