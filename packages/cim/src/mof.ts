import type { CimClass, CimElement, CimMethod, CimProperty } from './model.ts';

/** The Managed Object Format text of classes (DSP0004 chapter 5 grammar), as `BitsProvider.mof` would define them. */
export function writeMof(classes: readonly CimClass[]): string {
  let namespace = '';
  const parts: string[] = [];
  for (const cls of classes) {
    if (cls.namespace !== namespace) {
      namespace = cls.namespace;
      parts.push(`#pragma namespace("\\\\\\\\.\\\\${namespace.replaceAll('\\', '\\\\')}")`);
    }
    parts.push(writeClass(cls));
  }
  return `${parts.join('\n\n')}\n`;
}

function writeClass(cls: CimClass): string {
  const embeddedOnly = cls.methods.length === 0 && !cls.properties.some((property) => property.key);
  const qualifiers = embeddedOnly
    ? [`Description(${quote(cls.description)})`]
    : ['Dynamic', `Provider(${quote(cls.provider)})`, `Description(${quote(cls.description)})`];
  const members = [...cls.properties.map(writeProperty), ...cls.methods.map(writeMethod)];
  return `[${qualifiers.join(', ')}]\nclass ${cls.name}\n{\n${members.join('\n')}\n};`;
}

function writeProperty(property: CimProperty): string {
  const qualifiers = [
    ...(property.key ? ['Key'] : []),
    property.writable ? 'Read, Write' : 'Read',
    ...embedded(property),
    `Description(${quote(property.description)})`,
  ];
  return `  [${qualifiers.join(', ')}] ${typeName(property)} ${property.name}${property.array ? '[]' : ''};`;
}

function writeMethod(method: CimMethod): string {
  const qualifiers = [
    'Implemented',
    ...(method.isStatic ? ['Static'] : []),
    `Description(${quote(method.description)})`,
  ];
  const parameters = method.parameters.map((parameter, id) => {
    const words = [
      parameter.direction === 'in' ? 'In' : 'Out',
      ...(parameter.optional ? ['Optional'] : []),
      ...embedded(parameter),
      `ID(${id})`,
      `Description(${quote(parameter.description)})`,
    ];
    return `    [${words.join(', ')}] ${typeName(parameter)} ${parameter.name}${parameter.array ? '[]' : ''}`;
  });
  const list = parameters.length === 0 ? '' : `\n${parameters.join(',\n')}\n  `;
  return `  [${qualifiers.join(', ')}] uint32 ${method.name}(${list});`;
}

function embedded(element: CimElement): string[] {
  return element.embeddedClass === undefined ? [] : [`EmbeddedInstance(${quote(element.embeddedClass)})`];
}

/** An embedded instance is a string with a qualifier in MOF. */
function typeName(element: CimElement): string {
  return element.type === 'object' ? 'string' : element.type;
}

function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}
