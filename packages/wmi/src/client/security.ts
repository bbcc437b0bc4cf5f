import {
  createNtlmInitiator,
  createSpnegoInitiator,
  type Environment,
  type HttpScheme,
  kerberosInitiatorMechanism,
  type Logon,
  ntlmInitiatorMechanism,
  type SpnegoMechanism,
} from '@carmine/auth';
import { authTypes } from '@carmine/dcerpc';
import { CarmineError } from '@carmine/errors';
import type { SecurityProvider } from 'node-dcom-lite';

export interface WmiSecurityOptions {
  readonly logon: Logon;
  readonly host: string;
  readonly environment: Environment;
  /** As wsman's: `ntlm` alone takes NTLM without Negotiate around it. */
  readonly schemes?: readonly HttpScheme[] | undefined;
}

/** Packet privacy with Negotiate: Kerberos where there is a ticket, else NTLM. Throws `usage/invalid` for certificates. */
export function createWmiSecurity({ logon, host, environment, schemes }: WmiSecurityOptions): SecurityProvider {
  if (logon.kind === 'certificate')
    throw new CarmineError('usage/invalid', { context: { reason: 'DCOM knows no client certificates' } });
  return async (service, signal) => {
    const ticket = await logon.tickets?.obtain({ service, host, signal });
    const mechanisms: SpnegoMechanism[] = [];
    if (ticket !== undefined) mechanisms.push(kerberosInitiatorMechanism({ ticket, environment, dceStyle: true }));
    if (logon.kind !== 'kerberos') {
      const ntlm = { credentials: logon, environment, targetName: `${service}/${host}` };
      if (schemes?.[0] === 'ntlm')
        return { type: authTypes.ntlm, level: 'privacy', context: createNtlmInitiator(ntlm) };
      mechanisms.push(ntlmInitiatorMechanism(ntlm));
    } else if (ticket === undefined)
      throw new CarmineError('auth/no-ticket', { context: { reason: `none for ${service}/${host}` } });
    return { type: authTypes.negotiate, level: 'privacy', context: createSpnegoInitiator({ mechanisms }) };
  };
}
