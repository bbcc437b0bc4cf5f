// Starts one of the command-line programs from any folder with any Node on the PATH: re-executes on the pinned runtime.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * @param {string} binUrl import.meta.url of the program's bin file; the program is ../src/main.ts in a clone
 *   and ../dist/main.js where only the bundle ships.
 */
export function launch(binUrl) {
  const source = fileURLToPath(new URL('../src/main.ts', binUrl));
  const bundle = fileURLToPath(new URL('../dist/main.js', binUrl));
  const pinned = fileURLToPath(new URL('../../node_modules/node/bin/node', import.meta.url));
  const runtime = existsSync(pinned) ? pinned : process.execPath;
  const program = existsSync(source) ? ['--conditions=@carmine/source', source] : [bundle];
  // From source, most of the start is stripping types: what was stripped once is kept.
  const cache = fileURLToPath(new URL('../../node_modules/.cache/carmine', import.meta.url));
  const env = { NODE_COMPILE_CACHE: cache, ...process.env };
  const args = ['--disable-warning=ExperimentalWarning', ...program, ...process.argv.slice(2)];

  // Where the running Node can replace itself, the process keeps its id: signals and kill reach the program itself.
  if (typeof process.execve === 'function' && process.platform !== 'win32') {
    process.removeAllListeners('warning');
    process.execve(runtime, [runtime, ...args], env);
  }
  // Otherwise the program is a child that must not outlive this process: it watches the IPC channel.
  const child = spawn(runtime, args, {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...env, CARMINE_LAUNCHED: '1' },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)));
}
