import type { SecurityContext } from '@carmine/auth';
import { concatBytes } from '@carmine/wire';

/** A message sealed as [MS-WSMV] 2.2.9.1 lays it out, made here so that it can be broken at will. */
export interface SealedFrame {
  readonly contentType: string;
  readonly body: Uint8Array;
  /** Where the binary part stands: length of the signature, signature, ciphertext. */
  readonly binary: { readonly start: number; readonly end: number };
}

export function sealFrame(context: SecurityContext, plaintext: Uint8Array): SealedFrame {
  const { header, data } = context.wrap(plaintext);
  const lines = [
    '--Encrypted Boundary',
    `\tContent-Type: ${sealedProtocol}`,
    `\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=${data.length}`,
    '--Encrypted Boundary',
    '\tContent-Type: application/octet-stream',
    '',
  ];
  const head = encoder.encode(lines.join('\r\n'));
  const length = Uint8Array.of(header.length, 0, 0, 0);
  const start = head.length;
  const end = start + length.length + header.length + data.length;
  return {
    contentType: sealedType,
    body: concatBytes(head, length, header, data, encoder.encode('--Encrypted Boundary--\r\n')),
    binary: { start, end },
  };
}

const sealedProtocol = 'application/HTTP-SPNEGO-session-encrypted';
export const sealedType = `multipart/encrypted;protocol="${sealedProtocol}";boundary="Encrypted Boundary"`;
const encoder = new TextEncoder();
