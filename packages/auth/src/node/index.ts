export type { NamedSid } from '../accounts/model.ts';
export {
  type AccountDatabase,
  type AccountDatabaseOptions,
  type AccountSummary,
  openAccountDatabase,
} from './account-database.ts';
export { systemEnvironment } from './system-environment.ts';
