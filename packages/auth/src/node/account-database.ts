import { join } from 'node:path';
import { CarmineError } from '@carmine/errors';
import { accountKeyLength, decodeAccounts, encodeAccounts } from '../accounts/file-format.ts';
import {
  type AccountModel,
  type AccountRecord,
  accountSid,
  addAccount,
  emptyAccounts,
  findModelAccount,
  groupName,
  lookUpName,
  type NamedSid,
  removeAccount,
} from '../accounts/model.ts';
import {
  type ImportedKeys,
  importServiceKeys,
  keySummary,
  removeServiceKeys,
  type ServiceKeySummary,
} from '../accounts/service-keys.ts';
import type { Account, AccountLookup, Environment } from '../context.ts';
import { decodeBase64, encodeBase64 } from '../http/base64.ts';
import type { KeytabEntry } from '../kerberos/files/keytab.ts';
import { parsePrincipal } from '../kerberos/messages/principal.ts';
import {
  createFile,
  type FileVersion,
  foreignMode,
  readVersion,
  replaceFile,
  sameVersion,
  unreadable,
  versionOf,
  withLock,
} from './account-files.ts';
import { systemEnvironment } from './system-environment.ts';

export interface AccountDatabaseOptions {
  /** Folder of accounts.json and accounts.key; made when it does not exist. */
  readonly stateDir: string;
  readonly hostName: string;
  readonly environment?: Environment | undefined;
  /** Called when a look-up finds the file unusable; it then knows nobody, and no key. */
  readonly report?: ((error: CarmineError) => void) | undefined;
}

export interface AccountSummary {
  readonly name: string;
  readonly sid: string;
  /** Names. */
  readonly groups: readonly string[];
}

/**
 * The local accounts of an agent. The file is looked at before each use, so that a change by another process (the
 * `account` command) counts at once, and replaced atomically, so that no reader sees half of one. Mode 0600; NT hashes and
 * Kerberos keys are encrypted under a key in a file of its own.
 */
export interface AccountDatabase {
  readonly machineSid: string;
  /**
   * Makes an account; groups that do not exist are made too. Throws `configuration/account-exists`,
   * `configuration/bad-account`, `configuration/in-use`.
   */
  add(name: string, password: string, groups: readonly string[]): AccountSummary;
  /** Throws `configuration/no-account`. */
  remove(name: string): void;
  list(): readonly AccountSummary[];
  /**
   * Keeps the keys of a key table; those of the same principal, version and type are replaced. Keys that no ticket is
   * accepted with (DES; RC4 unless `allowRc4`) are left out, and told of.
   */
  importKeys(entries: readonly KeytabEntry[], options?: { readonly allowRc4?: boolean | undefined }): ImportedKeys;
  /** Forgets all keys of `HTTP/host@REALM`. Throws `configuration/no-keys`, and `usage/invalid` without a realm. */
  removeKeys(principal: string): void;
  listKeys(): readonly ServiceKeySummary[];
  /** The present keys, for createKerberosService; the same array until they change. Needs no `this`. */
  readonly serviceKeys: () => readonly KeytabEntry[];
  /** For acceptors. Needs no `this`. */
  readonly lookup: AccountLookup;
  /** `user`, `HOST\user` or `user@host`; undefined when there is no such account or group here. */
  lookUpSid(name: string): NamedSid | undefined;
}

/** Whether there is one: opening makes it. */
export function hasAccountDatabase(stateDir: string): boolean {
  return versionOf(join(stateDir, fileName)) !== undefined;
}

/** Throws `configuration/unreadable` when the files are there but cannot be used. */
export function openAccountDatabase(options: AccountDatabaseOptions): AccountDatabase {
  return new AccountFile(options);
}

class AccountFile implements AccountDatabase {
  readonly lookup: AccountLookup;
  readonly serviceKeys: () => readonly KeytabEntry[];
  readonly #hostName: string;
  readonly #environment: Environment;
  readonly #path: string;
  readonly #keyPath: string;
  readonly #lockPath: string;
  #key: Uint8Array | undefined;
  #cache: { readonly model: AccountModel; readonly version: FileVersion } | undefined;
  /** What was looked up in a model: an account is the same object until the file changes, so that its users can tell. */
  readonly #found = new WeakMap<AccountModel, Map<string, Account>>();

  constructor({ stateDir, hostName, environment = systemEnvironment, report }: AccountDatabaseOptions) {
    this.#hostName = hostName;
    this.#environment = environment;
    this.#path = join(stateDir, fileName);
    this.#keyPath = join(stateDir, 'accounts.key');
    this.#lockPath = join(stateDir, 'accounts.lock');
    if (versionOf(this.#path) === undefined) this.#create();
    this.#current();
    this.lookup = (user) => {
      try {
        return this.#find(this.#current(), user);
      } catch (error) {
        report?.(CarmineError.from(error));
        return undefined;
      }
    };
    this.serviceKeys = () => {
      try {
        return this.#current().serviceKeys;
      } catch (error) {
        report?.(CarmineError.from(error));
        return noKeys;
      }
    };
  }

  get machineSid(): string {
    return this.#current().machineSid;
  }

  #find(model: AccountModel, user: string): Account | undefined {
    let found = this.#found.get(model);
    if (found === undefined) {
      found = new Map();
      this.#found.set(model, found);
    }
    const key = user.toLowerCase();
    const known = found.get(key);
    if (known !== undefined) return known;
    const account = findModelAccount(model, this.#hostName, user);
    if (account !== undefined) found.set(key, account);
    return account;
  }

  add(name: string, password: string, groups: readonly string[]): AccountSummary {
    const model = this.#change((current) => addAccount(current, { name, password, groups }));
    return summary(model, model.accounts.at(-1)!);
  }

  remove(name: string): void {
    this.#change((current) => removeAccount(current, name));
  }

  list(): readonly AccountSummary[] {
    const model = this.#current();
    return model.accounts.map((record) => summary(model, record));
  }

  importKeys(
    entries: readonly KeytabEntry[],
    { allowRc4 }: { readonly allowRc4?: boolean | undefined } = {},
  ): ImportedKeys {
    let result: ImportedKeys = { imported: [], refused: [] };
    this.#change((current) => {
      const { model, imported, refused } = importServiceKeys(current, entries, allowRc4);
      result = { imported, refused };
      return model;
    });
    return result;
  }

  removeKeys(principal: string): void {
    const parsed = parsePrincipal(principal);
    this.#change((current) => removeServiceKeys(current, parsed));
  }

  listKeys(): readonly ServiceKeySummary[] {
    return this.#current().serviceKeys.map(keySummary);
  }

  lookUpSid(name: string): NamedSid | undefined {
    return lookUpName(this.#current(), this.#hostName, name);
  }

  #current(): AccountModel {
    const cache = this.#cache;
    if (cache !== undefined && sameVersion(cache.version, versionOf(this.#path))) return cache.model;
    this.#cache = undefined;
    const found = readVersion(this.#path);
    if (found === undefined) throw unreadable(this.#path, new Error('the file is gone'));
    let model: AccountModel;
    try {
      model = decodeAccounts(found.text, this.#loadKey());
    } catch (error) {
      throw unreadable(this.#path, error);
    }
    this.#cache = { model, version: found.version };
    return model;
  }

  #change(edit: (model: AccountModel) => AccountModel): AccountModel {
    return withLock(this.#lockPath, 'the account database', () => {
      const model = edit(this.#current());
      this.#write(model);
      return model;
    });
  }

  #create(): void {
    withLock(this.#lockPath, 'the account database', () => {
      // Another process may have been faster.
      if (versionOf(this.#path) !== undefined) return;
      if (versionOf(this.#keyPath) === undefined) {
        createFile(this.#keyPath, `${encodeBase64(this.#environment.randomBytes(accountKeyLength))}\n`);
      }
      this.#write(emptyAccounts(this.#environment.randomBytes(12)));
    });
  }

  #write(model: AccountModel): void {
    const random = (length: number) => this.#environment.randomBytes(length);
    replaceFile(this.#path, encodeAccounts(model, this.#loadKey(), random));
    this.#cache = undefined;
  }

  /** The key is read once: it never changes while the accounts do. */
  #loadKey(): Uint8Array {
    if (this.#key !== undefined) return this.#key;
    const text = readVersion(this.#keyPath)?.text;
    if (text === undefined) throw unreadable(this.#keyPath, new Error('the key of the accounts is missing'));
    if (foreignMode(this.#keyPath) !== 0) {
      throw unreadable(this.#keyPath, new Error('others than its owner may use it: set its mode to 0600'));
    }
    const key = decodeBase64(text.trim());
    if (key?.length !== accountKeyLength) throw unreadable(this.#keyPath, new Error('not a key'));
    this.#key = key;
    return key;
  }
}

const fileName = 'accounts.json';
const noKeys: readonly KeytabEntry[] = [];

function summary(model: AccountModel, record: AccountRecord): AccountSummary {
  return {
    name: record.name,
    sid: accountSid(model, record),
    groups: record.groupSids.map((sid) => groupName(model, sid)),
  };
}
