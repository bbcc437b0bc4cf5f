import { CarmineError } from '@carmine/errors';
import { readObjRef, writeObjRef } from 'node-dcom-lite';
import { decodeObject, encodeObject } from '../wmio/object.ts';
import type { WmioObject } from '../wmio/types.ts';
import { clsidClassObject, iidClassObject } from './constants.ts';

/** A CIM object by value, [MS-WMI] 2.2.4 and [MS-DCOM] 2.2.18.6. */
export function marshalObject(object: WmioObject): Uint8Array {
  return writeObjRef({ kind: 'custom', iid: iidClassObject, clsid: clsidClassObject, data: encodeObject(object) });
}

/** Throws `wmi/invalid-object`, `dcom/invalid-objref`. */
export function unmarshalObject(objref: Uint8Array): WmioObject {
  const read = readObjRef(objref);
  if (read.kind !== 'custom' || read.clsid !== clsidClassObject)
    throw new CarmineError('wmi/invalid-object', { context: { reason: 'another kind of object' } });
  return decodeObject(read.data, false);
}
