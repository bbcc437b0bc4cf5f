import {
  bitsClientFileClass,
  bitsClientJobClass,
  bitsCompactServerUrlGroupClass,
  type CimClass,
  type CimMethod,
  type CimParameter,
  type CimProperty,
  CimSchema,
  carmineEndedJobClass,
  carmineJobFileClass,
  carmineUrlClass,
  carmineUrlGroupClass,
  userAccountClass,
} from '@carmine/cim';
import { cimTypeOf } from '../protocol/cim-types.ts';
import {
  arrayFlag,
  type WmioClass,
  type WmioClassPart,
  type WmioObject,
  type WmioProperty,
  type WmioQualifier,
} from '../wmio/types.ts';

/** The classes that need not be asked for. */
export const knownClasses = new CimSchema([
  bitsClientFileClass,
  bitsClientJobClass,
  bitsCompactServerUrlGroupClass,
  carmineEndedJobClass,
  carmineJobFileClass,
  carmineUrlClass,
  carmineUrlGroupClass,
  userAccountClass,
]);

/** A class as a server describes it. */
export function toCimClass(namespace: string, { current, methods }: WmioClass): CimClass {
  const properties = inOrder(current).map(
    (property): CimProperty => ({
      ...elementOf(property),
      key: has(property.qualifiers, 'key'),
      writable: has(property.qualifiers, 'write'),
    }),
  );
  return {
    namespace,
    name: current.name ?? '',
    provider: '',
    description: '',
    properties,
    methods: methods.methods.map(({ name, qualifiers, input, output }): CimMethod => {
      const parameters = [...parametersOf(input, 'in'), ...parametersOf(output, 'out')];
      return { name, isStatic: has(qualifiers ?? [], 'static'), parameters, description: '' };
    }),
  };
}

function parametersOf(signature: WmioObject | null, direction: 'in' | 'out'): readonly CimParameter[] {
  if (signature?.kind !== 'class') return [];
  return inOrder(signature.current)
    .filter(({ name }) => name.toLowerCase() !== 'returnvalue')
    .map((property) => ({
      ...elementOf(property),
      direction,
      optional: has(property.qualifiers, 'optional'),
    }));
}

function elementOf({ name, type, qualifiers }: WmioProperty) {
  const cimType = qualifiers.find((qualifier) => qualifier.name.toLowerCase() === 'cimtype')?.value;
  const embedded = typeof cimType === 'string' ? /^object:(\w+)$/i.exec(cimType)?.[1] : undefined;
  return {
    name,
    type: cimTypeOf(type) ?? 'string',
    array: (type & arrayFlag) !== 0,
    ...(embedded === undefined ? {} : { embeddedClass: embedded }),
    description: '',
  };
}

function inOrder({ properties }: WmioClassPart): readonly WmioProperty[] {
  return [...properties].sort((a, b) => a.order - b.order);
}

function has(qualifiers: readonly WmioQualifier[], name: string): boolean {
  return qualifiers.some((qualifier) => qualifier.name.toLowerCase() === name && qualifier.value === true);
}
