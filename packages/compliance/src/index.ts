export { type JobEventsFixture, jobEventsSuite } from './job-events-suite.ts';
export { type JobProviderFixture, jobProviderSuite } from './job-provider-suite.ts';
export { MemoryJobs } from './memory-jobs.ts';
export { MemoryUrlGroups } from './memory-url-groups.ts';
export { type UrlGroupProviderFixture, urlGroupProviderSuite } from './url-group-provider-suite.ts';
