import type { SecurityContext } from '@carmine/auth';
import { CarmineError } from '@carmine/errors';
import type { ContentType } from './content-type.ts';

/** What a sealed message looks like apart from its content; answers copy the style of the request. */
export interface SealedStyle {
  /** `application/HTTP-SPNEGO-session-encrypted`, or the Kerberos one. */
  readonly protocol: string;
  /**
   * True when part headers begin with a TAB. [MS-WSMV] 2.2.9.1.1.2 demands it, pywinrm and pypsrp cannot read a message
   * without it, OMI none with it (spec: section 3.6).
   */
  readonly tab: boolean;
}

/** A message taken out of its seal. */
export interface OpenedMessage {
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly style: SealedStyle;
}

/** True for the media type of sealed messages. */
export function isSealed(contentType: ContentType): boolean {
  return contentType.mediaType === 'multipart/encrypted';
}

/**
 * Opens a sealed message ([MS-WSMV] 2.2.9.1). Throws `wsman/malformed` for a wrong frame, before anything is decrypted,
 * and what the context throws for a wrong signature.
 */
export function openSealed(context: SecurityContext, body: Uint8Array, contentType: ContentType): OpenedMessage {
  const frame = parseFrame(body, contentType);
  const plaintext = context.unwrap({ header: frame.header, data: frame.data });
  if (plaintext.length > frame.data.length) throw malformed('a wrong length');
  return { body: plaintext, contentType: frame.originalType, style: { protocol: frame.protocol, tab: frame.tab } };
}

/** Seals a message. The returned Content-Type is that of the whole. */
export function sealMessage(
  context: SecurityContext,
  plaintext: Uint8Array,
  originalType: string,
  style: SealedStyle,
): { readonly body: Uint8Array; readonly contentType: string } {
  const { header, data } = context.wrap(plaintext);
  const indent = style.tab ? '\t' : '';
  const head = encoder.encode(
    [
      `--${boundaryName}`,
      `${indent}Content-Type: ${style.protocol}`,
      `${indent}OriginalContent: type=${originalType};Length=${data.length}`,
      `--${boundaryName}`,
      `${indent}Content-Type: application/octet-stream`,
      '',
    ].join('\r\n'),
  );
  const tail = encoder.encode(`--${boundaryName}--\r\n`);
  const body = new Uint8Array(head.length + 4 + header.length + data.length + tail.length);
  body.set(head);
  new DataView(body.buffer).setUint32(head.length, header.length, true);
  body.set(header, head.length + 4);
  body.set(data, head.length + 4 + header.length);
  body.set(tail, body.length - tail.length);
  return { body, contentType: `multipart/encrypted;protocol="${style.protocol}";boundary="${boundaryName}"` };
}

export const spnegoProtocol = 'application/HTTP-SPNEGO-session-encrypted';
/** With the scheme `Kerberos`, not inside SPNEGO ([MS-WSMV] 2.2.9.1.2). */
export const kerberosProtocol = 'application/HTTP-Kerberos-session-encrypted';

interface Frame {
  readonly protocol: string;
  readonly originalType: string;
  readonly header: Uint8Array;
  readonly data: Uint8Array;
  readonly tab: boolean;
}

/**
 * Layout, lines ending in CRLF:
 *
 *     --Encrypted Boundary
 *     [TAB]Content-Type: application/HTTP-SPNEGO-session-encrypted
 *     [TAB]OriginalContent: type=application/soap+xml;charset=UTF-8;Length=1410
 *     --Encrypted Boundary
 *     [TAB]Content-Type: application/octet-stream
 *     <u32 LE header length><header><ciphertext>--Encrypted Boundary--
 *
 * The binary part is found by lengths alone, never by looking for the boundary in it.
 */
function parseFrame(body: Uint8Array, contentType: ContentType): Frame {
  const boundary = contentType.boundary ?? boundaryName;
  const lines = new LineReader(body);
  if (!isBoundary(lines.next(), boundary)) throw malformed('no boundary at the start');
  let protocol: string | undefined;
  let original: string | undefined;
  let tab = false;
  for (let line = lines.next(); !isBoundary(line, boundary); line = lines.next()) {
    tab ||= line.startsWith('\t');
    const [name, value] = splitHeader(line);
    if (name === 'content-type') protocol = value;
    else if (name === 'originalcontent') original = value;
  }
  const [name, value] = splitHeader(lines.next());
  if (name !== 'content-type' || value.toLowerCase() !== 'application/octet-stream')
    throw malformed('no octet-stream part');
  const known = protocols.find((item) => item.toLowerCase() === protocol?.toLowerCase());
  if (known === undefined) throw malformed('an unknown protocol');
  if (contentType.protocol !== undefined && contentType.protocol.toLowerCase() !== known.toLowerCase())
    throw malformed('two different protocols');
  const match = /^type=(.+);\s*length=(\d{1,9})$/i.exec(original ?? '');
  if (match === null) throw malformed('no OriginalContent');
  const length = Number(match[2]);

  const rest = body.subarray(lines.position);
  if (rest.length < 4) throw malformed('truncated');
  const headerLength = new DataView(rest.buffer, rest.byteOffset, 4).getUint32(0, true);
  if (headerLength > maxHeaderLength || 4 + headerLength + length > rest.length) throw malformed('truncated');
  const header = rest.subarray(4, 4 + headerLength);
  const data = rest.subarray(4 + headerLength, 4 + headerLength + length);
  // The closing line may be missing, but nothing else may stand in its place.
  const tail = decoder.decode(rest.subarray(4 + headerLength + length)).trim();
  if (tail !== '' && !(tail.endsWith('--') && isBoundary(tail.slice(0, -2), boundary)))
    throw malformed('something after the ciphertext');
  return { protocol: known, originalType: (match[1] ?? '').trim(), header, data, tab };
}

/** `--Encrypted Boundary`; old Windows prints a space after the hyphens. */
function isBoundary(line: string, boundary: string): boolean {
  return line.startsWith('--') && line.slice(2).trim() === boundary.trim();
}

function splitHeader(line: string): readonly [string, string] {
  const colon = line.indexOf(':');
  if (colon === -1) {
    if (line.trim() === '') return ['', ''];
    throw malformed('a line that is no header');
  }
  return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
}

class LineReader {
  position = 0;
  readonly #bytes: Uint8Array;
  #lines = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  next(): string {
    const end = this.#bytes.subarray(this.position, this.position + maxLine).indexOf(0x0a);
    if (end === -1 || ++this.#lines > maxLines) throw malformed('a line that does not end');
    const line = decoder.decode(this.#bytes.subarray(this.position, this.position + end));
    this.position += end + 1;
    return line.endsWith('\r') ? line.slice(0, -1) : line;
  }
}

function malformed(reason: string): CarmineError {
  return new CarmineError('wsman/malformed', { context: { reason: `sealed message: ${reason}` } });
}

const boundaryName = 'Encrypted Boundary';
const protocols = [spnegoProtocol, kerberosProtocol] as const;
const maxLine = 1024;
const maxLines = 16;
/** NTLM has 16 bytes, Kerberos some 60 and padding. */
const maxHeaderLength = 1024;
const encoder = new TextEncoder();
const decoder = new TextDecoder('latin1');
