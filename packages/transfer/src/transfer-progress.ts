import type { PlannerPhase } from './planner-types.ts';

/** Where a transfer stands. */
export interface TransferProgress {
  readonly phase: PlannerPhase;
  /** Bytes; undefined until the server told. */
  readonly length: number | undefined;
  /** Bytes that are durable and journalled. */
  readonly transferred: number;
}

/** What a finished one was. */
export interface TransferResult {
  readonly length: number;
  /** Of the file on the disk; undefined when nobody asked and the server did not tell. */
  readonly sha256: string | undefined;
}
