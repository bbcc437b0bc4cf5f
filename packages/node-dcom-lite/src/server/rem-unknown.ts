import { rpcFault } from '@carmine/dcerpc';
import { nilGuid } from '@carmine/wire';
import type { DualStringArray } from '../messages/dual-string-array.ts';
import { type StandardReference, writeObjRef } from '../messages/objref.ts';
import { remUnknown, remUnknown2 } from '../messages/rem-unknown.ts';
import { comStatus } from '../status.ts';
import type { ExportedInterface, ObjectTable } from './object-table.ts';
import { type DcomObject, implement, type OrpcCall } from './types.ts';

const noReference: StandardReference = { flags: 0, publicRefs: 0, oxid: 0n, oid: 0n, ipid: nilGuid };

/** IRemUnknown and IRemUnknown2, [MS-DCOM] 3.1.1.5.6 and 3.1.1.5.7: references and further interfaces of all objects here. */
export function createRemUnknown(table: ObjectTable, bindings: (call: OrpcCall) => DualStringArray): DcomObject {
  function find(ipid: string, call: OrpcCall): ExportedInterface | undefined {
    const found = table.findInterface(ipid);
    return found?.owner.owner === call.token.userSid ? found : undefined;
  }

  function query(ipid: string, asked: readonly string[], refs: number, call: OrpcCall) {
    const found = find(ipid, call);
    if (found === undefined) throw rpcFault(comStatus.invalidObject);
    return asked.map((iid) => ({ iid, reference: table.reference(found.owner, iid, Math.min(refs, maxRefs)) }));
  }

  /** UNSPECIFIED: as Windows is said to answer when some or all of the interfaces are missing. */
  function overall(results: readonly { readonly reference: StandardReference | undefined }[]): number {
    const missing = results.filter(({ reference }) => reference === undefined).length;
    if (missing === 0) return 0;
    return missing === results.length ? comStatus.noInterface : comStatus.partly;
  }

  type References = { readonly references: readonly { ipid: string; publicRefs: number; privateRefs: number }[] };
  const shared = {
    RemQueryInterface(
      { ipid, refs, iids }: { readonly ipid: string; readonly refs: number; readonly iids: readonly string[] },
      call: OrpcCall,
    ) {
      const results = query(ipid, iids, refs, call);
      return {
        results: results.map(({ reference }) => ({
          hresult: reference === undefined ? comStatus.noInterface : 0,
          reference: reference ?? noReference,
        })),
        hresult: overall(results),
      };
    },
    RemAddRef({ references }: References, call: OrpcCall) {
      const results = references.map(({ ipid, publicRefs, privateRefs }) => {
        const found = find(ipid, call);
        if (found === undefined) return comStatus.objectNotRegistered;
        found.publicRefs += Math.min(publicRefs, maxRefs);
        found.privateRefs += Math.min(privateRefs, maxRefs);
        return 0;
      });
      return { results, hresult: 0 };
    },
    RemRelease({ references }: References, call: OrpcCall) {
      // Of what is not known nothing is left to release: clients do it twice.
      for (const { ipid, publicRefs, privateRefs } of references) {
        const found = find(ipid, call);
        if (found !== undefined) table.release(found, publicRefs, privateRefs);
      }
      return { hresult: 0 };
    },
  };
  return {
    interfaces: [
      implement(remUnknown, shared),
      implement(remUnknown2, {
        ...shared,
        RemQueryInterface2({ ipid, iids }, call) {
          const results = query(ipid, iids, 5, call);
          const pointers = results.map(({ iid, reference }) =>
            reference === undefined
              ? null
              : writeObjRef({ kind: 'standard', iid, reference, bindings: bindings(call) }),
          );
          return {
            results: results.map(({ reference }) => (reference === undefined ? comStatus.noInterface : 0)),
            pointers,
            hresult: overall(results),
          };
        },
      }),
    ],
  };
}

/** Nobody holds more references than this by one call. */
const maxRefs = 0xffff;
