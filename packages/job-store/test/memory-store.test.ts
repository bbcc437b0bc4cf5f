import { createMemoryJobStore } from '@carmine/job-store';
import { jobStoreSuite } from './store-suite.ts';

jobStoreSuite('memory', async () => ({ store: createMemoryJobStore(), dispose: async () => undefined }));
