/** How a caller proved who he is. `none` is the default token: nobody. */
export type AuthenticationScheme = 'none' | 'basic' | 'digest' | 'ntlm' | 'kerberos' | 'certificate' | 'in-process';

/**
 * Who a caller is, after authentication. SIDs are in their text form (`S-1-5-32-544`). Tokens are made by the
 * authentication layer only and never change.
 */
export interface Token {
  /** Account name as audit records show it, e.g. `HOST\admin`; empty for nobody. */
  readonly name: string;
  readonly userSid: string;
  readonly groupSids: readonly string[];
  readonly scheme: AuthenticationScheme;
  /** Remote address, for audit. */
  readonly source: string;
  /** True when nobody on the way could read or change the call: TLS, or sealed messages. */
  readonly protectedChannel: boolean;
}

/** Well-known SIDs, [MS-DTYP] 2.4.2.4. */
export const wellKnownSids = {
  nobody: 'S-1-0-0',
  everyone: 'S-1-1-0',
  network: 'S-1-5-2',
  anonymous: 'S-1-5-7',
  authenticatedUsers: 'S-1-5-11',
  localSystem: 'S-1-5-18',
  localService: 'S-1-5-19',
  networkService: 'S-1-5-20',
  administrators: 'S-1-5-32-544',
  users: 'S-1-5-32-545',
  guests: 'S-1-5-32-546',
} as const;

/** The default token: it is in no group, Everyone included, so that every access check refuses it. */
export const nobody: Token = Object.freeze({
  name: '',
  userSid: wellKnownSids.nobody,
  groupSids: Object.freeze([]),
  scheme: 'none',
  source: '',
  protectedChannel: false,
});

/** A caller who gave no credentials where policy allows that: Anonymous and Everyone, not Authenticated Users. */
export function anonymousToken(source: string): Token {
  return {
    name: 'ANONYMOUS LOGON',
    userSid: wellKnownSids.anonymous,
    groupSids: [wellKnownSids.everyone, wellKnownSids.network],
    scheme: 'none',
    source,
    protectedChannel: false,
  };
}

/** True when the token's user or one of its groups is `sid`. */
export function tokenHasSid(token: Token, sid: string): boolean {
  return token.userSid === sid || token.groupSids.includes(sid);
}

/** Who may make every management call (BITS Compact Server Remote Management); others only what a role of theirs allows, if any. */
export function isAdministrator(token: Token): boolean {
  return token.scheme !== 'none' && tokenHasSid(token, wellKnownSids.administrators);
}
