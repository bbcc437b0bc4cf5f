import type { AccountDatabase } from '@carmine/auth/node';
import type { Role, RolesOf } from '@carmine/cim';
import type { Token } from '@carmine/security';
import type { Log } from './log.ts';

/**
 * The roles of a caller by the groups in his token. Names of groups are looked up at every call, so that a group that is made
 * while the agent runs counts at once; a group that is not there gives nobody a role, and neither does an account of that name.
 */
export function createRoleSource(
  roles: ReadonlyMap<string, Role>,
  accounts: Pick<AccountDatabase, 'lookUpSid'>,
  log: Log,
): RolesOf {
  for (const group of roles.keys()) {
    if (accounts.lookUpSid(group) === undefined)
      log.warn(`management.roles: there is no group "${group}" yet: nobody has its role`);
  }
  const isMember = (token: Token, group: string): boolean => {
    const found = accounts.lookUpSid(group);
    return found !== undefined && token.groupSids.includes(found.sid);
  };
  return (token) => {
    try {
      return [...roles].filter(([group]) => isMember(token, group)).map(([, role]) => role);
    } catch (error) {
      log.error('the accounts cannot be read: nobody has a role', error);
      return [];
    }
  };
}
