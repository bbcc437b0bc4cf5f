import { userInfo } from 'node:os';
import { type CredentialCache, formatPrincipal } from '@carmine/auth';
import { readCredentialCache } from '@carmine/auth/node';
import { CarmineError } from '@carmine/errors';

/** What kinit left behind: `other` is somebody else's than the user who is asked for. */
export type CacheState =
  | { readonly kind: 'valid' | 'ended' | 'other' | 'empty'; readonly path: string; readonly principal: string }
  | { readonly kind: 'unusable'; readonly path: string; readonly reason: string };

/**
 * The credential cache of KRB5CCNAME, else /tmp/krb5cc_UID, as seen by `user` (`alice` or `alice@REALM`; undefined: whosever
 * it is). Only files can be read; `default_ccache_name` of krb5.conf is not looked at.
 */
export function lookAtCache(user: string | undefined): CacheState {
  const path = process.env['KRB5CCNAME'] ?? `/tmp/krb5cc_${userInfo().uid}`;
  let cache: CredentialCache;
  try {
    cache = readCredentialCache(path);
  } catch (error) {
    return { kind: 'unusable', path, reason: CarmineError.from(error).message };
  }
  const principal = formatPrincipal(cache.principal);
  const { realm } = cache.principal;
  const names = [principal, principal.slice(0, -realm.length - 1)].map((name) => name.toLowerCase());
  if (user !== undefined && !names.includes(user.toLowerCase())) return { kind: 'other', path, principal };
  const granting = cache.credentials.filter(
    ({ server }) => server.realm === realm && server.name.nameString.join('/') === `krbtgt/${realm}`,
  );
  const now = Date.now() + cache.clockOffset;
  const kind = granting.length === 0 ? 'empty' : granting.some(({ endTime }) => endTime > now) ? 'valid' : 'ended';
  return { kind, path, principal };
}
