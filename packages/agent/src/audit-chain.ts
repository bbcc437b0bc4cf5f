/**
 * The audit file is a chain: every line is a JSON object that carries its number and the SHA-256 of the line before it (of
 * nothing, for the first). Whoever changes, removes or inserts a line breaks the chain at the next one. Only cutting off the
 * end cannot be seen from the file alone: keep the head (`verify` prints it) elsewhere to notice that too.
 */

/** What the next line has to name. */
export interface ChainHead {
  /** Number of lines so far. */
  readonly count: number;
  /** SHA-256 of the last line without its line end, lower-case hexadecimal; that of nothing when there is none. */
  readonly hash: string;
}

/** SHA-256 of a text's UTF-8, lower-case hexadecimal. */
export type HashText = (text: string) => string;

export function emptyChain(hash: HashText): ChainHead {
  return { count: 0, hash: hash('') };
}

/** The line for a record, without its line end, and the head after it. */
export function chainLine(
  head: ChainHead,
  record: object,
  hash: HashText,
): { readonly line: string; readonly head: ChainHead } {
  const n = head.count + 1;
  const line = JSON.stringify({ n, previous: head.hash, ...record });
  return { line, head: { count: n, hash: hash(line) } };
}

/** The head after a line that is there, whatever it holds: a line torn by a crash is a link like any other. */
export function follow(head: ChainHead, line: string, hash: HashText): ChainHead {
  return { count: head.count + 1, hash: hash(line) };
}

/** Why a line does not continue the chain; undefined when it does. */
function chainFault(head: ChainHead, line: string): 'torn' | 'broken' | undefined {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    return 'torn';
  }
  const { n, previous } = (record ?? {}) as { n?: unknown; previous?: unknown };
  return n === head.count + 1 && previous === head.hash ? undefined : 'broken';
}

export interface ChainReport {
  readonly head: ChainHead;
  /** Numbers of lines that do not name the one before them, from 1. */
  readonly broken: readonly number[];
  /** Lines that a crash cut off; the chain goes on after them. */
  readonly torn: readonly number[];
}

/** Follows a chain from its first line to its last. */
export async function verifyChain(lines: AsyncIterable<string>, hash: HashText): Promise<ChainReport> {
  const [broken, torn]: [number[], number[]] = [[], []];
  let head = emptyChain(hash);
  for await (const line of lines) {
    const fault = chainFault(head, line);
    if (fault === 'torn') torn.push(head.count + 1);
    if (fault === 'broken') broken.push(head.count + 1);
    head = follow(head, line, hash);
  }
  return { head, broken, torn };
}
