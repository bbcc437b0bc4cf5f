export { createMemoryJobStore } from './memory-store.ts';
export type { JobStore, StoredError, StoredFile, StoredJob } from './types.ts';
