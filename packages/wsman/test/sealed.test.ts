import type { SecurityContext } from '@carmine/auth';
import { CarmineError } from '@carmine/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseContentType } from '../src/protocol/content-type.ts';
import { isSealed, openSealed, sealMessage, spnegoProtocol } from '../src/protocol/sealed.ts';

const unused = (): never => {
  throw new Error('must not be called');
};

/** Seals by flipping all bits; the header is 16 bytes with a checksum. */
const context: SecurityContext = {
  mechanism: 'ntlm',
  complete: true,
  step: unused,
  sign: unused,
  verify: unused,
  sessionKey: new Uint8Array(16),
  peer: undefined,
  wrap: (plaintext) => ({ header: header(plaintext), data: plaintext.map((byte) => byte ^ 0xff) }),
  unwrap: (message) => {
    const plaintext = message.data.map((byte) => byte ^ 0xff);
    if (String(header(plaintext)) !== String(message.header)) throw new CarmineError('auth/bad-signature');
    return plaintext;
  },
};

function header(plaintext: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(16).fill(1);
  bytes[15] = plaintext.reduce((sum, byte) => (sum + byte) & 0xff, 0);
  return bytes;
}

const soapType = 'application/soap+xml;charset=UTF-8';
const windowsType = `multipart/encrypted;protocol="${spnegoProtocol}";boundary="Encrypted Boundary"`;
const text = (bytes: Uint8Array) => String.fromCharCode(...bytes);
const bytes = (value: string) => Uint8Array.from(value, (character) => character.charCodeAt(0));
const plaintext = bytes('<s/>');
const binary = `\x10\0\0\0${text(header(plaintext))}${text(plaintext.map((byte) => byte ^ 0xff))}`;

/** [MS-WSMV] 2.2.9.1.1.2, spec section 3.6. */
const golden = (tab: string, space = '') =>
  `--${space}Encrypted Boundary\r\n${tab}Content-Type: ${spnegoProtocol}\r\n${tab}OriginalContent: type=${soapType};Length=4\r\n--${space}Encrypted Boundary\r\n${tab}Content-Type: application/octet-stream\r\n${binary}--${space}Encrypted Boundary--\r\n`;

describe('sealed messages', () => {
  it.each([true, false])('are written with TAB %s as golden', (tab) => {
    const sealed = sealMessage(context, plaintext, soapType, { protocol: spnegoProtocol, tab });
    expect(text(sealed.body)).toBe(golden(tab ? '\t' : ''));
    expect(sealed.contentType).toBe(windowsType);
    const opened = openSealed(context, sealed.body, parseContentType(sealed.contentType));
    expect(opened).toEqual({ body: plaintext, contentType: soapType, style: { protocol: spnegoProtocol, tab } });
  });

  const kerberos = 'application/HTTP-Kerberos-session-encrypted';
  it.each([
    ['a space after the hyphens', golden('\t', ' ')],
    ['no closing line', golden('\t').replace(/--Encrypted Boundary--\r\n$/, '')],
    ['no line end after the closing line', golden('').replace(/\r\n$/, '')],
    ['line feeds alone', golden('').replaceAll('\r\n', '\n')],
    ['an empty line before the binary part', golden('').replace('Length=4\r\n', 'Length=4\r\n\r\n')],
    ['the protocol in lower case', golden('\t').replace('SPNEGO', 'spnego')],
  ])('are read with %s', (_, message) => {
    expect(text(openSealed(context, bytes(message), parseContentType(windowsType)).body)).toBe('<s/>');
  });

  it.each([
    ['nothing', ''],
    ['another boundary', golden('\t').replaceAll('Encrypted', 'Other')],
    ['no first part', golden('\t').slice(golden('\t').indexOf('\r\n') + 2)],
    ['no length', golden('\t').replace(';Length=4', '')],
    ['a length too long', golden('\t').replace('Length=4', 'Length=4000')],
    ['a huge length', golden('\t').replace('Length=4', 'Length=99999999999')],
    ['a length too short', golden('\t').replace('Length=4', 'Length=3')],
    ['a huge header', golden('\t').replace('\x10\0\0\0', '\xff\xff\xff\xff')],
    ['no header length', golden('\t').slice(0, golden('\t').indexOf('\x10\0\0\0') + 2)],
    ['an unknown protocol', golden('\t').replace(spnegoProtocol, 'application/secret')],
    ['another protocol than announced', golden('\t').replace(spnegoProtocol, kerberos)],
    ['another part', golden('\t').replace('octet-stream', 'json')],
    ['an endless line', `--Encrypted Boundary\r\n${'x'.repeat(5000)}`],
    ['endless lines', `--Encrypted Boundary\r\n${'a: b\r\n'.repeat(100)}`],
    ['something behind', `${golden('\t')}more`],
  ])('are refused with %s', (_, message) => {
    expect(() => openSealed(context, bytes(message), parseContentType(windowsType))).toThrow(
      expect.objectContaining({ code: 'wsman/malformed' }),
    );
  });

  it('are refused with a wrong signature', () => {
    const message = bytes(golden('\t').replace('\x10\0\0\0\x01', '\x10\0\0\0\x02'));
    expect(() => openSealed(context, message, parseContentType(windowsType))).toThrow(
      expect.objectContaining({ code: 'auth/bad-signature' }),
    );
  });

  it('may hold the boundary itself', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('--Encrypted Boundary--\r\n', '', 'x', '\r\n--Encrypted Boundary'),
        fc.boolean(),
        (inner, tab) => {
          const flipped = bytes(inner).map((byte) => byte ^ 0xff);
          const sealed = sealMessage(context, flipped, soapType, { protocol: spnegoProtocol, tab });
          expect(openSealed(context, sealed.body, parseContentType(sealed.contentType)).body).toEqual(flipped);
        },
      ),
    );
  });

  it('of any bytes give an error, never anything else', () => {
    const good = bytes(golden('\t'));
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => {
        const message = good.slice();
        message[at] = byte;
        try {
          openSealed(context, message, parseContentType(windowsType));
        } catch (error) {
          expect(error).toBeInstanceOf(CarmineError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('Content-Type', () => {
  it.each([
    [undefined, 'application/soap+xml', undefined],
    ['application/soap+xml;charset=UTF-8', 'application/soap+xml', 'UTF-8'],
    ['Application/SOAP+XML ; x=y; Charset = "utf-16"', 'application/soap+xml', 'utf-16'],
    ['text/html', 'text/html', undefined],
    ['', '', undefined],
  ])('%s', (value, mediaType, charset) => {
    expect(parseContentType(value)).toMatchObject({ mediaType, charset });
  });
  it('of sealed messages', () => {
    expect(isSealed(parseContentType(windowsType))).toBe(true);
    expect(parseContentType(windowsType)).toMatchObject({ protocol: spnegoProtocol, boundary: 'Encrypted Boundary' });
  });
});
