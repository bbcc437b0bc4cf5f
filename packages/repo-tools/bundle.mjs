// How the programs are bundled with tsup: one file each with everything in it, for the pinned runtime's floor.
export const bundle = {
  entry: ['src/main.ts'],
  format: 'esm',
  platform: 'node',
  target: 'node24',
  outDir: 'dist',
  clean: true,
  splitting: false,
  noExternal: [/.*/],
  // node:sqlite exists only under its full name.
  removeNodeProtocol: false,
  esbuildOptions(options) {
    options.conditions = ['@carmine/source', 'node', 'import'];
    // Dependencies that still are CommonJS ask for Node's own modules with require.
    options.banner = {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    };
  },
};
