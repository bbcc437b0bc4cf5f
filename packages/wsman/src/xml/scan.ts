import { CarmineError } from '@carmine/errors';
import type { XmlLimits } from './limits.ts';

/** What the walk over a document has seen on its way. */
export interface ScannedXml {
  /** Where the document begins, behind its XML declaration. */
  readonly start: number;
  /**
   * For each element in the order of their start tags its attributes, as they stand: name, value, name, value…; undefined
   * for an element without.
   */
  readonly attributes: readonly (readonly string[] | undefined)[];
  /**
   * Elements with nothing but one run of text between their tags, or with nothing: number of the element in the order of the start
   * tags, position of the text and of what follows it; three numbers each.
   */
  readonly leaves: readonly number[];
  /** As they count for the limit. */
  readonly nodes: number;
}

/**
 * Walks over a document once, building no tree, and throws unless it is well-formed XML 1.0 without DTD and processing
 * instructions and within `limits`. What passes holds no surprise for a lenient parser.
 * Throws `wsman/malformed` or `wire/limit`.
 */
export function scanXml(text: string, limits: XmlLimits): ScannedXml {
  if (illegalCharacter.test(text)) throw malformed('an illegal character');
  const open: string[] = [];
  let nodes = 0;
  let roots = 0;
  const start = skipDeclaration(text);
  const attributes: (readonly string[] | undefined)[] = [];
  const leaves: number[] = [];
  /** Behind a start tag, as long as only text came after it; else -1. */
  let content = -1;
  let at = start;
  const count = (): void => {
    if (++nodes > limits.nodes) throw limit('XML nodes', nodes, limits.nodes);
  };

  while (at < text.length) {
    if (text.charCodeAt(at) !== lessThan) {
      const found = text.indexOf('<', at);
      const end = found === -1 ? text.length : found;
      if (end - at > limits.textLength) throw limit('XML text', end - at, limits.textLength);
      if (open.length === 0) {
        if (!isBlank(text, at, end)) throw malformed('text outside the root element');
      } else count();
      at = end;
      continue;
    }
    const next = text.charCodeAt(at + 1);
    if (next === exclamation) {
      count();
      content = -1;
      at = skipMarked(text, at, open.length, limits);
    } else if (next === question) {
      throw malformed('processing instructions are not allowed');
    } else if (next === slash) {
      const end = endOfName(text, at + 2, limits);
      const close = skipSpace(text, end);
      if (text.charCodeAt(close) !== greaterThan) throw malformed('an end tag is not closed');
      const expected = open.pop();
      if (expected === undefined || expected.length !== end - at - 2 || !text.startsWith(expected, at + 2))
        throw malformed('an end tag without its start tag');
      if (content !== -1) leaves.push(attributes.length - 1, content, at);
      content = -1;
      at = close + 1;
    } else {
      count();
      if (open.length === 0 && ++roots > 1) throw malformed('more than one root element');
      if (open.length >= limits.depth) throw limit('XML depth', open.length + 1, limits.depth);
      const end = endOfName(text, at + 1, limits);
      const name = text.slice(at + 1, end);
      const found: string[] = [];
      at = readAttributes(text, end, limits, count, found);
      attributes.push(found.length === 0 ? undefined : found);
      if (text.charCodeAt(at) === slash) {
        if (text.charCodeAt(at + 1) !== greaterThan) throw malformed('a start tag is not closed');
        at += 2;
        content = -1;
      } else {
        open.push(name);
        at += 1;
        content = at;
      }
    }
  }
  if (open.length > 0) throw malformed('an element is not closed');
  if (roots === 0) throw malformed('no root element');
  return { start, attributes, leaves, nodes };
}

/** Puts names and values into `found`; returns the position of the `>` or `/` that ends the start tag. */
function readAttributes(text: string, from: number, limits: XmlLimits, count: () => void, found: string[]): number {
  let at = from;
  for (;;) {
    const afterSpace = skipSpace(text, at);
    const code = text.charCodeAt(afterSpace);
    if (code === greaterThan || code === slash) return afterSpace;
    if (afterSpace === at) throw malformed('a start tag is not closed');
    const end = endOfName(text, afterSpace, limits);
    const name = text.slice(afterSpace, end);
    for (let index = 0; index < found.length; index += 2)
      if (found[index] === name) throw malformed('an attribute is given twice');
    const number = found.length / 2 + 1;
    if (number > limits.attributes) throw limit('XML attributes', number, limits.attributes);
    count();
    at = skipSpace(text, end);
    if (text.charCodeAt(at) !== equals) throw malformed('an attribute without a value');
    at = skipSpace(text, at + 1);
    const quote = text[at];
    if (quote !== '"' && quote !== "'") throw malformed('an attribute value without quotes');
    const close = text.indexOf(quote, at + 1);
    if (close === -1) throw malformed('an attribute value is not closed');
    if (close - at > limits.textLength) throw limit('XML attribute value', close - at, limits.textLength);
    const value = text.slice(at + 1, close);
    if (value.includes('<')) throw malformed('"<" in an attribute value');
    found.push(name, value);
    at = close + 1;
  }
}

/** Comments and CDATA sections; anything else that starts with `<!` is a DTD. */
function skipMarked(text: string, at: number, depth: number, limits: XmlLimits): number {
  if (text.startsWith('<!--', at)) {
    const end = text.indexOf('--', at + 4);
    if (end === -1 || text.charCodeAt(end + 2) !== greaterThan) throw malformed('a comment is not closed');
    if (end - at > limits.textLength) throw limit('XML comment', end - at, limits.textLength);
    return end + 3;
  }
  if (text.startsWith('<![CDATA[', at) && depth > 0) {
    const end = text.indexOf(']]>', at + 9);
    if (end === -1) throw malformed('a CDATA section is not closed');
    if (end - at > limits.textLength) throw limit('XML text', end - at, limits.textLength);
    return end + 3;
  }
  throw malformed('document type definitions are not allowed');
}

function skipDeclaration(text: string): number {
  if (!/^<\?xml[ \t\r\n]/.test(text)) return 0;
  const end = text.indexOf('?>');
  if (end === -1 || end > 200 || !declaration.test(text.slice(0, end + 2))) throw malformed('a bad XML declaration');
  return end + 2;
}

function endOfName(text: string, from: number, limits: XmlLimits): number {
  let at = from;
  while (isNameCharacter(text.charCodeAt(at))) at++;
  if (at === from || !isNameStart(text.charCodeAt(from))) throw malformed('a bad name');
  if (at - from > limits.nameLength) throw limit('XML name', at - from, limits.nameLength);
  return at;
}

function isNameStart(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 95 || code === 58 || isNameLetter(code);
}

function isNameCharacter(code: number): boolean {
  return isNameStart(code) || (code >= 48 && code <= 58) || code === 45 || code === 46 || code === 0xb7;
}

/** XML 1.0 NameStartChar above ASCII, less what JavaScript calls white space. */
function isNameLetter(code: number): boolean {
  return (
    code >= 0xc0 &&
    code < 0xfffe &&
    code !== 0xd7 &&
    code !== 0xf7 &&
    code !== 0x1680 &&
    !(code >= 0x2000 && code <= 0x206f) &&
    code !== 0x3000 &&
    code !== 0xfeff
  );
}

function skipSpace(text: string, from: number): number {
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at;
    at++;
  }
}

function isBlank(text: string, from: number, end: number): boolean {
  return skipSpace(text, from) >= end;
}

function malformed(reason: string): CarmineError {
  return new CarmineError('wsman/malformed', { context: { reason } });
}

function limit(what: string, actual: number, allowed: number): CarmineError {
  return new CarmineError('wire/limit', { context: { what, actual, limit: allowed } });
}

const lessThan = 0x3c;
const greaterThan = 0x3e;
const slash = 0x2f;
const exclamation = 0x21;
const question = 0x3f;
const equals = 0x3d;
/** XML 1.0 section 2.2 Char; with the u flag a surrogate matches only when it stands alone. */
const illegalCharacter = /[\ufffe\uffff\ud800-\udfff]|[^\P{Cc}\t\n\r\x7f-\x9f]/u;
const declaration =
  /^<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:"1\.[0-9]"|'1\.[0-9]')(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?:"[A-Za-z0-9._-]+"|'[A-Za-z0-9._-]+'))?(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:"(?:yes|no)"|'(?:yes|no)'))?[ \t\r\n]*\?>$/;
