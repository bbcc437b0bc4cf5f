import { readFileSync } from 'node:fs';
import { createFileTransfer, type Disk, type DiskFile } from '@carmine/transfer';
import { createHttpReceiverFactory, download, downloadAll, nodeDisk, nodePlatform } from '@carmine/transfer/node';

/**
 * `download` as a program: what the scenarios `transfer` and `networks` measure. Arguments: URL, file, options as JSON. With a JSON list of
 * `{ url, path }` in a file, `--all` before it and options behind it, `downloadAll`; with `--watch` before them, `download` in the background; with `--digest`, over one connection with
 * a digest, and how long after the last write that was known.
 */
const [url = '', path = '', json = '{}'] = process.argv.slice(2);
if (url === '--all') {
  const items = JSON.parse(readFileSync(path, 'utf8')) as { url: string; path: string }[];
  const outcomes = await downloadAll(items, JSON.parse(json) as { durable?: boolean });
  for (const { error } of outcomes) if (error !== undefined) throw error;
} else if (url === '--watch') {
  // In the background, URL and file after it: a line for each change, milliseconds and bytes.
  const fetching = download(path, json, { background: true });
  for await (const { transferred } of fetching) process.stdout.write(`${Date.now()} ${transferred}\n`);
} else if (url === '--digest') {
  process.stdout.write(JSON.stringify(await timedDigest(path, json)));
} else {
  const options = JSON.parse(json) as {
    connections?: number;
    computeSha256?: boolean;
    durable?: boolean;
    trust?: string;
  };
  const trust = options.trust === undefined ? [] : [readFileSync(options.trust, 'utf8')];
  await download(url, path, { ...options, trust });
}

/** Milliseconds: all of it, and from the end of the last write to the digest. */
async function timedDigest(from: string, to: string): Promise<{ readonly wall: number; readonly lag: number }> {
  let written = 0;
  let known = 0;
  const watched = (file: DiskFile): DiskFile =>
    new Proxy(file, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value !== 'function') return value;
        if (key !== 'write') return value.bind(target);
        return async (...all: Parameters<DiskFile['write']>) => {
          await target.write(...all);
          written = performance.now();
        };
      },
    });
  const disk: Disk = {
    async openDirectory(...all) {
      const directory = await nodeDisk.openDirectory(...all);
      return new Proxy(directory, {
        get(target, key) {
          const value: unknown = Reflect.get(target, key, target);
          if (typeof value !== 'function') return value;
          // The journal's file is another one.
          if (key !== 'create') return value.bind(target);
          return async (name: string) => {
            const file = await target.create(name);
            return name.endsWith('.tmp') ? watched(file) : file;
          };
        },
      });
    },
  };
  const { digest, ...platform } = nodePlatform({ disk });
  const started = performance.now();
  const transfer = createFileTransfer(
    {
      ...platform,
      digest(file, length) {
        const running = digest(file, length);
        return {
          ...running,
          async finish(length) {
            const sha256 = await running.finish(length);
            known = performance.now();
            return sha256;
          },
        };
      },
    },
    {
      url: from,
      path: to,
      temporaryName: 'BIT00000000D16E5700.tmp',
      connections: 1,
      computeSha256: true,
      receivers: createHttpReceiverFactory(),
    },
  );
  await transfer.run();
  await transfer.finish();
  return { wall: performance.now() - started, lag: known - written };
}
