import { run } from './run.ts';

const controller = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // The second time somebody does not want to wait for the cleaning up.
    if (controller.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143);
    controller.abort(signal);
  });
}
if (process.env['CARMINE_LAUNCHED'] === '1') process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));

const code = await run(process.argv.slice(2), controller.signal);
if (process.connected) process.disconnect?.();
process.exitCode = code;
