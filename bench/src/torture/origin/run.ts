import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TlsOptions } from 'node:tls';
import { CarmineError } from '@carmine/errors';
import { createJobEngine } from '@carmine/job-engine';
import { system } from '@carmine/job-engine/node';
import { createMemoryJobStore } from '@carmine/job-store';
import { SeededRandom } from '@carmine/testkit';
import { createAuthority } from '@carmine/testkit/node';
import { createFileTransfer } from '@carmine/transfer';
import {
  createHttpReceiverFactory,
  credentialAuthenticators,
  type DownloadOptions,
  download,
  nodePlatform,
} from '@carmine/transfer/node';
import { lost, type Misbehaviour, type Outcome, or, type Scene, type Way } from './misbehaviour.ts';
import { fine, type Version } from './reply.ts';
import { type Script, Stage } from './stage.ts';

/**
 * Who fetches: `download` the fast way or over undici, or a job, which ask with HEAD before, so that each script comes to what it
 * is about; `get` does not: then a script may come to something else, but never to a wrong file.
 */
export type Fetcher = 'fast' | 'undici' | 'job' | 'get';

/** What came of one transfer: a file, or an error. */
export type Came =
  | { readonly file: 'a' | 'b' | 'neither' }
  | { readonly code: string; readonly hresult: number | undefined; readonly state: 'transientError' | 'error' };

/** What all transfers share. */
export interface World {
  readonly folder: string;
  readonly certificates: Readonly<Record<NonNullable<Misbehaviour['certificate']>, TlsOptions>>;
  /** PEM. */
  readonly trust: string;
  close(): Promise<void>;
}

export async function createWorld(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'carmine-origin-'));
  const [authority, unknown] = [await createAuthority('origin'), await createAuthority('nobody')];
  const names = [{ type: 'dns', value: 'localhost' } as const];
  return {
    folder,
    certificates: {
      good: await authority.issue({ names, usage: 'server' }),
      expired: await authority.issue({ names, usage: 'server', from: -10, to: -5 }),
      otherName: await authority.issue({ names: [{ type: 'dns', value: 'other.example' }], usage: 'server' }),
      unknownAuthority: await unknown.issue({ names, usage: 'server' }),
    },
    trust: authority.cert,
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

export interface Verdict {
  readonly came: Came;
  /** What is not as it must be; empty: nothing. */
  readonly faults: readonly string[];
  readonly milliseconds: number;
}

/** Plays one misbehaviour once. */
export async function runOne(
  world: World,
  misbehaviour: Misbehaviour,
  way: Way,
  fetcher: Fetcher,
  seed: number,
): Promise<Verdict> {
  const random = new SeededRandom(seed);
  const scenery = makeScene(misbehaviour, random);
  const scene = () => scenery.scene;
  const split = (length: number) => random.below(length + 1);
  const good: Script = (asked, wire) => void wire.send(fine(asked, scene().a).bytes);
  const certificate = misbehaviour.certificate;
  const version = misbehaviour.tlsVersion;
  const tls: TlsOptions | undefined =
    certificate === undefined
      ? undefined
      : {
          ...world.certificates[certificate],
          ...(version === undefined ? {} : { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' }),
        };
  const elsewhere = await Stage.start({ script: misbehaviour.elsewhere?.(scene) ?? good, split });
  const stage = await Stage.start({ script: misbehaviour.script(scene), tls, greeting: misbehaviour.greeting, split });
  scenery.scene = { ...scenery.scene, elsewhere: elsewhere.origin, origin: stage.origin };
  const folder = await mkdtemp(join(world.folder, 'run-'));
  const began = performance.now();
  try {
    const url = `${stage.origin.replace('//', `//${misbehaviour.userInfo ?? ''}`)}/file`;
    const { a, b } = scene();
    const came = await within(20_000, fetchFile(world, misbehaviour, way, fetcher, url, join(folder, 'file'), a, b));
    const faults =
      fetcher === 'get' ? notWrong(came, misbehaviour) : judge(came, outcomeFor(misbehaviour, way, fetcher));
    const left = (await readdir(folder)).filter((name) => name !== 'file' || !('file' in came));
    if (left.length > 0) faults.push(`left behind: ${left.join(', ')}`);
    if (elsewhere.requests.some(({ headers }) => 'authorization' in headers)) faults.push('credentials went elsewhere');
    if (misbehaviour.secret && stage.requests.some(({ headers }) => 'authorization' in headers)) {
      faults.push('credentials were sent that may not be');
    }
    return { came, faults, milliseconds: performance.now() - began };
  } finally {
    await Promise.all([stage.close(), elsewhere.close()]);
    await rm(folder, { recursive: true, force: true });
  }
}

function makeScene(misbehaviour: Misbehaviour, random: SeededRandom): { scene: Scene } {
  const length = misbehaviour.length ?? 200_003;
  const make = (name: string, lastModified: string): Version => {
    const content = random.bytes(length);
    return { content, etag: `"${name}"`, lastModified, sha256: createHash('sha256').update(content).digest('base64') };
  };
  const a = { ...make('a', 'Thu, 01 Jan 2026 00:00:00 GMT'), ...misbehaviour.version };
  const b = make('b', 'Fri, 02 Jan 2026 00:00:00 GMT');
  const other = misbehaviour.version;
  return {
    scene: {
      a,
      // The other version has the validators that this one has, with other values.
      b: {
        ...b,
        etag: other !== undefined && 'etag' in other && other.etag === undefined ? undefined : b.etag,
        lastModified:
          other !== undefined && 'lastModified' in other && other.lastModified === undefined
            ? undefined
            : b.lastModified,
      },
      elsewhere: '',
      origin: '',
    },
  };
}

function outcomeFor({ outcome, undici }: Misbehaviour, way: Way, fetcher: Fetcher): Outcome {
  const wanted = 'files' in outcome ? outcome : outcome[way];
  if (fetcher !== 'undici') return wanted;
  // QUIRK: undici calls whatever it cannot parse behind a Content-Length a body of the wrong length, as if it were cut.
  const unclear = wanted.errors.some(({ code }) => code === 'transfer/invalid-response') ? [lost] : [];
  return or(wanted, ...unclear, ...(undici === undefined ? [] : [undici]));
}

async function fetchFile(
  world: World,
  misbehaviour: Misbehaviour,
  way: Way,
  fetcher: Fetcher,
  url: string,
  path: string,
  a: Version,
  b: Version,
): Promise<Came> {
  const { credentials = [], digestKnown } = misbehaviour;
  const piece = Math.ceil(a.content.length / 4);
  const options: DownloadOptions = {
    roots: [world.folder],
    trust: [world.trust],
    probe: fetcher !== 'get',
    timeouts: { connect: 5_000, headers: 1_500, body: 1_500 },
    expectedSha256: digestKnown === true ? createHash('sha256').update(a.content).digest('hex') : undefined,
    ...(way === 'whole' ? { connections: 1 } : { connections: 3, pieceBytes: piece }),
    ...(credentials.length === 0 ? {} : { authenticator: credentialAuthenticators(credentials) }),
    ...(fetcher === 'undici' ? { fast: false } : {}),
  };
  const failure =
    fetcher === 'job'
      ? await runJob(options, url, path)
      : await download(url, path, options).then(
          () => undefined,
          (thrown: unknown) => failed(CarmineError.from(thrown)),
        );
  if (failure !== undefined) return failure;
  const content = await readFile(path);
  return { file: content.equals(a.content) ? 'a' : content.equals(b.content) ? 'b' : 'neither' };
}

function failed(error: CarmineError): Came {
  const state = error.kind === 'transient' ? 'transientError' : 'error';
  return { code: error.code, hresult: error.hresult === undefined ? undefined : error.hresult >>> 0, state };
}

/** A job of the engine's with this one file, completed or cancelled; what its state and error code say. */
async function runJob(options: DownloadOptions, url: string, path: string): Promise<Came | undefined> {
  let last: CarmineError | undefined;
  const engine = createJobEngine({
    ...system,
    store: createMemoryJobStore(),
    transfers: (request) => {
      const transfer = createFileTransfer(nodePlatform(), {
        ...options,
        ...request,
        receivers: createHttpReceiverFactory(options),
      });
      return {
        ...transfer,
        get progress() {
          return transfer.progress;
        },
        run: async () => {
          try {
            return await transfer.run();
          } catch (thrown) {
            last = CarmineError.from(thrown);
            throw thrown;
          }
        },
      };
    },
  });
  await engine.start();
  try {
    // The provider refuses credentials in a URL; what they would do is the transfer's matter.
    const remoteUrl = url.replace(/\/\/[^/]*@/, '//');
    const jobId = await engine.createJob({ displayName: 'torture', remoteUrl, localFile: path, suspend: true });
    await engine.modifyJob(jobId, { priority: 'foreground' });
    if (options.expectedSha256 !== undefined) {
      await engine.modifyFileDetails(jobId, 0, { expectedSha256: options.expectedSha256 });
    }
    await engine.setJobState(jobId, 'resume');
    for (;;) {
      const { state } = await engine.getJob(jobId);
      if (state === 'transferred') {
        await engine.setJobState(jobId, 'complete');
        return undefined;
      }
      if (state === 'transientError' || state === 'error') {
        const { code } = await engine.getError(jobId, 0x409);
        await engine.setJobState(jobId, 'cancel');
        return { code: last?.code ?? 'none', hresult: code, state };
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  } finally {
    await engine.stop();
  }
}

function judge(came: Came, outcome: Outcome): string[] {
  const allowed =
    'file' in came
      ? outcome.files.some((file) => file === came.file)
      : outcome.errors.some(
          ({ code, hresult, state }) => code === came.code && hresult === came.hresult && state === came.state,
        );
  return allowed ? [] : [`came to ${describeCame(came)}, expected ${describeOutcome(outcome)}`];
}

function notWrong(came: Came, { plausible }: Misbehaviour): string[] {
  return 'file' in came && came.file === 'neither' && plausible !== true ? ['came to A WRONG FILE'] : [];
}

export function describeCame(came: Came): string {
  if ('file' in came) return came.file === 'neither' ? 'A WRONG FILE' : `file ${came.file}`;
  return `${came.code} 0x${(came.hresult ?? 0).toString(16)} ${came.state}`;
}

function describeOutcome({ files, errors }: Outcome): string {
  return [...files.map((name) => `file ${name}`), ...errors.map((error) => describeCame(error))].join(' or ');
}

async function within<T>(milliseconds: number, work: Promise<T>): Promise<T | Came> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<Came>((resolve) => {
    timer = setTimeout(() => resolve({ code: 'no end', hresult: undefined, state: 'error' }), milliseconds);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
