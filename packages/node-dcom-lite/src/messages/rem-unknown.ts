import { ndrArray, ndrGuid, ndrParameters, ndrStruct, ndrU16, ndrU32, ndrUnique } from '@carmine/wire/ndr';
import { iids } from '../identifiers.ts';
import { defineInterface, defineMethod } from '../interface.ts';
import { standardReferenceType } from './objref.ts';
import { hresult, interfacePointer } from './orpc.ts';

/** REMQIRESULT, [MS-DCOM] 2.2.20. */
const queryResult = ndrStruct('REMQIRESULT', [
  ['hresult', ndrU32],
  ['reference', standardReferenceType],
]);

/** REMINTERFACEREF, [MS-DCOM] 2.2.21. */
const interfaceReference = ndrStruct('REMINTERFACEREF', [
  ['ipid', ndrGuid],
  ['publicRefs', ndrU32],
  ['privateRefs', ndrU32],
]);

const references = [
  ['count', ndrU16, { countOf: 'references' }],
  ['references', ndrArray(interfaceReference, 0xffff)],
] as const;

const methods = {
  RemQueryInterface: defineMethod(
    3,
    ndrParameters('RemQueryInterface', [
      ['ipid', ndrGuid],
      ['refs', ndrU32],
      ['count', ndrU16, { countOf: 'iids' }],
      ['iids', ndrArray(ndrGuid, 0x8000)],
    ]),
    ndrParameters('RemQueryInterface', [
      ['results', ndrUnique(ndrArray(queryResult, 0x8000))],
      ['hresult', hresult],
    ]),
  ),
  RemAddRef: defineMethod(
    4,
    ndrParameters('RemAddRef', references),
    ndrParameters('RemAddRef', [
      ['results', ndrArray(ndrU32, 0xffff)],
      ['hresult', hresult],
    ]),
  ),
  RemRelease: defineMethod(
    5,
    ndrParameters('RemRelease', references),
    ndrParameters('RemRelease', [['hresult', hresult]]),
  ),
} as const;

/** IRemUnknown, [MS-DCOM] 3.1.1.5.6. */
export const remUnknown = defineInterface('IRemUnknown', iids.remUnknown, methods);

/** IRemUnknown2, [MS-DCOM] 3.1.1.5.7. */
export const remUnknown2 = defineInterface('IRemUnknown2', iids.remUnknown2, {
  ...methods,
  RemQueryInterface2: defineMethod(
    6,
    ndrParameters('RemQueryInterface2', [
      ['ipid', ndrGuid],
      ['count', ndrU16, { countOf: 'iids' }],
      ['iids', ndrArray(ndrGuid, 0x8000)],
    ]),
    ndrParameters('RemQueryInterface2', [
      ['results', ndrArray(ndrU32, 0x8000)],
      ['pointers', ndrArray(ndrUnique(interfacePointer), 0x8000)],
      ['hresult', hresult],
    ]),
  ),
});
