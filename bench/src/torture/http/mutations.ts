import { open, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CarmineError } from '@carmine/errors';
import { SeededRandom } from '@carmine/testkit';
import { download } from '@carmine/transfer/node';
import type { Doors } from './doors.ts';
import { readRanges } from './range-reader.ts';

export interface MutationReport {
  readonly transfers: number;
  readonly mutations: number;
  /** Files that came, each of one version. */
  readonly whole: number;
  /** Errors that the client ended with, by code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Files that were accepted and are of no single version, and parts that came whole and are not. */
  readonly mixed: number;
  /** Parts of files, of half a MiB and more, that came whole to who asks for one after the other. */
  readonly parts: number;
}

const atOnce = 12;
/** Written in place at a time, octets. */
const piece = 100_000;
/** Octets. */
const shortestPart = 512 * 1024;
/** One transfer, milliseconds; a file that never rests may keep it from its end. */
const patience = 3_000;

/**
 * Changes the published files in every way that files change, at random moments, under so many transfers of Carmine's own
 * client, and while others read parts of them. Each version is one octet again and again, so a mixture of moments shows at once.
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
  let [mutations, whole, mixed, parts, next] = [0, 0, 0, 0, 0];
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
  const partReader = async (name: string) => {
    const place = () => {
      const first = random.below(longest - shortestPart);
      return [first, first + shortestPart + random.below(shortestPart) - 1] as const;
    };
    const came = (part: Buffer, first: number) => {
      if (!isOneState(part, first)) mixed++;
      else if (part.length >= shortestPart) parts++;
    };
    while (!over) await readRanges(`http://127.0.0.1:${door.port}/open/${name}`, 200, place, came);
  };
  const others = [...names.map(mutator), ...names.map(partReader)];
  await Promise.all(names.map(fetcher));
  over = true;
  await Promise.all(others);
  return { transfers: count, mutations, whole, errors, mixed, parts };
}

/**
 * A state that such a file has been in: one octet all over (whole, or as far as it is written), or written in place up to the
 * border of a piece, or to its end, and old from there on. What was read at two moments has another border, or more of them. The same of a part that begins at `at`.
 */
function isOneState(content: Buffer, at = 0): boolean {
  const first = content[0];
  const border = content.findIndex((octet) => octet !== first);
  if (border < 0) return true;
  const second = content[border];
  return (
    ((at + border) % piece === 0 || at + border === lengthOf(first ?? 0)) &&
    content.subarray(border).every((octet) => octet === second)
  );
}

/** 64 KiB to 4 MiB. */
function lengthOf(number: number): number {
  return 65_536 + (number % 251) * 16_000;
}

const longest = lengthOf(250);

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
