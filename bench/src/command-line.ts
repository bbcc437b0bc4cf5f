import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';

/** The arguments of a program here. What it does not know ends it with its usage and exit code 2. */
export function readCommandLine<T extends ParseArgsOptionsConfig>(options: T, usage: string) {
  try {
    return parseArgs({ allowPositionals: true, options });
  } catch (error) {
    return refuse((error as Error).message, usage);
  }
}

/** A whole number; undefined when there is none. */
export function readCount(text: string | undefined, usage: string, least = 1): number | undefined {
  if (text === undefined) return undefined;
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(count) && count >= least) return count;
  return refuse(`${text} is not a whole number from ${least} on`, usage);
}

export function refuse(problem: string | undefined, usage: string): never {
  if (problem !== undefined) process.stderr.write(`${problem}\n`);
  process.stderr.write(`usage: ${usage}\n`);
  process.exit(2);
}
