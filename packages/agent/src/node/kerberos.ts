import {
  type AccountLookup,
  type AuthenticatedAccount,
  createKerberosService,
  type KerberosService,
} from '@carmine/auth';
import { openKeytab, systemEnvironment } from '@carmine/auth/node';
import type { AgentConfiguration } from '../configuration.ts';
import type { Log } from './log.ts';

/**
 * Kerberos for all listeners of an agent; undefined when no keytab is configured. A principal that `[kerberos.accounts]` maps is
 * that local account, with its groups, and has its domain's SIDs beside them; any other has nothing but the SIDs of its PAC,
 * so that it may fetch what a URL's SDDL allows them, and manages nothing.
 */
export function openKerberos(
  configuration: AgentConfiguration['kerberos'],
  accounts: AccountLookup,
  machineSid: string,
  log: Log,
): KerberosService | undefined {
  if (configuration.keytab === undefined) return undefined;
  const report = (error: Error) => log.error('the keytab cannot be read: nobody can log on with Kerberos', error);
  return createKerberosService({
    keytab: openKeytab(configuration.keytab, { report }),
    environment: systemEnvironment,
    accounts: (principal, realm, pac) => {
      const domainSids =
        pac === undefined ? [] : [pac.userSid, ...pac.groupSids].filter((sid) => isForeign(sid, machineSid));
      const mapped = configuration.accounts.get(`${principal}@${realm}`.toLowerCase());
      if (mapped === undefined) return domainAccount(principal, realm, domainSids);
      const account = accounts(mapped, '');
      if (account === undefined) return undefined;
      return { name: account.name, userSid: account.userSid, groupSids: [...account.groupSids, ...domainSids] };
    },
  });
}

function domainAccount(principal: string, realm: string, sids: readonly string[]): AuthenticatedAccount | undefined {
  const [userSid, ...groupSids] = sids;
  return userSid === undefined ? undefined : { name: `${realm}\\${principal}`, userSid, groupSids };
}

/**
 * SID filtering: a domain says who is in its own groups, not who is in this machine's or in the built-in ones; a KDC
 * that put Administrators into a PAC would otherwise make administrators here.
 */
function isForeign(sid: string, machineSid: string): boolean {
  return sid.startsWith('S-1-5-21-') && !sid.startsWith(`${machineSid}-`);
}
