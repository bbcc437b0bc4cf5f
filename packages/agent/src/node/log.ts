import { CarmineError } from '@carmine/errors';

/** Writes messages for people; never secrets. */
export interface Log {
  info(message: string): void;
  warn(message: string): void;
  error(message: string, cause?: unknown): void;
}

/** One line per message on stderr: time, level, text without control characters. `CARMINE_LOG=debug` adds the stack of errors. */
export function createLog(program: string): Log {
  const write = (level: string, message: string) =>
    process.stderr.write(
      `${new Date().toISOString()} ${program} ${level} ${message.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')}\n`,
    );
  return {
    info: (message) => void write('info', message),
    warn: (message) => void write('warn', message),
    error: (message, cause) => {
      write(
        'error',
        cause === undefined
          ? message
          : `${message}: ${cause instanceof Error ? cause.message : CarmineError.from(cause).message}`,
      );
      if (process.env['CARMINE_LOG'] === 'debug' && cause instanceof Error) process.stderr.write(`${chain(cause)}\n`);
    },
  };
}

function chain(error: Error): string {
  const stack = error.stack ?? error.message;
  return error.cause instanceof Error ? `${stack}\ncaused by ${chain(error.cause)}` : stack;
}
