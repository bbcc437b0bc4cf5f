import {
  type AuthenticatedAccount,
  answeredKeys,
  createKerberosService,
  formatPrincipal,
  type KerberosService,
  type KeytabEntry,
} from '@carmine/auth';
import {
  type AccountDatabase,
  hasAccountDatabase,
  openAccountDatabase,
  openKeytab,
  readKeytab,
  systemEnvironment,
} from '@carmine/auth/node';
import type { AgentConfiguration } from '../configuration.ts';
import type { Log } from './log.ts';
import { type ServiceKeys, servicesOf } from './service-keys.ts';

/**
 * Kerberos for all listeners of an agent, with the keys of the keytab that is configured and those of the account database; what
 * changes in either counts at once, and without keys Kerberos is not offered. A principal that `[kerberos.accounts]` maps is
 * that local account, with its groups, and has its domain's SIDs beside them; any other has nothing but the SIDs of its PAC,
 * so that it may fetch what a URL's SDDL allows them, and manages nothing.
 */
export function openKerberos(
  configuration: AgentConfiguration['kerberos'],
  { lookup, machineSid, serviceKeys }: Pick<AccountDatabase, 'lookup' | 'machineSid' | 'serviceKeys'>,
  log: Log,
): KerberosService {
  const report = (error: Error) => log.error('the keytab cannot be read: none of its keys counts', error);
  const fromFile = configuration.keytab === undefined ? () => noKeys : openKeytab(configuration.keytab, { report });
  return createKerberosService({
    keytab: merged(fromFile, serviceKeys),
    environment: systemEnvironment,
    allowRc4: configuration.allowRc4,
    accounts: (principal, realm, pac) => {
      const domainSids =
        pac === undefined ? [] : [pac.userSid, ...pac.groupSids].filter((sid) => isForeign(sid, machineSid));
      const mapped = configuration.accounts.get(`${principal}@${realm}`.toLowerCase());
      if (mapped === undefined) return domainAccount(principal, realm, domainSids);
      const account = lookup(mapped, '');
      if (account === undefined) return undefined;
      return { name: account.name, userSid: account.userSid, groupSids: [...account.groupSids, ...domainSids] };
    },
  });
}

/** Service principals that are answered to, and where their keys are; never the keys. */
export interface KerberosSource extends ServiceKeys {
  readonly from: 'keytab' | 'accounts';
}

/** Reads both sources once. Throws `configuration/unreadable`; a database that does not exist is not made. */
export function kerberosSources({ kerberos, stateDir }: AgentConfiguration, hostName: string): KerberosSource[] {
  const database = hasAccountDatabase(stateDir) ? openAccountDatabase({ stateDir, hostName }) : undefined;
  const sources = [
    ['keytab', kerberos.keytab === undefined ? [] : readKeytab(kerberos.keytab)],
    ['accounts', database?.serviceKeys() ?? []],
  ] as const;
  return sources.flatMap(([from, entries]) =>
    servicesOf(answeredKeys(entries, kerberos.allowRc4)).map((keys) => ({ ...keys, from })),
  );
}

const noKeys: readonly KeytabEntry[] = [];
type Keys = () => readonly KeytabEntry[];

/** Both, each key once; put together again only when one of them changed. */
function merged(one: Keys, other: Keys): Keys {
  let last: { readonly from: readonly (readonly KeytabEntry[])[]; readonly keys: readonly KeytabEntry[] } | undefined;
  return () => {
    const from = [one(), other()];
    if (last === undefined || last.from.some((keys, i) => keys !== from[i])) {
      const keys = new Map(from.flat().map((entry) => [identity(entry), entry]));
      last = { from, keys: [...keys.values()] };
    }
    return last.keys;
  };
}

function identity({ principal, kvno, key }: KeytabEntry): string {
  return `${formatPrincipal(principal)} ${kvno} ${key.etype} ${Buffer.from(key.value).toString('base64')}`;
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
