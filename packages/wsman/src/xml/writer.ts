/** Attributes by qualified name; undefined ones are left out. */
export type XmlAttributes = Readonly<Record<string, string | undefined>>;

/**
 * The only place where XML is put together. It writes compact XML, as small parsers need it: no white space, no
 * comments, no CDATA. Names are trusted, text and attribute values are escaped.
 */
export class XmlWriter {
  #out = '';

  start(name: string, attributes?: XmlAttributes | FixedAttributes): this {
    this.#out += attributes === undefined ? `<${name}>` : `<${name}${formatAttributes(attributes)}>`;
    return this;
  }

  end(name: string): this {
    this.#out += `</${name}>`;
    return this;
  }

  empty(name: string, attributes?: XmlAttributes | FixedAttributes): this {
    this.#out += attributes === undefined ? `<${name}/>` : `<${name}${formatAttributes(attributes)}/>`;
    return this;
  }

  element(name: string, text: string, attributes?: XmlAttributes | FixedAttributes): this {
    if (text === '') return this.empty(name, attributes);
    return this.start(name, attributes).text(text).end(name);
  }

  text(text: string): this {
    this.#out += escapeText(text);
    return this;
  }

  /** Adds what another writer wrote. */
  append(fragment: string): this {
    this.#out += fragment;
    return this;
  }

  toString(): string {
    return this.#out;
  }
}

/** Attributes that are written again and again. */
export class FixedAttributes {
  readonly written: string;

  constructor(attributes: XmlAttributes) {
    this.written = formatAttributes(attributes);
  }
}

function formatAttributes(attributes: XmlAttributes | FixedAttributes): string {
  if (attributes instanceof FixedAttributes) return attributes.written;
  let out = '';
  for (const name in attributes) {
    const value = attributes[name];
    if (value !== undefined) out += ` ${name}="${escapeAttribute(value)}"`;
  }
  return out;
}

function escapeText(text: string): string {
  return ordinary.test(text) || !special.test(text) ? text : text.replace(everySpecial, replacement);
}

function escapeAttribute(text: string): string {
  if (ordinary.test(text) || !special.test(text)) return text;
  return text.replace(everySpecial, replacement).replace(/[\t\n]/g, reference);
}

/** "Windows replaces them by ?": [MS-WSMV] 3.1.4.1.25, for every character that XML cannot carry. */
function replacement(character: string): string {
  return escapes[character] ?? '?';
}

function reference(character: string): string {
  return `&#${character.charCodeAt(0)};`;
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\r': '&#13;',
};
/** Nearly everything is; this is found out faster than that there is nothing special. */
const ordinary = /^[ !#-%'-;=?-~]*$/;
/** With the u flag a surrogate matches only when it stands alone; Cc less tab, line ends and C1 is what XML forbids. */
const special = /[&<>"\t\n\r\ufffe\uffff\ud800-\udfff]|[^\P{Cc}\x7f-\x9f]/u;
const everySpecial = /[&<>"\r\ufffe\uffff\ud800-\udfff]|[^\P{Cc}\t\n\r\x7f-\x9f]/gu;
