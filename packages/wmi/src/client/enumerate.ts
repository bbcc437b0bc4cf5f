import { CarmineError, isCarmineError } from '@carmine/errors';
import { nilGuid } from '@carmine/wire';
import type { RemoteObject } from 'node-dcom-lite';
import { wbem } from '../protocol/constants.ts';
import { errorOf } from '../protocol/errors.ts';
import { enumClassObject, fetchSmartEnum, smartEnum } from '../protocol/interfaces.ts';
import { unmarshalObject } from '../protocol/marshal.ts';
import { readSmartArray } from '../protocol/smart-array.ts';
import type { WmioClassPart, WmioObject } from '../wmio/types.ts';

export interface Batch {
  readonly objects: readonly WmioObject[];
  readonly hresult: number;
}

/** Reads an enumeration in batches until it ends, and lets it go. `next` is how a batch is asked for. */
export async function* readEnumeration(
  next: (count: number) => Promise<Batch>,
  first: number,
  count: number,
  what: string,
): AsyncIterable<WmioObject> {
  for (let size = first, quiet = 0; ; size = count) {
    const { objects, hresult } = await next(size);
    yield* objects;
    if (hresult === wbem.false) return;
    if (hresult !== wbem.ok && hresult !== wbem.timedOut) throw errorOf(hresult, what);
    quiet = objects.length > 0 ? 0 : quiet + 1;
    if (quiet > patience) throw new CarmineError('rpc/malformed', { context: { reason: 'an endless enumeration' } });
  }
}

/** IWbemWCOSmartEnum where the server has it ([MS-WMI] 3.2.4.2.8): classes come once, not with every instance. */
export async function smartBatches(
  enumerator: RemoteObject,
  unmarshal: (objref: Uint8Array) => Promise<RemoteObject>,
  signal: AbortSignal | undefined,
): Promise<{ next(count: number): Promise<Batch>; release(): Promise<unknown> } | undefined> {
  let fetcher: RemoteObject;
  try {
    fetcher = await enumerator.query(fetchSmartEnum.iid, { signal });
  } catch (error) {
    if (isCarmineError(error, 'dcom/no-interface')) return undefined;
    throw error;
  }
  const given = await fetcher.invoke(fetchSmartEnum, 'GetSmartEnum', {}, { signal });
  if (given.hresult !== 0 || given.enum === null) {
    await fetcher.release();
    return undefined;
  }
  const smart = await unmarshal(given.enum);
  const known = new Map<string, WmioClassPart>();
  return {
    async next(count) {
      const request = { proxyGuid: nilGuid, timeout: nextTimeout, count };
      const { buffer, hresult } = await smart.invoke(smartEnum, 'Next', request, { signal });
      return { objects: buffer === null ? [] : readSmartArray(buffer, known), hresult };
    },
    release: () => Promise.all([smart.release(), fetcher.release()]),
  };
}

export async function plainBatch(
  enumerator: RemoteObject,
  count: number,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<Batch> {
  const { objects, hresult } = await enumerator.invoke(enumClassObject, 'Next', { timeout, count }, { signal });
  return { objects: objects.items.flatMap((each) => (each === null ? [] : [unmarshalObject(each)])), hresult };
}

/** Milliseconds that a server may take for a batch. */
export const nextTimeout = 5_000;
/** Batches without an object that are taken in a row. */
const patience = 24;
