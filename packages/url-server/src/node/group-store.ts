import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseUrlPrefix, type SslCertificateBinding } from '@carmine/core';
import { newGroup, type PublishedUrl, type UrlGroup } from '../group.ts';
import type { DigestStore, FileDigests, GroupStore } from '../shells.ts';
import type { FileVersion } from '../validators.ts';
import { groupCommit } from './group-commit.ts';

export interface SqliteGroupStore extends GroupStore, DigestStore {
  close(): void;
}

/**
 * Keeps groups, URLs and certificate bindings in `state_dir/url-groups.db`, mode 0600. A write is durable when it
 * returns. `persist` false forgets groups and URLs at opening, as Windows does at a restart; bindings stay, as HTTP.SYS
 * keeps them.
 */
export function openGroupStore(stateDir: string, persist = true): SqliteGroupStore {
  const path = join(stateDir, 'url-groups.db');
  const database = new DatabaseSync(path);
  chmodSync(path, 0o600);
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON');
  database.exec(schema);
  if (!persist) database.exec('DELETE FROM url_group');
  // Of files that nobody publishes any more.
  database.exec('DELETE FROM digest WHERE source_path NOT IN (SELECT source_path FROM url)');
  const commit = groupCommit(database);
  const saveGroup = database.prepare(
    `INSERT INTO url_group (prefix, negotiate, ntlm, connection_limit, bandwidth_limit) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (prefix) DO UPDATE SET negotiate = excluded.negotiate, ntlm = excluded.ntlm,
       connection_limit = excluded.connection_limit, bandwidth_limit = excluded.bandwidth_limit`,
  );
  const forgetGroup = database.prepare('DELETE FROM url_group WHERE prefix = ?');
  const saveUrl = database.prepare(
    `INSERT INTO url (prefix, suffix_key, suffix, source_path, sddl, certificate_hash) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (prefix, suffix_key) DO UPDATE SET sddl = excluded.sddl, certificate_hash = excluded.certificate_hash`,
  );
  const forgetUrl = database.prepare('DELETE FROM url WHERE prefix = ? AND suffix_key = ?');
  const saveBinding = database.prepare('INSERT OR REPLACE INTO binding (port, store_name, hash) VALUES (?, ?, ?)');
  const forgetBinding = database.prepare('DELETE FROM binding WHERE port = ?');
  const loadDigests = database.prepare('SELECT sha256, blocks FROM digest WHERE source_path = ? AND version = ?');
  const saveDigests = database.prepare(
    'INSERT OR REPLACE INTO digest (source_path, version, sha256, blocks) VALUES (?, ?, ?, ?)',
  );
  return {
    load: () => ({ groups: loadGroups(database), bindings: loadBindings(database) }),
    async saveGroup(group) {
      commit.flush();
      saveGroup.run(
        group.prefix.text,
        Number(group.negotiate),
        Number(group.ntlm),
        group.connectionLimit,
        group.bandwidthLimit,
      );
    },
    async forgetGroup(prefix) {
      commit.flush();
      forgetGroup.run(prefix.text);
    },
    saveUrl: (prefix, url) =>
      commit.add(() => {
        saveUrl.run(prefix.text, url.key, url.suffix, url.sourcePath, url.sddl, url.certificateHash ?? null);
      }),
    forgetUrl: (prefix, key) =>
      commit.add(() => {
        forgetUrl.run(prefix.text, key);
      }),
    async saveBinding(port, binding) {
      saveBinding.run(port, binding.storeName, binding.hash);
    },
    async forgetBinding(port) {
      forgetBinding.run(port);
    },
    loadDigests(path, version) {
      const row = loadDigests.get(path, versionText(version)) as Row | undefined;
      if (row === undefined) return undefined;
      return {
        sha256: new Uint8Array(row['sha256'] as Uint8Array),
        blocks: new Uint8Array(row['blocks'] as Uint8Array),
      } satisfies FileDigests;
    },
    saveDigests: (path, version, digests) =>
      commit.add(() => {
        saveDigests.run(path, versionText(version), digests.sha256, digests.blocks);
      }),
    close() {
      commit.flush();
      database.close();
    },
  };
}

function versionText({ size, device, inode, modified, changed }: FileVersion): string {
  return [size, device, inode, modified, changed].join(' ');
}

function loadGroups(database: DatabaseSync): UrlGroup[] {
  const groups = new Map<string, UrlGroup>();
  for (const row of database.prepare('SELECT * FROM url_group ORDER BY rowid').iterate() as Iterable<Row>) {
    const prefix = parseUrlPrefix(String(row['prefix']));
    groups.set(prefix.text, {
      ...newGroup(prefix),
      negotiate: row['negotiate'] === 1,
      ntlm: row['ntlm'] === 1,
      connectionLimit: Number(row['connection_limit']),
      bandwidthLimit: Number(row['bandwidth_limit']),
    });
  }
  for (const row of database.prepare('SELECT * FROM url').iterate() as Iterable<Row>) {
    const hash = row['certificate_hash'];
    const url: PublishedUrl = {
      suffix: String(row['suffix']),
      key: String(row['suffix_key']),
      sourcePath: String(row['source_path']),
      sddl: String(row['sddl']),
      certificateHash: typeof hash === 'string' ? hash : undefined,
    };
    groups.get(String(row['prefix']))?.urls.set(url.key, url);
  }
  return [...groups.values()];
}

function loadBindings(database: DatabaseSync): ReadonlyMap<number, SslCertificateBinding> {
  const rows = database.prepare('SELECT * FROM binding').all() as Row[];
  return new Map(
    rows.map((row) => [
      Number(row['port']),
      { storeName: String(row['store_name']), hash: new Uint8Array(row['hash'] as Uint8Array) },
    ]),
  );
}

type Row = Record<string, unknown>;

const schema = `
  CREATE TABLE IF NOT EXISTS url_group (
    prefix TEXT PRIMARY KEY, negotiate INTEGER NOT NULL, ntlm INTEGER NOT NULL,
    connection_limit INTEGER NOT NULL, bandwidth_limit INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS url (
    prefix TEXT NOT NULL REFERENCES url_group (prefix) ON DELETE CASCADE, suffix_key TEXT NOT NULL, suffix TEXT NOT NULL,
    source_path TEXT NOT NULL, sddl TEXT NOT NULL, certificate_hash TEXT, PRIMARY KEY (prefix, suffix_key)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS digest (
    source_path TEXT PRIMARY KEY, version TEXT NOT NULL, sha256 BLOB NOT NULL, blocks BLOB NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS binding (port INTEGER PRIMARY KEY, store_name TEXT NOT NULL, hash BLOB NOT NULL) STRICT;
`;
