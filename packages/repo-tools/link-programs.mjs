// Puts carmine, carmine-server and carmine-client into node_modules/.bin of this clone. The root cannot depend on the apps
// to get that from the package manager: every package implicitly depends on the root, and no package may depend on an app.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const programs = { carmine: 'controller', 'carmine-server': 'server-agent', 'carmine-client': 'client-agent' };
const folder = fileURLToPath(new URL('../../node_modules/.bin/', import.meta.url));

mkdirSync(folder, { recursive: true });
for (const [name, app] of Object.entries(programs)) {
  const launcher = `../../apps/${app}/bin/${name}.mjs`;
  if (process.platform === 'win32') {
    writeFileSync(`${folder}${name}.cmd`, `@node "%~dp0${launcher.replaceAll('/', '\\')}" %*\r\n`);
    continue;
  }
  // exec: the process that was started is the program, so that signals reach it.
  const lines = [
    '#!/bin/sh',
    'self=$(readlink -f "$0" 2>/dev/null || printf %s "$0")',
    'bin=$(dirname "$self")',
    `[ -x "$bin/node" ] && exec "$bin/node" "$bin/${launcher}" "$@"`,
    `exec node "$bin/${launcher}" "$@"`,
  ];
  writeFileSync(`${folder}${name}`, `${lines.join('\n')}\n`);
  chmodSync(`${folder}${name}`, 0o755);
}
