import { open, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CarmineError } from '@carmine/errors';
import { SeededRandom } from '@carmine/testkit';
import { download } from '@carmine/transfer/node';
import type { Doors } from './doors.ts';

export interface MutationReport {
  readonly transfers: number;
  readonly mutations: number;
  /** Files that came, each of one version. */
  readonly whole: number;
  /** Errors that the client ended with, by code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Files that were accepted and are of no single version. */
  readonly mixed: number;
}

const atOnce = 12;
/** Written in place at a time, octets. */
const piece = 100_000;
/** One transfer, milliseconds; a file that never rests may keep it from its end. */
const patience = 3_000;

/**
 * Changes the published files in every way that files change, at random moments, under so many transfers of Carmine's own
 * client. Each version is one octet again and again, so a mixture of moments shows at once.
 */
export async function runMutations(doors: Doors, count: number, seed: number): Promise<MutationReport> {
  const { sandbox, open: door } = doors;
  const { images, inbox, server, user, command } = sandbox;
  const random = new SeededRandom(seed);
  const on = ['--on', `wsman://${user}@127.0.0.1:${server.port}`];
  const names = Array.from({ length: atOnce }, (_, index) => `changing-${index}`);
  for (const name of names) {
    await writeFile(join(images, name), version(random.below(256)));
    await command('controller', ['url', 'create', `http://+:${door.port}/open/`, name, join(images, name), ...on]);
  }
  let [mutations, whole, mixed, next] = [0, 0, 0, 0];
  const errors: Record<string, number> = {};
  let over = false;
  const mutator = async (name: string) => {
    while (!over) {
      await new Promise((resolve) => setTimeout(resolve, random.below(400)));
      await mutate(join(images, name), random);
      mutations++;
    }
  };
  const fetcher = async (name: string) => {
    while (next < count) {
      const target = join(inbox, `mutation-${next++}`);
      try {
        await download(`http://127.0.0.1:${door.port}/open/${name}`, target, { signal: AbortSignal.timeout(patience) });
        const came = await readFile(target);
        if (isOneState(came)) whole++;
        else mixed++;
      } catch (error) {
        const { code } = CarmineError.from(error);
        errors[code] = (errors[code] ?? 0) + 1;
      }
      await rm(target, { force: true });
    }
  };
  const mutators = names.map(mutator);
  await Promise.all(names.map(fetcher));
  over = true;
  await Promise.all(mutators);
  return { transfers: count, mutations, whole, errors, mixed };
}

/**
 * A state that such a file has been in: one octet all over (whole, or as far as it is written), or written in place up to the
 * border of a piece, or to its end, and old from there on. What was read at two moments has another border, or more of them.
 */
function isOneState(content: Buffer): boolean {
  const first = content[0];
  const border = content.findIndex((octet) => octet !== first);
  if (border < 0) return true;
  const second = content[border];
  return (
    (border % piece === 0 || border === lengthOf(first ?? 0)) &&
    content.subarray(border).every((octet) => octet === second)
  );
}

/** 64 KiB to 4 MiB. */
function lengthOf(number: number): number {
  return 65_536 + (number % 251) * 16_000;
}

function version(number: number): Buffer {
  return Buffer.alloc(lengthOf(number), number);
}

async function mutate(path: string, random: SeededRandom): Promise<void> {
  const content = version(1 + random.below(250));
  switch (random.below(5)) {
    case 0: {
      // As most programs write: a new file under the old name.
      await writeFile(`${path}.new`, content);
      await rename(`${path}.new`, path);
      break;
    }
    case 1:
      await writeFile(path, content);
      break;
    case 2: {
      // In place, piece by piece.
      const file = await open(path, 'r+');
      try {
        for (let at = 0; at < content.length; at += piece)
          await file.write(content.subarray(at, at + piece), 0, undefined, at);
        await file.truncate(content.length);
      } finally {
        await file.close();
      }
      break;
    }
    case 3:
      await truncate(path, random.below(100_000));
      await writeFile(path, content);
      break;
    default:
      await rm(path);
      await writeFile(path, content);
  }
}
