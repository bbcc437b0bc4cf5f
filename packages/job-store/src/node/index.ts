export { openSqliteJobStore, type SqliteJobStoreOptions } from './sqlite-store.ts';
