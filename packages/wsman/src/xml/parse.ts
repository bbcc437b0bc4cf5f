import { CarmineError } from '@carmine/errors';
import { XMLParser } from 'fast-xml-parser';
import type { NamespaceScope, XmlAttribute, XmlElement } from './element.ts';
import { lookUpPrefix } from './element.ts';
import { decodeEntities } from './entities.ts';
import type { XmlLimits } from './limits.ts';
import { scanXml } from './scan.ts';

/**
 * Parses a document and resolves its namespaces (Namespaces in XML 1.0). Throws `wsman/malformed` for what is not
 * well-formed or has undeclared prefixes, `wire/limit` for what is too big.
 */
export function parseXml(text: string, limits: XmlLimits): XmlElement {
  scanXml(text, limits);
  const root = parseTree(text).find((node) => nameOf(node) !== textKey);
  if (root === undefined) throw malformed('no root element');
  return resolve(root, rootScope);
}

/** What fast-xml-parser gives with preserveOrder: one key is the element's name, `:@` holds its attributes. */
type RawNode = Readonly<Record<string, unknown>>;

function parseTree(text: string): readonly RawNode[] {
  try {
    return parser.parse(text) as readonly RawNode[];
  } catch (error) {
    throw new CarmineError('wsman/malformed', { context: { reason: 'not accepted by the XML parser' }, cause: error });
  }
}

function resolve(node: RawNode, outer: NamespaceScope): XmlElement {
  const name = nameOf(node);
  const raw = node[attributesKey] as Readonly<Record<string, string>> | undefined;
  const scope = raw === undefined ? outer : declare(raw, outer);
  const colon = name.indexOf(':');
  const prefix = colon === -1 ? '' : name.slice(0, colon);
  const elements: XmlElement[] = [];
  let text = '';
  for (const item of node[name] as readonly RawNode[]) {
    const itemName = nameOf(item);
    if (itemName === textKey) text += decodeEntities(String(item[textKey]));
    else if (itemName === cdataKey)
      text += (item[cdataKey] as readonly RawNode[]).map((part) => part[textKey]).join('');
    else elements.push(resolve(item, scope));
  }
  return {
    uri: namespaceOf(scope, prefix),
    local: localName(name, colon),
    attributes: raw === undefined ? noAttributes : resolveAttributes(raw, scope),
    children: elements,
    text,
    scope,
  };
}

function declare(raw: Readonly<Record<string, string>>, outer: NamespaceScope): NamespaceScope {
  let declarations: Map<string, string> | undefined;
  for (const key of Object.keys(raw)) {
    const name = key.slice(attributePrefix.length);
    if (name !== 'xmlns' && !name.startsWith('xmlns:')) continue;
    const prefix = name === 'xmlns' ? '' : name.slice(6);
    const uri = attributeValue(raw[key]!);
    if (prefix === 'xmlns' || (prefix === 'xml') !== (uri === xmlNamespace) || (name.endsWith(':') && prefix === ''))
      throw malformed('a reserved prefix is declared');
    if (prefix !== '' && uri === '') throw malformed('a prefix is declared without a namespace');
    declarations ??= new Map();
    declarations.set(prefix, uri);
  }
  return declarations === undefined ? outer : { declarations, outer };
}

function resolveAttributes(raw: Readonly<Record<string, string>>, scope: NamespaceScope): readonly XmlAttribute[] {
  const attributes: XmlAttribute[] = [];
  for (const key of Object.keys(raw)) {
    const name = key.slice(attributePrefix.length);
    if (name === 'xmlns' || name.startsWith('xmlns:')) continue;
    const colon = name.indexOf(':');
    // An attribute without a prefix has no namespace, whatever the default one is.
    const uri = colon === -1 ? '' : namespaceOf(scope, name.slice(0, colon));
    const local = localName(name, colon);
    if (attributes.some((other) => other.local === local && other.uri === uri))
      throw malformed('an attribute is given twice');
    attributes.push({ uri, local, value: attributeValue(raw[key]!) });
  }
  return attributes;
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

/** XML 1.0 section 3.3.3: literal white space in an attribute value is a space. */
function attributeValue(raw: string): string {
  return decodeEntities(raw.replace(/[\t\n\r]/g, ' '));
}

function nameOf(node: RawNode): string {
  for (const key in node) if (key !== attributesKey) return key;
  throw malformed('an element without a name');
}

function malformed(reason: string): CarmineError {
  return new CarmineError('wsman/malformed', { context: { reason } });
}

const textKey = '#text';
const cdataKey = '#cdata';
const attributesKey = ':@';
const attributePrefix = '@_';
const noAttributes: readonly XmlAttribute[] = [];
const xmlNamespace = 'http://www.w3.org/XML/1998/namespace';
const rootScope: NamespaceScope = { declarations: new Map([['xml', xmlNamespace]]), outer: undefined };

/** Entities stay raw here, so that text and CDATA can be told apart; depth is scanXml's business. */
const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: attributePrefix,
  textNodeName: textKey,
  cdataPropName: cdataKey,
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  processEntities: false,
  ignoreDeclaration: true,
  maxNestedTags: 10_000,
  jPath: false,
});
