import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from '@carmine/repo-tools/bundle';
import { build } from 'tsup';

/** `download` as a program: its path. undici, which is loaded when it is needed, stays a file of its own. */
export async function bundleFetchOne(folder: string): Promise<string> {
  const entry = fileURLToPath(new URL('fetch-one.ts', import.meta.url));
  await build({
    ...bundle,
    splitting: true,
    entry: [entry],
    outDir: join(folder, 'program'),
    outExtension: () => ({ js: '.mjs' }),
    config: false,
    silent: true,
  });
  return join(folder, 'program', 'fetch-one.mjs');
}
