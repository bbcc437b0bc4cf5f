import { rpcFault } from '@carmine/dcerpc';
import type { NdrReader } from '@carmine/wire/ndr';
import { comVersion } from '../identifiers.ts';
import { orpcThis } from '../messages/orpc.ts';
import { comStatus } from '../status.ts';

/**
 * Reads ORPCTHIS and checks it ([MS-DCOM] 2.2.13.3, 3.1.1.5.4): version 5, a minor one up to ours, and no flags but on activation.
 * Returns the version to answer in. Throws faults.
 */
export function checkOrpcThis(
  reader: NdrReader,
  kind: 'activation' | 'call',
): { readonly version: { readonly major: number; readonly minor: number } } {
  const { header } = orpcThis.read(reader);
  const { version, flags } = header;
  if (version.major !== comVersion.major || version.minor > comVersion.minor) throw rpcFault(comStatus.versionMismatch);
  if (kind === 'call' && flags !== 0) throw rpcFault(comStatus.invalidHeader);
  return { version };
}
