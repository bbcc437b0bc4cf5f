/** What every provider call accepts last. */
export interface CallOptions {
  /** Ends the wait; whether the action still happens on the other side is then unknown. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The success value of a method call: 0 (S_OK) or a success code with information such as 0x00200017
 * (BG_S_PARTIAL_COMPLETE). Failures are thrown as CarmineError with an `hresult`.
 */
export type SuccessCode = number;

/** FILETIME: 100 ns ticks since 1601-01-01 UTC; 0 = not yet. */
export type Filetime = bigint;

/** 2^64 − 1: the size is not known (BG_SIZE_UNKNOWN). */
export const sizeUnknown: bigint = 0xffff_ffff_ffff_ffffn;

const ticksPerMillisecond = 10_000n;
/** Milliseconds from 1601-01-01 to 1970-01-01. */
const epochDifference = 11_644_473_600_000n;

/** Unix milliseconds to FILETIME. */
export function toFiletime(milliseconds: number): Filetime {
  return (BigInt(Math.trunc(milliseconds)) + epochDifference) * ticksPerMillisecond;
}

/** FILETIME to Unix milliseconds. */
export function fromFiletime(filetime: Filetime): number {
  return Number(filetime / ticksPerMillisecond - epochDifference);
}
