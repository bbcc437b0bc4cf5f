import type { AccountDirectory } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import { accountNamespace } from './carmine-classes.ts';
import type { CimInstance, CimOperations } from './model.ts';
import { asText, pathTo } from './proxy-calls.ts';

/** Accounts of a machine, by CIM calls. */
export function accountProxy(cim: CimOperations): AccountDirectory {
  const toAccount = ({ properties: p }: CimInstance) => ({
    domain: asText(p.get('Domain')),
    name: asText(p.get('Name')),
    sid: asText(p.get('SID')),
  });
  return {
    async *listAccounts(options) {
      for await (const instance of cim.enumerateInstances(accountNamespace, 'Win32_UserAccount', options))
        yield toAccount(instance);
    },
    async lookUpAccount(name, options) {
      const [, domain, user = name] = /^([^\\]+)\\(.*)$/.exec(name) ?? [];
      if (domain !== undefined) {
        return toAccount(
          await cim.getInstance(pathTo(accountNamespace, 'Win32_UserAccount', { Domain: domain, Name: user }), options),
        );
      }
      // Without a domain a key look-up is not possible on Windows; restricted to local accounts the query is cheap there.
      const quoted = user.replace(/[\\']/g, '\\$&');
      const query = `SELECT * FROM Win32_UserAccount WHERE LocalAccount = TRUE AND Name = '${quoted}'`;
      for await (const instance of cim.executeQuery(accountNamespace, query, options)) return toAccount(instance);
      throw new CarmineError('cim/not-found', { context: { what: `the account ${name}` } });
    },
  };
}
