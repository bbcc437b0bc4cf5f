import type { ResponseHead } from './headers.ts';
import type { RateMeter } from './rate-meter.ts';

/** One request of the planner and how far its bytes are: `received ≥ written ≥ journalled`, as offsets in the file. */
export interface Stream {
  readonly id: number;
  readonly slot: Slot;
  /** `first` asks for the whole file and learns from the answer what that is. */
  readonly purpose: 'probe' | 'first' | 'data';
  readonly ranged: boolean;
  /** Which of the sources it comes from. */
  readonly mirror: number;
  readonly start: number;
  /** Exclusive, the part of the file that is this stream's; moves when another one takes over the far part of it. */
  end: number;
  /** Where the answer ends. */
  natural: number;
  /** Asked for and not answered, receiving, or nothing more to come. */
  state: 'asked' | 'open' | 'closed';
  /** A probe's answer, until the probe has ended. */
  head: ResponseHead | undefined;
  paused: boolean;
  received: number;
  written: number;
  journalled: number;
  readonly askedAt: number;
  /** When it was last heard of, or let go on. */
  lastAt: number;
  /** How often its part was taken over from one that said nothing: it is given time the longer. */
  readonly takeovers: number;
  /** Milliseconds between two things that were heard of it, at most. */
  longestPause: number;
}

/** One connection that may be open, and what is known of it. */
export interface Slot {
  readonly number: number;
  readonly meter: RateMeter;
  /** Failures since it last brought something. */
  failures: number;
  /** How often it was given up for silence since it last brought something. */
  silences: number;
  /** Milliseconds from asking to the answer, of its last request. */
  latency: number | undefined;
  /** Its connection is open and has got going, as far as we know. */
  warm: boolean;
}
