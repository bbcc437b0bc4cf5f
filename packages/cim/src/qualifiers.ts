import type { CimClass, CimElement, CimMethod, CimParameter, CimProperty } from './model.ts';

/** A qualifier of DSP0004; booleans that are false are left out. */
export interface CimQualifier {
  readonly name: string;
  readonly value: true | string | number;
}

export function classQualifiers(cls: CimClass): readonly CimQualifier[] {
  // A class without keys and methods exists embedded in others only: no provider makes instances of it.
  const embeddedOnly = cls.methods.length === 0 && !cls.properties.some((property) => property.key);
  const provider: readonly CimQualifier[] = [flag('Dynamic'), { name: 'Provider', value: cls.provider }];
  return [...(embeddedOnly ? [] : provider), ...described(cls.description)];
}

export function propertyQualifiers(property: CimProperty): readonly CimQualifier[] {
  return [
    ...(property.key ? [flag('Key')] : []),
    flag('Read'),
    ...(property.writable ? [flag('Write')] : []),
    ...embedded(property),
    ...described(property.description),
  ];
}

export function methodQualifiers(method: CimMethod): readonly CimQualifier[] {
  return [flag('Implemented'), ...(method.isStatic ? [flag('Static')] : []), ...described(method.description)];
}

/** `id` is the parameter's place, from 0. */
export function parameterQualifiers(parameter: CimParameter, id: number): readonly CimQualifier[] {
  return [
    flag(parameter.direction === 'in' ? 'In' : 'Out'),
    ...(parameter.optional ? [flag('Optional')] : []),
    ...embedded(parameter),
    { name: 'ID', value: id },
    ...described(parameter.description),
  ];
}

function embedded(element: CimElement): readonly CimQualifier[] {
  return element.embeddedClass === undefined ? [] : [{ name: 'EmbeddedInstance', value: element.embeddedClass }];
}

function described(description: string): readonly CimQualifier[] {
  return [{ name: 'Description', value: description }];
}

function flag(name: string): CimQualifier {
  return { name, value: true };
}
