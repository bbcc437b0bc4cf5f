/** A Content-Type taken apart, as far as this protocol needs it. */
export interface ContentType {
  /** Lower case. */
  readonly mediaType: string;
  readonly charset: string | undefined;
  readonly protocol: string | undefined;
  readonly boundary: string | undefined;
}

/** Reads a Content-Type (RFC 9110 section 8.3.1); an absent one counts as SOAP without a charset. */
export function parseContentType(text: string | undefined): ContentType {
  if (text === undefined) return { mediaType: 'application/soap+xml', ...noParameters };
  const known = recent.get(text);
  if (known !== undefined) return known;
  const value = parse(text);
  if (recent.size === maxRecent) recent.clear();
  recent.set(text, value);
  return value;
}

/** Connections say the same again and again, and nearly all of them the same as the others. */
const recent = new Map<string, ContentType>();
const maxRecent = 32;

function parse(text: string): ContentType {
  const semicolon = text.indexOf(';');
  const mediaType = (semicolon === -1 ? text : text.slice(0, semicolon)).trim().toLowerCase();
  const parameters: { -readonly [K in keyof typeof noParameters]: string | undefined } = { ...noParameters };
  if (semicolon !== -1)
    for (const [, name = '', quoted, plain] of text.slice(semicolon).matchAll(parameter)) {
      const key = name.toLowerCase();
      if (key === 'charset' || key === 'protocol' || key === 'boundary') parameters[key] ??= quoted ?? plain;
    }
  return { mediaType, ...parameters };
}

const noParameters: Omit<ContentType, 'mediaType'> = { charset: undefined, protocol: undefined, boundary: undefined };
const parameter = /;\s*([\w-]+)\s*=\s*(?:"([^"]*)"|([^;\s"]*))/g;
