import { CarmineError } from '@carmine/errors';
import { sidInDomain } from '@carmine/security';
import type { Account } from '../context.ts';
import { netbiosName } from '../host-name.ts';
import type { KeytabEntry } from '../kerberos/files/keytab.ts';
import { ntOwfV1 } from '../ntlm/keys.ts';
import { badAccount, builtInGroups, checkAccountName, checkGroupName, checkPassword, sameName } from './names.ts';

/** A local account. Its SID is the machine's and the relative identifier, which is never given out twice. */
export interface AccountRecord {
  readonly name: string;
  readonly rid: number;
  readonly groupSids: readonly string[];
  /** NTOWFv1. */
  readonly ntHash: Uint8Array;
}

/** A group that somebody made; the built-in ones are not kept. */
export interface GroupRecord {
  readonly name: string;
  readonly rid: number;
}

/** Everything the database knows; changes return a new one. */
export interface AccountModel {
  readonly machineSid: string;
  readonly nextRid: number;
  readonly groups: readonly GroupRecord[];
  readonly accounts: readonly AccountRecord[];
  /** Kerberos keys of this machine's services. */
  readonly serviceKeys: readonly KeytabEntry[];
}

/** A name and what it stands for: Win32_Account's properties. */
export interface NamedSid {
  readonly domain: string;
  readonly name: string;
  readonly sid: string;
}

/** Without accounts; `random` gives the machine its SID, S-1-5-21-a-b-c, and must have 12 octets. */
export function emptyAccounts(random: Uint8Array): AccountModel {
  const view = new DataView(random.buffer, random.byteOffset, 12);
  const numbers = [0, 4, 8].map((offset) => view.getUint32(offset, true));
  return { machineSid: `S-1-5-21-${numbers.join('-')}`, nextRid: firstRid, groups: [], accounts: [], serviceKeys: [] };
}

/**
 * Adds an account, and the groups that do not exist yet. Throws `configuration/account-exists` or `configuration/bad-account`.
 * UNSPECIFIED: an account without groups is put into Users.
 */
export function addAccount(
  model: AccountModel,
  { name, password, groups }: { readonly name: string; readonly password: string; readonly groups: readonly string[] },
): AccountModel {
  checkAccountName(name);
  checkPassword(name, password);
  if (findRecord(model, name) !== undefined) {
    throw new CarmineError('configuration/account-exists', { context: { name } });
  }
  if (groupSid(model, name) !== undefined) throw badAccount(name, 'a group has this name');
  const named = groups.length === 0 ? ['Users'] : groups;
  let changed = model;
  const groupSids = new Set<string>();
  for (const group of named) {
    if (sameName(group, name)) throw badAccount(name, 'a group has this name');
    changed = withGroup(changed, group);
    groupSids.add(groupSid(changed, group) ?? '');
  }
  const account = { name, rid: changed.nextRid, groupSids: [...groupSids], ntHash: ntOwfV1(password) };
  return { ...changed, nextRid: changed.nextRid + 1, accounts: [...changed.accounts, account] };
}

/** Throws `configuration/no-account`. */
export function removeAccount(model: AccountModel, name: string): AccountModel {
  const record = findRecord(model, name);
  if (record === undefined) throw new CarmineError('configuration/no-account', { context: { name } });
  return { ...model, accounts: model.accounts.filter((other) => other !== record) };
}

/** The account of this name as acceptors need it; any domain names this machine. */
export function findModelAccount(model: AccountModel, hostName: string, user: string): Account | undefined {
  const record = findRecord(model, user);
  if (record === undefined) return undefined;
  return {
    name: `${netbiosName(hostName)}\\${record.name}`,
    userSid: accountSid(model, record),
    groupSids: record.groupSids,
    ntHash: record.ntHash,
  };
}

/** What `user`, `HOST\user` or `user@host` stands for, accounts before groups; undefined when it is not of this machine. */
export function lookUpName(model: AccountModel, hostName: string, text: string): NamedSid | undefined {
  const { name, domain } = splitName(text);
  const host = netbiosName(hostName);
  const isLocal = domain === undefined || ['.', host, hostName].some((other) => sameName(other, domain));
  if (isLocal) {
    const record = findRecord(model, name);
    if (record !== undefined) return { domain: host, name: record.name, sid: accountSid(model, record) };
    const group = model.groups.find((other) => sameName(other.name, name));
    if (group !== undefined) return { domain: host, name: group.name, sid: sidInDomain(model.machineSid, group.rid) };
  }
  if (domain !== undefined && !sameName(domain, builtIn)) return undefined;
  const known = builtInGroups.find((other) => sameName(other.name, name));
  return known === undefined ? undefined : { domain: builtIn, name: known.name, sid: known.sid };
}

/** Name of a group from its SID; the SID itself when it has none here. */
export function groupName(model: AccountModel, sid: string): string {
  const known = builtInGroups.find((group) => group.sid === sid);
  const made = model.groups.find((group) => sidInDomain(model.machineSid, group.rid) === sid);
  return known?.name ?? made?.name ?? sid;
}

export function accountSid(model: AccountModel, record: AccountRecord): string {
  return sidInDomain(model.machineSid, record.rid);
}

function findRecord(model: AccountModel, name: string): AccountRecord | undefined {
  return model.accounts.find((record) => sameName(record.name, name));
}

function groupSid(model: AccountModel, name: string): string | undefined {
  const known = builtInGroups.find((group) => sameName(group.name, name));
  if (known !== undefined) return known.sid;
  const made = model.groups.find((group) => sameName(group.name, name));
  return made === undefined ? undefined : sidInDomain(model.machineSid, made.rid);
}

function withGroup(model: AccountModel, name: string): AccountModel {
  if (groupSid(model, name) !== undefined) return model;
  checkGroupName(name);
  if (findRecord(model, name) !== undefined) throw badAccount(name, 'an account has this name');
  return { ...model, nextRid: model.nextRid + 1, groups: [...model.groups, { name, rid: model.nextRid }] };
}

function splitName(text: string): { name: string; domain: string | undefined } {
  const backslash = text.indexOf('\\');
  if (backslash >= 0) return { name: text.slice(backslash + 1), domain: text.slice(0, backslash) };
  const at = text.lastIndexOf('@');
  if (at >= 0) return { name: text.slice(0, at), domain: text.slice(at + 1) };
  return { name: text, domain: undefined };
}

/** Relative identifiers below are Windows' own. */
const firstRid = 1000;
const builtIn = 'BUILTIN';
