import type { CallOptions } from './call.ts';

/** An account that the machine knows: Win32_UserAccount's properties that Carmine uses. */
export interface AccountInfo {
  readonly domain: string;
  readonly name: string;
  readonly sid: string;
}

/** Translates account names to SIDs on the machine that will check them. */
export interface AccountDirectory {
  listAccounts(options?: CallOptions): AsyncIterable<AccountInfo>;
  /** `name` may be `user`, `DOMAIN\user` or `user@domain`; fails with `cim/not-found`. */
  lookUpAccount(name: string, options?: CallOptions): Promise<AccountInfo>;
}
