export { createJobEngine } from './engine.ts';
export {
  type EngineClock,
  type JobEngine,
  type JobEngineOptions,
  type JobLimits,
  type TransferFactory,
  type TransferRequest,
  windowsLimits,
} from './options.ts';
