import { authCodes } from './codes/auth.ts';
import { cimCodes } from './codes/cim.ts';
import { configurationCodes } from './codes/configuration.ts';
import { controllerCodes } from './codes/controller.ts';
import { fileCodes } from './codes/file.ts';
import { internalCodes } from './codes/internal.ts';
import { jobCodes } from './codes/job.ts';
import { rpcCodes } from './codes/rpc.ts';
import { transferCodes } from './codes/transfer.ts';
import { urlGroupCodes } from './codes/url-group.ts';
import { wireCodes } from './codes/wire.ts';
import { wsmanCodes } from './codes/wsman.ts';

/**
 * Whose fault an error is, and whether it is worth trying again:
 * `local` we misused something · `remote` the peer broke the protocol · `refused` authentication or authorisation ·
 * `transient` worth retrying · `fatal` not · `unsupported`.
 */
export type ErrorKind = 'local' | 'remote' | 'refused' | 'transient' | 'fatal' | 'unsupported';

/** One entry of the registry. `text` may name context values in braces; `hresult` is an unsigned 32-bit value. */
export interface ErrorDefinition {
  readonly kind: ErrorKind;
  readonly text: string;
  readonly hresult?: number;
}

/** The registry. A code, once shipped, is never reused for another meaning. */
export const errorDefinitions = {
  ...internalCodes,
  ...configurationCodes,
  ...wireCodes,
  ...authCodes,
  ...cimCodes,
  ...wsmanCodes,
  ...rpcCodes,
  ...jobCodes,
  ...urlGroupCodes,
  ...fileCodes,
  ...transferCodes,
  ...controllerCodes,
} as const satisfies Record<string, ErrorDefinition>;

export type ErrorCode = keyof typeof errorDefinitions;

type Placeholders<T extends string> = T extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Placeholders<Rest>
  : never;

/** The values a code's text names, plus anything else worth keeping. */
export type ErrorContext<C extends ErrorCode> = {
  readonly [K in Placeholders<(typeof errorDefinitions)[C]['text']>]: string | number | bigint;
} & { readonly [key: string]: unknown };
