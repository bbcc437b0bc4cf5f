export type { AuthenticatedConnection, Authenticator, AuthenticatorFactory } from './authenticator.ts';
export { type BlockList, blockListUrl, parseBlockList } from './block-list.ts';
export { largestCheckpoint } from './checkpoints.ts';
export { crc32 } from './crc32.ts';
export { type CustomHeader, checkHeaders } from './custom-headers.ts';
export { checkLocalPath } from './destination-path.ts';
export type { Disk, DiskDirectory, DiskFile } from './disk.ts';
export { type Extent, ExtentSet } from './extents.ts';
export { checkRanges, type FileRange, placeRanges } from './file-ranges.ts';
export {
  createFileTransfer,
  type FileTransfer,
  type FileTransferOptions,
  type TransferPlatform,
  temporaryName,
} from './file-transfer.ts';
export type { Headers, ResponseHead } from './headers.ts';
export { bodyOf, type HttpBody, type HttpHead, headEnd, joinedFields, parseHttpHead, staysOpen } from './http-head.ts';
export { type DecodedJournal, decodeJournal, type JournalState } from './journal.ts';
export { createPlanner } from './planner.ts';
export type { Planner, PlannerCommand, PlannerEvent, PlannerOptions, PlannerPhase } from './planner-types.ts';
export { type HttpProxy, type ProxyChoice, parseBypassList, parseProxyList, proxiesFor } from './proxies.ts';
export { createRangesFactory } from './ranges-receiver.ts';
export {
  checkRateTable,
  type LocalTime,
  parseRatePeriod,
  RateLimit,
  type RatePeriod,
  type RateTable,
  rateAt,
} from './rate-limit.ts';
export type {
  DataReceiver,
  Receiver,
  ReceiverExchange,
  ReceiverFactory,
  ReceiverHandler,
  ReceiverRequest,
} from './receiver.ts';
export { retryAfter } from './retry-after.ts';
export {
  createSmallSet,
  type SmallFile,
  type SmallSet,
  type SmallSetOptions,
  type SmallSetOutcome,
  type SmallSetPlatform,
} from './small-set.ts';
export { type Source, sameVersion, type Validator, validatorOf } from './source.ts';
export type { TransferProgress, TransferResult } from './transfer-progress.ts';
export { smallFile } from './whole-answer.ts';
export { nameWholeFiles, type WholeFile } from './whole-files.ts';
