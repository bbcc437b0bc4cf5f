import type { Token } from '@carmine/security';
import { concatBytes } from '@carmine/wire';
import { faultStatus } from '../fault.ts';
import type { RequestHead } from '../pdu/call.ts';
import type { Pdu } from '../pdu/header.ts';
import type { Protection } from '../pdu/protection.ts';

/** A request whose fragments are being put together. */
export interface Assembly {
  readonly callId: number;
  readonly head: RequestHead;
  readonly protection: Protection | undefined;
  readonly token: Token;
  readonly level: number;
  readonly littleEndian: boolean;
  readonly length: number;
  add(stub: Uint8Array): void;
  stub(): Uint8Array;
}

export function startAssembly(
  pdu: Pdu,
  head: RequestHead,
  protection: Protection | undefined,
  token: Token,
  level: number,
): Assembly {
  const pieces: Uint8Array[] = [];
  let length = 0;
  return {
    callId: pdu.callId,
    head,
    protection,
    token,
    level,
    littleEndian: pdu.littleEndian,
    get length() {
      return length;
    },
    add(stub) {
      // The octets that arrived are the shell's.
      pieces.push(stub.slice());
      length += stub.length;
    },
    stub: () => (pieces.length === 1 ? pieces[0]! : concatBytes(...pieces)),
  };
}

/** Whether a fragment belongs to the call that is being put together: the status that says why not. */
export function checkFragment(
  assembly: Assembly,
  pdu: Pdu,
  head: RequestHead,
  protection: Protection | undefined,
  octets: number,
  limit: number,
): number | undefined {
  const same =
    pdu.callId === assembly.callId &&
    head.contextId === assembly.head.contextId &&
    head.opnum === assembly.head.opnum &&
    head.object === assembly.head.object &&
    protection?.contextId === assembly.protection?.contextId;
  if (!same) return faultStatus.protocolError;
  // [MS-RPCE] 3.3.3.5.4.
  if (assembly.length + octets > limit || assembly.head.allocHint > limit) return faultStatus.accessDenied;
  return undefined;
}
