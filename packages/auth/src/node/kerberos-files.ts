import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CarmineError } from '@carmine/errors';
import { type CredentialCache, decodeCredentialCache, encodeCredentialCache } from '../kerberos/files/ccache.ts';
import { decodeKeytab, encodeKeytab, type KeytabEntry } from '../kerberos/files/keytab.ts';
import { type KerberosConfiguration, parseKerberosConfiguration } from '../kerberos/files/krb5-conf.ts';
import {
  type FileVersion,
  readVersionBytes,
  replaceFile,
  sameVersion,
  unreadable,
  versionOf,
} from './account-files.ts';

/** Paths may have the prefix `FILE:`, as in KRB5CCNAME; other kinds are `usage/invalid`. */
export function readCredentialCache(path: string): CredentialCache {
  return readWith(path, decodeCredentialCache);
}

/** Version 4, mode 0600, replaced as a whole. */
export function writeCredentialCache(path: string, cache: CredentialCache): void {
  replaceFile(filePath(path), encodeCredentialCache(cache));
}

export function readKeytab(path: string): readonly KeytabEntry[] {
  return readWith(path, decodeKeytab);
}

/** Mode 0600, replaced as a whole. */
export function writeKeytab(path: string, entries: readonly KeytabEntry[]): void {
  replaceFile(filePath(path), encodeKeytab(entries));
}

export interface OpenKeytabOptions {
  /** Called when the file has become unusable; there are no keys then. */
  readonly report?: ((error: CarmineError) => void) | undefined;
}

/**
 * The present entries of a key table, for createKerberosService: the file is looked at before each use and read again
 * when it changed. Throws `configuration/unreadable` when it cannot be used at first.
 */
export function openKeytab(path: string, { report }: OpenKeytabOptions = {}): () => readonly KeytabEntry[] {
  const file = filePath(path);
  let seen: { readonly version: FileVersion | undefined } | undefined;
  let entries: readonly KeytabEntry[] = [];
  const refresh = () => {
    const current = versionOf(file);
    // A file that is gone is told of once, not at every look.
    if (seen !== undefined && sameVersion(seen.version, current)) return;
    seen = { version: current };
    entries = [];
    entries = readKeytab(file);
  };
  refresh();
  return () => {
    try {
      refresh();
    } catch (error) {
      report?.(CarmineError.from(error));
    }
    return entries;
  };
}

/**
 * krb5.conf with what it includes. Without a path: KRB5_CONFIG, else /etc/krb5.conf, and it may be missing. Throws
 * `configuration/unreadable`, `configuration/syntax`.
 */
export function readKerberosConfiguration(path?: string): KerberosConfiguration {
  const file = path ?? process.env['KRB5_CONFIG'] ?? '/etc/krb5.conf';
  const found = readVersionBytes(file);
  if (found === undefined && path !== undefined) throw missing(file);
  let depth = 0;
  const include = (directive: 'include' | 'includedir', other: string): readonly string[] => {
    // Parsing goes down with each file, so this counts all of them: enough for honest ones, and an end for circles.
    depth++;
    if (depth > maxIncludes) throw unreadable(other, new Error('too many files are included'));
    return directive === 'include' ? [readText(other)] : folderEntries(other).map(readText);
  };
  return parseKerberosConfiguration(found === undefined ? '' : new TextDecoder().decode(found.bytes), file, include);
}

function readText(path: string): string {
  const found = readVersionBytes(path);
  if (found === undefined) throw missing(path);
  return new TextDecoder().decode(found.bytes);
}

/** MIT's rule for includedir: names of letters, digits, dashes and underscores, or ending in `.conf`. */
function folderEntries(path: string): readonly string[] {
  let names: string[];
  try {
    names = readdirSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
  return names
    .filter((name) => /^[\w-]+$/.test(name) || /^[^.].*\.conf$/.test(name))
    .sort()
    .map((name) => join(path, name));
}

function readWith<T>(path: string, decode: (bytes: Uint8Array) => T): T {
  const file = filePath(path);
  const found = readVersionBytes(file);
  if (found === undefined) throw missing(file);
  try {
    return decode(found.bytes);
  } catch (error) {
    throw unreadable(file, error);
  }
}

function filePath(path: string): string {
  const prefix = /^([A-Z]{2,}):/.exec(path)?.[1];
  if (prefix === undefined) return path;
  if (prefix === 'FILE' || prefix === 'WRFILE') return path.slice(prefix.length + 1);
  throw new CarmineError('usage/invalid', { context: { reason: `only files can be used, not ${prefix}:` } });
}

function missing(file: string): CarmineError {
  return unreadable(file, new Error('there is no such file'));
}

const maxIncludes = 64;
