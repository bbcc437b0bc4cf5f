import type { AccountDatabase } from '@carmine/auth/node';
import type { AccountDirectory, AccountInfo } from '@carmine/core';
import { CarmineError } from '@carmine/errors';

/**
 * The agent's accounts as Win32_UserAccount shows them. `domain` is the machine's name. `principals`, Kerberos principal in
 * lower case to account: a principal is found by its realm and name, as the account that it stands for; it is not listed.
 */
export function createAccountDirectory(
  accounts: AccountDatabase,
  domain: string,
  principals: ReadonlyMap<string, string>,
): AccountDirectory {
  return {
    async *listAccounts(): AsyncIterable<AccountInfo> {
      for (const { name, sid } of accounts.list()) yield { domain, name, sid };
    },
    async lookUpAccount(name) {
      const [, realm, user] = /^([^\\]+)\\(.+)$/.exec(name) ?? [];
      const mapped = realm === undefined ? undefined : principals.get(`${user}@${realm}`.toLowerCase());
      const found = accounts.lookUpSid(mapped ?? name);
      if (found === undefined) throw new CarmineError('cim/not-found', { context: { what: `the account ${name}` } });
      return { domain, name: found.name.split('\\').at(-1) ?? found.name, sid: found.sid };
    },
  };
}
