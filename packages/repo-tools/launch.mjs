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
  const args = ['--disable-warning=ExperimentalWarning', ...program, ...process.argv.slice(2)];

  // Where the running Node can replace itself, the process keeps its id: signals and kill reach the program itself.
  if (typeof process.execve === 'function' && process.platform !== 'win32') {
    process.removeAllListeners('warning');
    process.execve(runtime, [runtime, ...args], process.env);
  }
  // Otherwise the program is a child that must not outlive this process: it watches the IPC channel.
  const child = spawn(runtime, args, {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, CARMINE_LAUNCHED: '1' },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)));
}
