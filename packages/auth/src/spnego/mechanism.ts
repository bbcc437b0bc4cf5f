import { createKerberosAcceptor, type KerberosAcceptorOptions } from '../kerberos/gss/acceptor.ts';
import { isKerberosToken, kerberosOid, microsoftKerberosOid } from '../kerberos/gss/framing.ts';
import { createKerberosInitiator, type KerberosInitiatorOptions } from '../kerberos/gss/initiator.ts';
import { createNtlmAcceptor, type NtlmAcceptorOptions } from '../ntlm/acceptor.ts';
import { createNtlmInitiator, type NtlmInitiatorOptions } from '../ntlm/initiator.ts';
import { isNtlmMessage } from '../ntlm/messages.ts';
import type { MechanismContext } from '../pdu-protection.ts';

/** A mechanism that SPNEGO may choose. Each exchange gets a context of its own. */
export interface SpnegoMechanism {
  /** Identifiers that mean this mechanism; all are offered, in this order. */
  readonly oids: readonly string[];
  /** Whether a token is one of this mechanism's own, sent without SPNEGO around it. */
  recognises(token: Uint8Array): boolean;
  create(): MechanismContext;
}

export function ntlmAcceptorMechanism(options: NtlmAcceptorOptions): SpnegoMechanism {
  return { oids: [ntlmOid], recognises: isNtlmMessage, create: () => createNtlmAcceptor(options) };
}

export function ntlmInitiatorMechanism(options: NtlmInitiatorOptions): SpnegoMechanism {
  return { oids: [ntlmOid], recognises: isNtlmMessage, create: () => createNtlmInitiator(options) };
}

export function kerberosAcceptorMechanism(options: KerberosAcceptorOptions): SpnegoMechanism {
  return { oids: kerberosOids, recognises: isKerberosToken, create: () => createKerberosAcceptor(options) };
}

export function kerberosInitiatorMechanism(options: KerberosInitiatorOptions): SpnegoMechanism {
  return { oids: kerberosOids, recognises: isKerberosToken, create: () => createKerberosInitiator(options) };
}

/** Windows' number first, as Windows offers them; both mean the same. */
const kerberosOids = [microsoftKerberosOid, kerberosOid];

/** [MS-SPNG] 1.9. */
const ntlmOid = '1.3.6.1.4.1.311.2.2.10';
