import { isCarmineError } from '@carmine/errors';

/** A valid input and the parser that takes it. */
export interface FuzzSeed {
  readonly name: string;
  readonly input: Uint8Array;
  /**
   * Hands over one input. Throws what the parser throws; `BrokenPromise` when it returned and should not have, or returned
   * something wrong.
   */
  feed(input: Uint8Array): undefined | Promise<undefined>;
}

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
