import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = fileURLToPath(new URL('.', import.meta.url));
const conditions = ['@carmine/source', 'node', 'import', 'module', 'default'];

const folders = [
  ...readdirSync(`${root}packages`).map((name) => `packages/${name}`),
  ...readdirSync(`${root}apps`).map((name) => `apps/${name}`),
  'bench',
];

export default defineConfig({
  test: {
    projects: folders.map((folder) => ({
      ssr: { resolve: { conditions, externalConditions: conditions } },
      resolve: { conditions },
      test: {
        name: JSON.parse(readFileSync(`${root}${folder}/package.json`, 'utf8')).name as string,
        root: `${root}${folder}`,
        include: ['test/**/*.test.ts'],
        environment: 'node',
        testTimeout: 30_000,
      },
    })),
  },
});
