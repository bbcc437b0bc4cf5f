/** Prefixes in scope: the declarations of one element, then those around it. */
export interface NamespaceScope {
  readonly declarations: ReadonlyMap<string, string>;
  readonly outer: NamespaceScope | undefined;
}

export interface XmlAttribute {
  readonly uri: string;
  readonly local: string;
  readonly value: string;
}

/** An element with its names resolved. `text` is all character data directly inside it, in order. */
export interface XmlElement {
  readonly uri: string;
  readonly local: string;
  readonly attributes: readonly XmlAttribute[];
  readonly children: readonly XmlElement[];
  readonly text: string;
  /** For QNames in content, such as the value of xsi:type. */
  readonly scope: NamespaceScope;
}

export interface QName {
  readonly uri: string;
  readonly local: string;
}

/** The first child of that name. */
export function child(element: XmlElement | undefined, uri: string, local: string): XmlElement | undefined {
  return element?.children.find((item) => item.local === local && item.uri === uri);
}

/** All children of that name. */
export function children(element: XmlElement, uri: string, local: string): readonly XmlElement[] {
  return element.children.filter((item) => item.local === local && item.uri === uri);
}

export function attribute(element: XmlElement, uri: string, local: string): string | undefined {
  return element.attributes.find((item) => item.local === local && item.uri === uri)?.value;
}

/** Text without the white space around it (DSP0226 R13.1-10); undefined when the element is absent. */
export function trimmedText(element: XmlElement | undefined): string | undefined {
  return element?.text.trim();
}

/** The namespace of a prefix; undefined when it is not declared. The empty prefix is the default namespace. */
export function lookUpPrefix(scope: NamespaceScope | undefined, prefix: string): string | undefined {
  for (let frame = scope; frame !== undefined; frame = frame.outer) {
    const uri = frame.declarations.get(prefix);
    if (uri !== undefined) return uri;
  }
  return prefix === '' ? '' : undefined;
}

/** Reads `prefix:local` in content. An undeclared prefix gives an empty namespace: many clients do not declare theirs. */
export function parseQName(scope: NamespaceScope, text: string): QName {
  const [first = '', second] = text.trim().split(':', 2);
  if (second === undefined) return { uri: lookUpPrefix(scope, '') ?? '', local: first };
  return { uri: lookUpPrefix(scope, first) ?? '', local: second };
}
