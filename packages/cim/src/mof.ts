import type { CimClass, CimElement, CimMethod, CimProperty } from './model.ts';
import {
  type CimQualifier,
  classQualifiers,
  methodQualifiers,
  parameterQualifiers,
  propertyQualifiers,
} from './qualifiers.ts';

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
  const members = [...cls.properties.map(writeProperty), ...cls.methods.map(writeMethod)];
  return `${writeQualifiers(classQualifiers(cls))}\nclass ${cls.name}\n{\n${members.join('\n')}\n};`;
}

function writeProperty(property: CimProperty): string {
  return `  ${writeQualifiers(propertyQualifiers(property))} ${writeElement(property)};`;
}

function writeMethod(method: CimMethod): string {
  const parameters = method.parameters.map(
    (parameter, id) => `    ${writeQualifiers(parameterQualifiers(parameter, id))} ${writeElement(parameter)}`,
  );
  const list = parameters.length === 0 ? '' : `\n${parameters.join(',\n')}\n  `;
  return `  ${writeQualifiers(methodQualifiers(method))} uint32 ${method.name}(${list});`;
}

function writeQualifiers(qualifiers: readonly CimQualifier[]): string {
  const words = qualifiers.map(({ name, value }) => {
    if (value === true) return name;
    return `${name}(${typeof value === 'string' ? quote(value) : value})`;
  });
  return `[${words.join(', ')}]`;
}

/** An embedded instance is a string with a qualifier in MOF. */
function writeElement(element: CimElement): string {
  const type = element.type === 'object' ? 'string' : element.type;
  return `${type} ${element.name}${element.array ? '[]' : ''}`;
}

function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}
