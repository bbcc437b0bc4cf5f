import { createJobEngine } from '../engine.ts';
import type { JobEngine, JobEngineOptions } from '../options.ts';
import { system } from './system.ts';
import { createNodeTransfers, type NodeTransferOptions } from './transfers.ts';

export interface NodeJobEngineOptions
  extends Omit<JobEngineOptions, 'transfers' | 'clock' | 'randomBytes'>,
    NodeTransferOptions {}

/** The engine on the operating system's files, clock and network. */
export function createNodeJobEngine(options: NodeJobEngineOptions): JobEngine {
  return createJobEngine({ ...system, ...options, transfers: createNodeTransfers(options) });
}
