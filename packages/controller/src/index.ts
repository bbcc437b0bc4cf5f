export { clientUrl } from './client-url.ts';
export { copyFile } from './copy.ts';
export type {
  CopyDestination,
  CopyEnvironment,
  CopyOptions,
  CopyPhase,
  CopyProgress,
  CopyResult,
  CopySource,
  FetchAs,
} from './copy-types.ts';
export { JobWatch, type JobWatchOptions } from './job-watch.ts';
