import type { AccountDirectory, UrlGroupExtensions, UrlGroupProvider } from '@carmine/core';
import { accountProxy } from './account-proxy.ts';
import { type JobProxy, jobProxy } from './job-proxy.ts';
import type { CimOperations } from './model.ts';
import { Caller } from './proxy-calls.ts';
import { urlGroupProxy } from './url-group-proxy.ts';

/** What a controller holds of one machine: the same interfaces that the engines implement. */
export interface MachineProxy {
  readonly jobs: JobProxy;
  readonly urlGroups: UrlGroupProvider & UrlGroupExtensions;
  readonly accounts: AccountDirectory;
}

/** Turns provider calls into CIM calls. A failure in a return value becomes the CarmineError of that HRESULT. */
export function createProxy(cim: CimOperations): MachineProxy {
  const caller = new Caller(cim);
  return { jobs: jobProxy(caller), urlGroups: urlGroupProxy(caller), accounts: accountProxy(cim) };
}
