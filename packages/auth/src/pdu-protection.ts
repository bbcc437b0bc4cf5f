import type { SecurityContext } from './context.ts';

/** One PDU as [MS-RPCE] 3.3.1.5.2.2 hands it to a mechanism: header, body (with its padding), sec_trailer. */
export interface ProtectedPdu {
  readonly header: Uint8Array;
  readonly body: Uint8Array;
  readonly trailer: Uint8Array;
  /**
   * Whether header signing was agreed on the connection. NTLM signs all three parts in any case ([MS-NLMP] 3.4.6.1);
   * Kerberos leaves header and trailer out when it was not.
   */
  readonly headerSigning: boolean;
}

/** A security context that also protects DCE/RPC PDUs, whose parts are signed together but not all encrypted. */
export interface RpcSecurityContext extends SecurityContext {
  /** Octets of the token that follows the sec_trailer, which is also auth_length. */
  pduTokenLength(level: 'integrity' | 'privacy'): number;
  /** Level PKT_INTEGRITY: the token over a PDU whose lengths are final. */
  signPdu(pdu: ProtectedPdu): Uint8Array;
  /** Throws `auth/bad-signature`. */
  verifyPdu(pdu: ProtectedPdu, token: Uint8Array): void;
  /** Level PKT_PRIVACY: the encrypted body, as long as the plain one, and the token. */
  sealPdu(pdu: ProtectedPdu): { readonly body: Uint8Array; readonly token: Uint8Array };
  /** `pdu.body` is the encrypted body; returns the plain one. Throws `auth/bad-signature`. */
  openPdu(pdu: ProtectedPdu, token: Uint8Array): Uint8Array;
}

/** What SPNEGO needs of a mechanism besides: the MIC over the list of mechanisms, and who claims to be authenticating. */
export interface MechanismContext extends RpcSecurityContext {
  readonly mechanism: 'ntlm' | 'kerberos';
  /** Acceptor: the name the peer claimed, proven or not, for audit. */
  readonly claimedName: string | undefined;
  signMechanismList(list: Uint8Array): Uint8Array;
  verifyMechanismList(list: Uint8Array, mic: Uint8Array): void;
}
