import type { CimInstance } from '@carmine/cim';
import type { FaultPlace } from '../protocol/fault-mapping.ts';

/** Where the instances of an enumeration come from, and whether a query chose some of their properties. */
export interface Source {
  readonly projection: boolean;
  /** Where a failure of it belongs: a class that cannot be enumerated is no fault of a filter. */
  readonly place: FaultPlace;
  open(signal: AbortSignal): AsyncIterable<CimInstance>;
}

/** How its items look (DSP0226 section 8.7). */
export type EnumerationMode = 'EnumerateObject' | 'EnumerateEPR' | 'EnumerateObjectAndEPR';
