import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from '@carmine/repo-tools/bundle';
import { build } from 'tsup';

/**
 * `download` as a program: its path. undici, which is loaded when it is needed, stays a file of its own. What was compiled once is kept, as it is where
 * Carmine's own programs are started (`repo-tools/launch.mjs`); the round for warming up fills that.
 */
export async function bundleFetchOne(folder: string): Promise<string> {
  const entry = fileURLToPath(new URL('fetch-one.ts', import.meta.url));
  await build({
    ...bundle,
    splitting: true,
    entry: { program: entry },
    outDir: join(folder, 'program'),
    outExtension: () => ({ js: '.mjs' }),
    config: false,
    silent: true,
  });
  const start = join(folder, 'program', 'fetch-one.mjs');
  const cache = JSON.stringify(join(folder, 'program', 'compiled'));
  await writeFile(
    start,
    `import { enableCompileCache } from 'node:module';\nenableCompileCache(${cache});\nawait import('./program.mjs');\n`,
  );
  return start;
}
