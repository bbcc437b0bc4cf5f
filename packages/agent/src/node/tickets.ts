import { formatPrincipal } from '@carmine/auth';
import { type AgentTickets, createAgentTickets, readKerberosConfiguration, readKeytab } from '@carmine/auth/node';
import { CarmineError } from '@carmine/errors';
import type { AgentConfiguration } from '../configuration.ts';

/**
 * Kerberos for what an agent does as a client. Throws when what is configured cannot be used; a krb5.conf that nobody
 * configured may be missing: no realm is known then.
 */
export function openTickets({ config, principal, keytab }: AgentConfiguration['kerberos']): AgentTickets {
  readKerberosConfiguration(config);
  if (principal === undefined || keytab === undefined) return createAgentTickets({ configuration: config });
  const names = readKeytab(keytab).map((entry) => formatPrincipal(entry.principal));
  if (!names.includes(principal)) {
    throw new CarmineError('configuration/unreadable', {
      context: { file: keytab, reason: `it has no key of ${principal}` },
    });
  }
  return createAgentTickets({ configuration: config, own: { principal, keytab } });
}
