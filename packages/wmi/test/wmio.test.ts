import { readFileSync } from 'node:fs';
import { fromHex, toHex } from '@carmine/testkit';
import { readObjRef, writeObjRef } from 'node-dcom-lite';
import { describe, expect, it } from 'vitest';
import { effectiveValue } from '../src/wmio/instance.ts';
import { decodeObject, encodeObject } from '../src/wmio/object.ts';
import type { WmioClass, WmioClassPart, WmioInstance, WmioObject } from '../src/wmio/types.ts';

const golden = <T>(name: string) => JSON.parse(readFileSync(new URL(`golden/${name}`, import.meta.url), 'utf8')) as T;
const { blobs } = golden<{ blobs: Record<string, string> }>('wmio-blobs.json');
const { objref, expect: expected } = golden<{
  objref: Record<string, string>;
  expect: Record<string, Record<string, number | null>>;
}>('impacket-objrefs.json');

const declaredOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true);
const propertyNames = ({ properties }: WmioClassPart) => properties.map(({ name }) => name);

describe('the examples of the document and what Windows sent', () => {
  it.each(Object.entries(blobs))('%s comes out as it went in', (_, hex) => {
    const bytes = fromHex(hex);
    expect(toHex(encodeObject(decodeObject(bytes), declaredOf(bytes)))).toBe(hex);
  });

  it.each(Object.entries(objref))('OBJREF %s comes out as it went in', (name, hex) => {
    const reference = readObjRef(fromHex(hex));
    if (reference.kind !== 'custom') throw new Error('not by value');
    const object = decodeObject(reference.data);
    const data = encodeObject(object, declaredOf(reference.data));
    expect(toHex(data)).toBe(toHex(reference.data));
    expect(toHex(writeObjRef({ ...reference, data }))).toBe(hex);
    if (expected[name] !== undefined) expect(valuesOf(object)).toMatchObject(expected[name]);
  });
});

function valuesOf(object: WmioObject): Record<string, unknown> {
  const instance = object as WmioInstance;
  return Object.fromEntries(instance.current.properties.map(({ name }) => [name, effectiveValue(instance, name)]));
}

it('reads the class and the instance of [MS-WMIO] section 3', () => {
  const object = decodeObject(fromHex(blobs['wmio_instance_encoding']!)) as WmioInstance;
  expect(object.decoration).toEqual({ server: 'DPRAVAT-DEV', namespace: 'ROOT' });
  expect(object.current).toMatchObject({ name: 'MyClass', derivation: ['Base'] });
  expect(propertyNames(object.current)).toEqual(['Array', 'Data1', 'Data2', 'Id']);
  expect(object.current.properties[2]).toMatchObject({ type: 8, order: 2, defaultValue: 'defaultValue' });
  expect(valuesOf(object)).toEqual({ Id: 123, Data1: 'StringField', Data2: 'defaultValue', Array: [1, 2, 3] });
});

it('reads the methods of Win32_Process', () => {
  const object = decodeObject(fromHex(blobs['wmio_win32_process']!)) as WmioClass;
  expect(object.current.name).toBe('Win32_Process');
  expect(object.current.derivation).toEqual(['CIM_Process', 'CIM_LogicalElement', 'CIM_ManagedSystemElement']);
  expect(object.methods.methods.map(({ name }) => name)).toEqual([
    'Create',
    'Terminate',
    'GetOwner',
    'GetOwnerSid',
    'SetPriority',
    'AttachDebugger',
    'GetAvailableVirtualSize',
  ]);
  const create = object.methods.methods[0]!;
  const input = (create.input as WmioClass).current;
  expect(input.name).toBe('__PARAMETERS');
  expect(propertyNames(input)).toEqual(['CommandLine', 'CurrentDirectory', 'ProcessStartupInformation']);
  const id = input.properties[2]!.qualifiers.find(({ name }) => name === 'ID');
  expect(id).toMatchObject({ type: 3, value: 2, flavor: 0x11 });
  expect(propertyNames((create.output as WmioClass).current)).toEqual(['ProcessId', 'ReturnValue']);
});
