export { createMemoryJobStore } from './memory-store.ts';
export type { JobStore, StoredError, StoredFile, StoredJob, StoredRange } from './types.ts';
