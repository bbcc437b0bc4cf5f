import { bitsClientJobClass, bitsNamespace } from '@carmine/cim';
import { SeededRandom } from '@carmine/testkit';
import { soapRequest } from '../../soap-request.ts';
import { inputSeed } from '../fuzz/mutate.ts';
import type { Attack } from './attack.ts';
import { attacks, ntlmOf } from './attacks.ts';
import { admin, type Door, type Doors, openDoors } from './doors.ts';
import { forgeAuthenticate } from './forge.ts';
import { kerberosLogon } from './kerberos-attacks.ts';
import { Scene } from './scene.ts';

export interface AuthReport {
  readonly seed: number;
  readonly attempts: number;
  readonly seconds: number;
  /** How often each kind was tried. */
  readonly kinds: Readonly<Record<string, number>>;
  readonly doors: Readonly<Record<string, number>>;
  /** Of all answers that refused. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Actions that were allowed, and those that happened; they must be the same. */
  readonly allowed: number;
  readonly happened: number;
  readonly controls: number;
  readonly failures: readonly string[];
}

/** How an attempt may be answered. */
const refusals: ReadonlySet<number> = new Set([400, 401, 403, 500]);
/** Milliseconds after which an attempt counts as hanging. */
const patience = 10_000;
/** One valid logon with actions after so many attacks. */
const controlEvery = 10;

/** Tries every kind of broken authentication again and again, at every door, between callers who may act. */
export async function tortureAuth(
  count: number,
  seed: number,
  say: (text: string) => void,
  open: () => Promise<Doors> = openDoors,
): Promise<AuthReport> {
  const doors = await open();
  const stray: string[] = [];
  const onStray = (error: unknown) => void stray.push(`nobody caught ${String(error)}`);
  process.on('uncaughtException', onStray).on('unhandledRejection', onStray);
  try {
    return await run(doors, stray, { count, seed, say });
  } finally {
    process.off('uncaughtException', onStray).off('unhandledRejection', onStray);
    await doors.close();
  }
}

interface Run {
  readonly count: number;
  readonly seed: number;
  readonly say: (text: string) => void;
}

async function run(doors: Doors, stray: readonly string[], { count, seed, say }: Run): Promise<AuthReport> {
  const action = await actionEnvelope();
  const started = performance.now();
  const kinds = new Map<string, number>(attacks.map(({ kind }) => [kind, 0]));
  const [byDoor, statuses] = [new Map<string, number>(), new Map<string, number>()];
  const failures: string[] = [];
  let [allowed, controls, attempts] = [0, 0, 0];
  /** Actions that failures were reported for. */
  let reported = 0;

  /** Plays one scene; what it was allowed to do must be what happened, at once. */
  const play = async (index: number, door: Door, name: string, work: (scene: Scene) => Promise<void>) => {
    const scene = new Scene(door, new SeededRandom(inputSeed(seed, index)), action, doors.content);
    const fail = (reason: string) => void failures.push(`${name} at ${door.name}, attempt ${index}: ${reason}`);
    try {
      await inTime(work(scene));
    } catch (error) {
      fail(error instanceof Error ? error.message : String(error));
    }
    scene.close();
    allowed += scene.acted;
    const excess = doors.actions() - allowed - reported;
    if (excess !== 0) {
      fail(`${excess} actions that nobody was allowed`);
      reported += excess;
    }
  };

  for (; attempts < count && failures.length < 20; attempts++) {
    const attack = attacks[attempts % attacks.length];
    if (attack === undefined) break;
    const random = new SeededRandom(inputSeed(seed ^ 0x5bd1_e995, attempts));
    const door = doorFor(attack, doors.doors, random);
    kinds.set(attack.kind, (kinds.get(attack.kind) ?? 0) + 1);
    byDoor.set(door.name, (byDoor.get(door.name) ?? 0) + 1);
    await play(attempts, door, attack.kind, async (scene) => {
      for (const { status, body } of await attack.run(scene)) {
        statuses.set(String(status), (statuses.get(String(status)) ?? 0) + 1);
        if (!refusals.has(status)) throw new Error(`status ${status} with ${body.length} octets`);
      }
    });
    if (attempts % controlEvery === 0) {
      controls++;
      await play(attempts, random.pick(doors.doors), 'control', control);
    }
    if (attempts % 10_000 === 0 && attempts > 0) say(`${attempts} of ${count}`);
  }
  failures.push(...stray, ...doors.faults);
  return {
    seed,
    attempts,
    seconds: Math.round((performance.now() - started) / 1000),
    kinds: Object.fromEntries(kinds),
    doors: Object.fromEntries(byDoor),
    statuses: Object.fromEntries(statuses),
    allowed,
    happened: doors.actions(),
    controls,
    failures,
  };
}

/** Sockets cost ten times what memory does: they get every third attempt. */
function doorFor(attack: Attack, doors: readonly Door[], random: SeededRandom): Door {
  const fitting = doors.filter((door) => attack.at?.(door) ?? true);
  const inMemory = fitting.filter(({ name }) => name.includes('memory'));
  return random.pick(inMemory.length > 0 && random.below(3) > 0 ? inMemory : fitting);
}

/** Somebody who may act logs on in one of the ways there are and acts a few times. */
async function control(scene: Scene): Promise<void> {
  const { door, random } = scene;
  const line = await scene.open();
  const times = 1 + random.below(3);
  if (door.kerberos !== undefined && random.below(2) === 0) {
    const { answer, context } = await kerberosLogon(scene, line);
    scene.mustSucceed(answer, 'a valid Kerberos logon');
    for (let time = 0; time < times; time++) await scene.act(line, scene.request(context));
    return;
  }
  if (door.service === 'management' && door.secure && random.below(2) === 0) {
    const authorization = `Basic ${Buffer.from(`${admin.user}:${admin.password}`).toString('base64')}`;
    for (let time = 0; time < times; time++) await scene.act(line, scene.bare(authorization));
    return;
  }
  if (door.service === 'management' && random.below(2) === 0) {
    const { answer, context } = await scene.spnego(line, [ntlmOf(scene)]);
    if (answer.status !== 200 || !context.complete) throw new Error(`a valid logon got status ${answer.status}`);
    for (let time = 0; time < times; time++) await scene.act(line, scene.request(context));
    return;
  }
  if (door.service === 'data' && !door.secure && random.below(4) === 0) {
    // The same message that management refuses: its response is right, it only has no MIC.
    const authenticate = (_: Uint8Array, challenge: Uint8Array) =>
      forgeAuthenticate('no mic', challenge, admin.user, admin.password);
    await scene.logOn(line, admin, { authenticate });
    return;
  }
  const { context } = await scene.logOn(line, admin);
  for (let time = 0; time < times; time++) await scene.act(line, scene.request(context));
}

async function inTime(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${patience / 1000} s`)), patience);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The body of a CreateJob, as our own client writes it. */
function actionEnvelope(): Promise<Uint8Array> {
  const parameters = new Map([
    ['DisplayName', 'torture'],
    ['RemoteUrl', 'https://localhost/file'],
    ['LocalFile', '/srv/inbox/file'],
  ]);
  const path = { namespace: bitsNamespace, className: bitsClientJobClass.name, keys: new Map() };
  return soapRequest('http://localhost:5985/wsman', (client) => client.invokeMethod(path, 'CreateJob', parameters));
}
