import type { XmlElement } from './element.ts';
import { XmlWriter } from './writer.ts';

/** Writes an element that was read, declaring its namespaces anew. Text comes before child elements. */
export function writeElement(element: XmlElement): string {
  return write(new XmlWriter(), element).toString();
}

function write(writer: XmlWriter, element: XmlElement): XmlWriter {
  const attributes: Record<string, string> = {};
  const name = element.uri === '' ? element.local : `r:${element.local}`;
  if (element.uri !== '') attributes['xmlns:r'] = element.uri;
  element.attributes.forEach((item, index) => {
    if (item.uri === '') attributes[item.local] = item.value;
    else if (item.uri === xmlNamespace) attributes[`xml:${item.local}`] = item.value;
    else {
      attributes[`xmlns:r${index}`] = item.uri;
      attributes[`r${index}:${item.local}`] = item.value;
    }
  });
  writer.start(name, attributes).text(element.text);
  for (const child of element.children) write(writer, child);
  return writer.end(name);
}

const xmlNamespace = 'http://www.w3.org/XML/1998/namespace';
