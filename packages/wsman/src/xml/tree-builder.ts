import { CarmineError } from '@carmine/errors';
import { lookUpPrefix, type NamespaceScope, type XmlAttribute, type XmlElement } from './element.ts';
import { decodeEntities } from './entities.ts';

/** Makes elements with resolved names (Namespaces in XML 1.0) of what a parser tells in the document's order. */
export class TreeBuilder {
  readonly #attributes: readonly (readonly string[] | undefined)[];
  /** The elements that are open, by depth; the one above the root stands for the document. */
  readonly #open: Open[] = [{ ...documentNode, children: [] }];
  #count = 0;

  /** @param attributes of each element, as `scanXml` gives them. */
  constructor(attributes: readonly (readonly string[] | undefined)[]) {
    this.#attributes = attributes;
  }

  open(name: string, depth: number): void {
    const parent = this.#open[depth - 1];
    if (parent === undefined) throw malformed('an element at no place');
    const raw = this.#attributes[this.#count++];
    const scope = raw === undefined ? parent.scope : declare(raw, parent.scope);
    const colon = name.indexOf(':');
    const element: Open = {
      uri: namespaceOf(scope, colon === -1 ? '' : name.slice(0, colon)),
      local: localName(name, colon),
      attributes: raw === undefined ? noAttributes : resolveAttributes(raw, scope),
      children: [],
      text: '',
      scope,
    };
    parent.children.push(element);
    this.#open.length = depth;
    this.#open.push(element);
  }

  text(value: string, depth: number): void {
    const element = this.#open[depth];
    if (element === undefined || depth === 0) throw malformed('text at no place');
    element.text += value;
  }

  /** The root. Throws when the parser has seen another document than the scan. */
  finish(): XmlElement {
    const [root, second] = this.#open[0]!.children;
    if (root === undefined || second !== undefined || this.#count !== this.#attributes.length)
      throw malformed('not understood by both readers');
    return root;
  }
}

type Open = Omit<XmlElement, 'children' | 'text'> & { readonly children: XmlElement[]; text: string };

function declare(raw: readonly string[], outer: NamespaceScope): NamespaceScope {
  let declarations: Map<string, string> | undefined;
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index]!;
    if (!isDeclaration(name)) continue;
    const prefix = name === 'xmlns' ? '' : name.slice(6);
    const uri = attributeValue(raw[index + 1]!);
    if (prefix === 'xmlns' || (prefix === 'xml') !== (uri === xmlNamespace) || (name.endsWith(':') && prefix === ''))
      throw malformed('a reserved prefix is declared');
    if (prefix !== '' && uri === '') throw malformed('a prefix is declared without a namespace');
    declarations ??= new Map();
    declarations.set(prefix, uri);
  }
  return declarations === undefined ? outer : { declarations, outer };
}

function resolveAttributes(raw: readonly string[], scope: NamespaceScope): readonly XmlAttribute[] {
  const attributes: XmlAttribute[] = [];
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index]!;
    if (isDeclaration(name)) continue;
    const colon = name.indexOf(':');
    // An attribute without a prefix has no namespace, whatever the default one is.
    const uri = colon === -1 ? '' : namespaceOf(scope, name.slice(0, colon));
    const local = localName(name, colon);
    if (attributes.some((other) => other.local === local && other.uri === uri))
      throw malformed('an attribute is given twice');
    attributes.push({ uri, local, value: attributeValue(raw[index + 1]!) });
  }
  return attributes.length === 0 ? noAttributes : attributes;
}

function isDeclaration(name: string): boolean {
  return name.startsWith('xmlns') && (name.length === 5 || name.charCodeAt(5) === 0x3a);
}

function namespaceOf(scope: NamespaceScope, prefix: string): string {
  const uri = lookUpPrefix(scope, prefix);
  if (uri === undefined) throw malformed('a prefix is not declared');
  return uri;
}

function localName(name: string, colon: number): string {
  if (colon === -1) return name;
  const local = name.slice(colon + 1);
  if (colon === 0 || local === '' || local.includes(':')) throw malformed('a bad qualified name');
  return local;
}

/** XML 1.0 sections 2.11 and 3.3.3: a line end, and other literal white space, in an attribute value is a space. */
function attributeValue(raw: string): string {
  return decodeEntities(whiteSpace.test(raw) ? raw.replace(/\r\n|[\t\n\r]/g, ' ') : raw);
}

function malformed(reason: string): CarmineError {
  return new CarmineError('wsman/malformed', { context: { reason } });
}

const whiteSpace = /[\t\n\r]/;
const noAttributes: readonly XmlAttribute[] = [];
const xmlNamespace = 'http://www.w3.org/XML/1998/namespace';
const rootScope: NamespaceScope = { declarations: new Map([['xml', xmlNamespace]]), outer: undefined };
const documentNode = { uri: '', local: '', attributes: noAttributes, text: '', scope: rootScope };
