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

/** [MS-SPNG] 1.9. */
const ntlmOid = '1.3.6.1.4.1.311.2.2.10';
