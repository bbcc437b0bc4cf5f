import { createCipheriv, createDecipheriv } from 'node:crypto';
import { canonicalSid } from '@carmine/security';
import { concatBytes } from '@carmine/wire';
import { decodeBase64, encodeBase64 } from '../http/base64.ts';
import type { AccountModel, AccountRecord, GroupRecord } from './model.ts';

/** Octets of the key that accounts.key holds. */
export const accountKeyLength = 32;

/**
 * Text of accounts.json. Each NT hash is encrypted with AES-256-GCM; all else that is said about the account is authenticated
 * with it, so that hashes cannot change places and groups cannot be added without the key.
 */
export function encodeAccounts(model: AccountModel, key: Uint8Array, random: (length: number) => Uint8Array): string {
  const accounts = model.accounts.map((record) => ({
    name: record.name,
    rid: record.rid,
    groups: record.groupSids,
    secret: encodeBase64(seal(key, random(nonceLength), record.ntHash, associatedData(model.machineSid, record))),
  }));
  const { machineSid, nextRid, groups } = model;
  return `${JSON.stringify({ schema, machineSid, nextRid, groups, accounts }, undefined, 2)}\n`;
}

/** Throws an Error whose message says what is wrong, for the caller to name the file. */
export function decodeAccounts(text: string, key: Uint8Array): AccountModel {
  const file = object(JSON.parse(text));
  if (file['schema'] !== schema) throw new Error(`the schema is not ${schema}`);
  const machineSid = canonicalSid(string(file['machineSid'], 'machineSid'));
  const nextRid = integer(file['nextRid'], 'nextRid');
  const groups = list(file['groups'], 'groups').map((entry): GroupRecord => {
    const group = object(entry);
    return { name: string(group['name'], 'name'), rid: integer(group['rid'], 'rid') };
  });
  const accounts = list(file['accounts'], 'accounts').map((entry): AccountRecord => {
    const account = object(entry);
    const stated = {
      name: string(account['name'], 'name'),
      rid: integer(account['rid'], 'rid'),
      groupSids: list(account['groups'], 'groups').map((sid) => canonicalSid(string(sid, 'groups'))),
    };
    const secret = decodeBase64(string(account['secret'], 'secret'));
    if (secret?.length !== nonceLength + tagLength + hashLength) throw new Error(`${stated.name}: secret is damaged`);
    return { ...stated, ntHash: open(key, secret, associatedData(machineSid, stated), stated.name) };
  });
  if ([...groups, ...accounts].some(({ rid }) => rid >= nextRid)) throw new Error('nextRid is in use');
  return { machineSid, nextRid, groups, accounts };
}

/** nonce | tag | ciphertext */
function seal(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array, associated: Uint8Array): Uint8Array {
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagLength });
  cipher.setAAD(associated);
  const sealed = concatBytes(cipher.update(plain), cipher.final());
  return concatBytes(nonce, cipher.getAuthTag(), sealed);
}

function open(key: Uint8Array, sealed: Uint8Array, associated: Uint8Array, name: string): Uint8Array {
  const nonce = sealed.subarray(0, nonceLength);
  const tag = sealed.subarray(nonceLength, nonceLength + tagLength);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagLength });
  decipher.setAAD(associated);
  decipher.setAuthTag(tag);
  try {
    return concatBytes(decipher.update(sealed.subarray(nonceLength + tagLength)), decipher.final());
  } catch (cause) {
    throw new Error(`${name}: secret does not fit the key or the account`, { cause });
  }
}

function associatedData(machineSid: string, record: Omit<AccountRecord, 'ntHash'>): Uint8Array {
  return new TextEncoder().encode(JSON.stringify([schema, machineSid, record.rid, record.name, record.groupSids]));
}

function object(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('an object is expected');
  return value as Record<string, unknown>;
}

function list(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error(`${what} is not a list`);
  return value;
}

function string(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new Error(`${what} is not text`);
  return value;
}

function integer(value: unknown, what: string): number {
  if (!Number.isInteger(value) || Number(value) < 0 || Number(value) > 0xffff_ffff) {
    throw new Error(`${what} is not a 32-bit number`);
  }
  return Number(value);
}

const schema = 'carmine.accounts/1';
const nonceLength = 12;
const tagLength = 16;
const hashLength = 16;
