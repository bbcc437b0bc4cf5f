import { isCarmineError } from '@carmine/errors';

/** A valid input and the parser that takes it. */
export interface FuzzSeed {
  readonly name: string;
  readonly input: Uint8Array;
  /** Octets of an input, where it is less than for others of the target. */
  readonly maximum?: number | undefined;
  /**
   * Hands over one input; this is what is measured. Throws what the parser throws. Returns what else there is to check, if
   * anything: that throws `BrokenPromise` when the parser returned and should not have, or returned something wrong.
   */
  feed(input: Uint8Array): FuzzCheck | Promise<FuzzCheck>;
}

export type FuzzCheck = undefined | (() => void);

/** One parser, or several of one kind, with valid inputs to start from. */
export interface FuzzTarget {
  readonly seeds: readonly FuzzSeed[];
  readonly dictionary: readonly string[];
  /** Octets of an input. */
  readonly maximum: number;
  /** Whether the parser documents this error for bad input. */
  readonly documented: (error: unknown) => boolean;
}

/** Something that a parser promises did not hold. */
export class BrokenPromise extends Error {}

/** What most parsers document: the peer's bytes are wrong. */
export function remoteOnly(error: unknown): boolean {
  return isCarmineError(error) && error.kind === 'remote';
}

/** Authentication also refuses. */
export function remoteOrRefused(error: unknown): boolean {
  return isCarmineError(error) && (error.kind === 'remote' || error.kind === 'refused');
}

/** Text parsers take text: octets that are no UTF-8 become replacement characters. */
export function textOf(input: Uint8Array): string {
  return new TextDecoder().decode(input);
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Octets of the largest token: base64 in a header of 64 KiB, the most that our listeners take. */
export const largestToken = 49_152;
