export { createJobEngine } from './engine.ts';
export {
  type EngineClock,
  type EngineJobParameters,
  type JobEngine,
  type JobEngineOptions,
  type JobLimits,
  type SmallTransfers,
  type TransferFactory,
  type TransferRequest,
  windowsLimits,
} from './options.ts';
