import { createCipheriv, createDecipheriv } from 'node:crypto';
import { canonicalSid } from '@carmine/security';
import { concatBytes } from '@carmine/wire';
import { decodeBase64, encodeBase64 } from '../http/base64.ts';
import { findProfile } from '../kerberos/crypto/profiles.ts';
import type { KeytabEntry } from '../kerberos/files/keytab.ts';
import { formatPrincipal, type Principal, parsePrincipal } from '../kerberos/messages/principal.ts';
import type { AccountModel, AccountRecord, GroupRecord } from './model.ts';

/** Octets of the key that accounts.key holds. */
export const accountKeyLength = 32;

/**
 * Text of accounts.json. Each NT hash and each Kerberos key is encrypted with AES-256-GCM; all else that is said about it is
 * authenticated with it, so that secrets cannot change places and groups cannot be added without the key. Without Kerberos keys
 * it is version 1, which older programs read too.
 */
export function encodeAccounts(model: AccountModel, key: Uint8Array, random: (length: number) => Uint8Array): string {
  const { machineSid, nextRid, groups } = model;
  const schema = model.serviceKeys.length === 0 ? schemas[0] : schemas[1];
  const secret = (plain: Uint8Array, associated: Uint8Array) =>
    encodeBase64(seal(key, random(nonceLength), plain, associated));
  const accounts = model.accounts.map((record) => ({
    name: record.name,
    rid: record.rid,
    groups: record.groupSids,
    secret: secret(record.ntHash, associatedData(schema, machineSid, record)),
  }));
  const serviceKeys = model.serviceKeys.map((entry) => {
    const stated = statementOf(entry);
    return { ...stated, secret: secret(entry.key.value, keyData(schema, machineSid, stated)) };
  });
  const file = { schema, machineSid, nextRid, groups, accounts, ...(serviceKeys.length === 0 ? {} : { serviceKeys }) };
  return `${JSON.stringify(file, undefined, 2)}\n`;
}

/** Throws an Error whose message says what is wrong, for the caller to name the file. */
export function decodeAccounts(text: string, key: Uint8Array): AccountModel {
  const file = object(JSON.parse(text));
  const schema = schemas.find((known) => known === file['schema']);
  if (schema === undefined) throw new Error(`the schema is none of ${schemas.join(', ')}`);
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
    return { ...stated, ntHash: open(key, secret, associatedData(schema, machineSid, stated), stated.name) };
  });
  if ([...groups, ...accounts].some(({ rid }) => rid >= nextRid)) throw new Error('nextRid is in use');
  const serviceKeys = schema === schemas[0] ? [] : list(file['serviceKeys'], 'serviceKeys').map(readServiceKey);
  return { machineSid, nextRid, groups, accounts, serviceKeys };

  function readServiceKey(entry: unknown): KeytabEntry {
    const record = object(entry);
    const stated: ServiceKeyStatement = {
      principal: string(record['principal'], 'principal'),
      nameType: integer(record['nameType'], 'nameType'),
      kvno: integer(record['kvno'], 'kvno'),
      type: integer(record['type'], 'type'),
      timestamp: integer(record['timestamp'], 'timestamp'),
    };
    const { realm, name } = principalOf(stated.principal);
    const sealed = decodeBase64(string(record['secret'], 'secret'));
    const keyLength = findProfile(stated.type)?.keyLength;
    if (keyLength === undefined)
      throw new Error(`${stated.principal}: encryption type ${stated.type} is not supported`);
    if (sealed?.length !== nonceLength + tagLength + keyLength)
      throw new Error(`${stated.principal}: secret is damaged`);
    const value = open(key, sealed, keyData(schema!, machineSid, stated), stated.principal);
    return {
      principal: { realm, name: { ...name, nameType: stated.nameType | 0 } },
      timestamp: stated.timestamp,
      kvno: stated.kvno,
      key: { etype: stated.type, value },
    };
  }
}

/** What the file says of a key in clear. */
interface ServiceKeyStatement {
  readonly principal: string;
  readonly nameType: number;
  readonly kvno: number;
  readonly type: number;
  readonly timestamp: number;
}

function statementOf({ principal, kvno, key, timestamp }: KeytabEntry): ServiceKeyStatement {
  const nameType = principal.name.nameType >>> 0;
  return { principal: formatPrincipal(principal), nameType, kvno, type: key.etype, timestamp };
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

function associatedData(schema: Schema, machineSid: string, record: Omit<AccountRecord, 'ntHash'>): Uint8Array {
  return new TextEncoder().encode(JSON.stringify([schema, machineSid, record.rid, record.name, record.groupSids]));
}

function principalOf(text: string): Principal {
  try {
    return parsePrincipal(text);
  } catch (cause) {
    throw new Error(`${text} is not a principal`, { cause });
  }
}

function keyData(schema: Schema, machineSid: string, stated: ServiceKeyStatement): Uint8Array {
  const { principal, nameType, kvno, type, timestamp } = stated;
  const data = [schema, machineSid, 'service key', principal, nameType, kvno, type, timestamp];
  return new TextEncoder().encode(JSON.stringify(data));
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

/** Version 2 has Kerberos keys besides. */
const schemas = ['carmine.accounts/1', 'carmine.accounts/2'] as const;
type Schema = (typeof schemas)[number];
const nonceLength = 12;
const tagLength = 16;
const hashLength = 16;
