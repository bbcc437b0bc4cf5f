import { CarmineError } from '@carmine/errors';
import { commands, helpText } from './commands.ts';
import { exitCodeOf, exitCodes } from './exit-code.ts';
import { hintFor } from './hints.ts';
import { findCommand, parseCall, usageLine } from './options.ts';
import { Output } from './output.ts';

/** Runs one command line; returns the exit code. The signal aborts it: it then cleans up and ends as interrupted. */
export async function run(argv: readonly string[], signal: AbortSignal): Promise<number> {
  // Known before the rest is parsed, so that a usage error is a document too.
  const output = new Output(argv.includes('--json') ? 'json' : argv.includes('--ndjson') ? 'ndjson' : 'text');
  try {
    const command = findCommand(commands, argv);
    if (argv.length === 0 || argv[0] === 'help' || argv[0] === '--help') {
      process.stdout.write(`${helpText()}\n`);
      return argv.length === 0 ? exitCodes.usage : exitCodes.done;
    }
    if (command === undefined) {
      const option = argv.findIndex((word) => word.startsWith('-'));
      const words = argv.slice(0, option > 0 ? Math.min(option, 2) : 2).join(' ');
      throw new CarmineError('usage/invalid', {
        context: { reason: `there is no command "${words}"; see "carmine help"` },
      });
    }
    if (argv.includes('--help')) {
      process.stdout.write(`${command.summary}\n${usageLine(command)}\n`);
      return exitCodes.done;
    }
    return await command.run(parseCall(command, argv, signal));
  } catch (error) {
    if (signal.aborted) {
      // What an interrupted copy could not take back is in its error.
      const { leftovers } = CarmineError.from(error).context as { readonly leftovers?: readonly string[] };
      output.message(`carmine: interrupted${leftovers === undefined ? '' : `; left behind: ${leftovers.join(', ')}`}`);
      return signal.reason === 'SIGTERM' ? exitCodes.terminated : exitCodes.interrupted;
    }
    output.failure(
      error,
      hintFor(
        argv.filter((word) => !word.startsWith('-')),
        error,
      ),
    );
    return exitCodeOf(error);
  }
}
