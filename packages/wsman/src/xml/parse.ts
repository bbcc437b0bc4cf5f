import { CarmineError, isCarmineError } from '@carmine/errors';
import { XMLParser } from 'fast-xml-parser';
import type { XmlElement } from './element.ts';
import { decodeEntities } from './entities.ts';
import type { XmlLimits } from './limits.ts';
import { type ScannedXml, scanXml } from './scan.ts';
import { TreeBuilder } from './tree-builder.ts';

/**
 * Parses a document and resolves its namespaces (Namespaces in XML 1.0). Throws `wsman/malformed` for what is not
 * well-formed or has undeclared prefixes, `wire/limit` for what is too big.
 */
export function parseXml(text: string, limits: XmlLimits): XmlElement {
  return parseDocument(text, limits).root;
}

/** The same, with what the scan has seen. */
export function parseDocument(text: string, limits: XmlLimits): ScannedXml & { readonly root: XmlElement } {
  const scanned = scanXml(text, limits);
  const { start, attributes } = scanned;
  const outer = builder;
  builder = new TreeBuilder(attributes);
  try {
    parser.parse(start === 0 ? text : text.slice(start));
    return { ...scanned, root: builder.finish() };
  } catch (error) {
    if (isCarmineError(error)) throw error;
    throw new CarmineError('wsman/malformed', { context: { reason: 'not accepted by the XML parser' }, cause: error });
  } finally {
    builder = outer;
  }
}

/** What the parser tells while it reads. It is synchronous, so one at a time is enough. */
let builder = new TreeBuilder([]);

/** Depth of the element that a callback is about; the root's is 1. */
interface Path {
  getDepth(): number;
}

/**
 * fast-xml-parser tells of elements and texts as it meets them; its own tree is not made: an object for each element, under
 * the element's name as its key, costs more than all the rest. Attributes are the scan's. Depth is the scan's business too.
 */
const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: true,
  parseTagValue: false,
  trimValues: false,
  ignoreDeclaration: true,
  maxNestedTags: 10_000,
  jPath: false,
  updateTag: (name, path) => {
    builder.open(name, (path as Path).getDepth());
    return false;
  },
  /** Entities are decoded here already, in text and not in CDATA sections. Nothing is left for the parser to keep. */
  tagValueProcessor: (_, value, path) => {
    builder.text(value, (path as Path).getDepth());
    return '';
  },
  processEntities: true,
  entityDecoder: {
    decode: decodeEntities,
    reset: () => {},
    setXmlVersion: () => {},
    addInputEntities: () => {},
    setExternalEntities: () => {},
  },
});
