import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BackgroundDigests, createBackgroundDigests } from '../src/node/background-digests.ts';
import { createSourceFolder, toVersion } from '../src/node/source-files.ts';
import type { FileDigests } from '../src/shells.ts';

let folder: string;
let digests: BackgroundDigests;
let opened: string[];
let saved: [string, FileDigests][];
let loads: number;
let told: () => void;
let warnings: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'carmine-digests-'));
  [opened, saved, loads, warnings] = [[], [], 0, []];
  told = () => {};
  const files = createSourceFolder([folder]);
  digests = createBackgroundDigests(
    {
      ...files,
      open(path) {
        opened.push(path);
        return files.open(path);
      },
    },
    {
      loadDigests() {
        loads++;
        return undefined;
      },
      async saveDigests(path, _version, found) {
        saved.push([path, found]);
        told();
      },
    },
    (message) => warnings.push(message),
  );
});
afterEach(async () => {
  await digests.close();
  rmSync(folder, { recursive: true, force: true });
});

const versionOf = (path: string) => toVersion(statSync(path, { bigint: true }));

describe('digests in the background', () => {
  it('are computed once, however often they are asked for meanwhile', async () => {
    const path = join(folder, 'file');
    const content = Buffer.alloc(3 * 1024 * 1024, 'carmine');
    writeFileSync(path, content);
    const version = versionOf(path);
    const done = new Promise<void>((resolve) => {
      told = resolve;
    });
    expect(digests.get(path, version)).toBeUndefined();
    // Reading takes several turns; somebody asks in each.
    let over = false;
    void done.then(() => {
      over = true;
    });
    let asked = 0;
    while (!over) {
      digests.get(path, version);
      asked++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(asked).toBeGreaterThan(3);
    const sha256 = new Uint8Array(createHash('sha256').update(content).digest());
    expect(digests.get(path, version)?.sha256).toEqual(sha256);
    await digests.close();
    expect([opened, loads, saved.length, warnings]).toEqual([[path], 1, 1, []]);
  });

  it('are tried again for a file that could not be read', async () => {
    const path = join(folder, 'file');
    writeFileSync(path, 'content');
    const version = versionOf(path);
    rmSync(path);
    expect(digests.get(path, version)).toBeUndefined();
    while (warnings.length === 0) await new Promise((resolve) => setImmediate(resolve));
    writeFileSync(path, 'content');
    const done = new Promise<void>((resolve) => {
      told = resolve;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(digests.get(path, versionOf(path))).toBeUndefined();
    await done;
    expect(digests.get(path, versionOf(path))?.blocks.length).toBe(32);
  });
});
