import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { readPassword } from '@carmine/agent/node';
import { formatPrincipal, type HttpScheme, type Logon } from '@carmine/auth';
import { createTicketSource, principalOfUser, readKeytab } from '@carmine/auth/node';
import { CarmineError } from '@carmine/errors';
import { type CacheState, lookAtCache } from './credential-cache.ts';
import { type Call, flag, invalid, text } from './options.ts';
import type { Target } from './target.ts';

/** How a machine is logged on to. */
export interface MachineLogon {
  readonly logon: Logon;
  /** In order of preference. */
  readonly schemes: readonly HttpScheme[] | undefined;
  /** Where a password took part: what a job can be given to log on with as the same user. */
  readonly account: { readonly user: string; readonly password: string } | undefined;
}

/** The end of a copy: its own options go before those for both. */
export type End = 'source' | 'destination' | undefined;

const authKinds = ['negotiate', 'ntlm', 'kerberos', 'basic', 'certificate'] as const;
type AuthKind = (typeof authKinds)[number];

/** What proves who we are, as far as options and environment tell. */
type Secret =
  | { readonly kind: 'passwordFile'; readonly file: string }
  | { readonly kind: 'passwordStdin' }
  | { readonly kind: 'keytab'; readonly file: string }
  | { readonly kind: 'certificate'; readonly file: string; readonly keyFile: string };

/** How to log on to a target: options of its end, then options for both, then the environment, then ticket or prompt. */
export async function logonFor(call: Call, target: Target, end?: End): Promise<MachineLogon> {
  const auth = authOf(call, end);
  if (auth === 'basic' && target.transport !== 'wsmans') throw invalid('--auth basic needs wsmans://');
  const secret = secretOf(call, end, auth);
  switch (secret?.kind) {
    case 'certificate':
      return certificateLogon(secret, target);
    case 'keytab':
      return keytabLogon(secret.file, target.user);
    case 'passwordFile':
    case 'passwordStdin': {
      const user = userOf(target);
      return passwordLogon(auth, user, await givenPassword(secret));
    }
    case undefined:
      return await logonWithoutSecret(auth, target);
  }
}

function authOf(call: Call, end: End): AuthKind | undefined {
  const options = end === undefined ? ['auth'] : [`${end}-auth`, 'auth'];
  const option = options.find((name) => text(call, name) !== undefined);
  const [value, from] =
    option === undefined ? [process.env['CARMINE_AUTH'], 'CARMINE_AUTH'] : [text(call, option), `--${option}`];
  if (value === undefined) return undefined;
  const found = authKinds.find((kind) => kind === value.toLowerCase());
  if (found === undefined) throw invalid(`${from} is one of ${authKinds.join(', ')}`);
  return found;
}

/** The first of the three places that names one; two in one place contradict each other. */
function secretOf(call: Call, end: End, auth: AuthKind | undefined): Secret | undefined {
  const option = (prefix: string) => (name: string) => text(call, `${prefix}${name}`);
  const variable = (name: string) => process.env[`CARMINE_${name.toUpperCase().replaceAll('-', '_')}`];
  const places = [
    ...(end === undefined ? [] : [{ read: option(`${end}-`), given: true, stdin: false }]),
    { read: option(''), given: true, stdin: flag(call, 'password-stdin') },
    { read: variable, given: false, stdin: false },
  ];
  for (const { read, given, stdin } of places) {
    const all = secretsIn(read, stdin);
    const fitting = all.filter(({ kind }) => auth === undefined || secretKinds[auth].includes(kind));
    // What stands in the environment is for whom it fits; what is said here has to fit.
    if (given && fitting.length < all.length)
      throw invalid(`--auth ${auth} does not go with ${optionOf(all, fitting)}`);
    if (fitting.length > 1)
      throw invalid(`${fitting.map(({ kind }) => `--${optionNames[kind]}`).join(' and ')} exclude each other`);
    if (fitting[0] !== undefined) return fitting[0];
  }
  return undefined;
}

function secretsIn(read: (name: string) => string | undefined, stdin: boolean): Secret[] {
  const found: Secret[] = [];
  const [passwordFile, keytab] = [read('password-file'), read('keytab')];
  const [certificate, key] = [read('client-certificate'), read('client-certificate-key')];
  // A file is read again and again, stdin once: with both, it is the file.
  if (passwordFile !== undefined) found.push({ kind: 'passwordFile', file: passwordFile });
  else if (stdin) found.push({ kind: 'passwordStdin' });
  if (keytab !== undefined) found.push({ kind: 'keytab', file: keytab });
  if (certificate !== undefined) found.push({ kind: 'certificate', file: certificate, keyFile: key ?? certificate });
  else if (key !== undefined) throw invalid('a key without --client-certificate FILE');
  return found;
}

function optionOf(all: readonly Secret[], fitting: readonly Secret[]): string {
  const other = all.find((secret) => !fitting.includes(secret));
  return other === undefined ? '' : `--${optionNames[other.kind]}`;
}

async function givenPassword(secret: Extract<Secret, { kind: `password${string}` }>): Promise<string> {
  if (secret.kind === 'passwordFile') return readPassword({ file: secret.file, prompt: '' });
  // stdin can be read once; both ends of a copy then have the same password.
  stdinPassword ??= readPassword({ stdin: true, prompt: '' });
  return stdinPassword;
}

let stdinPassword: Promise<string> | undefined;

function passwordLogon(auth: AuthKind | undefined, user: string, password: string): MachineLogon {
  const account = { user, password };
  switch (auth) {
    case 'kerberos': {
      if (user.includes('\\')) throw invalid(`Kerberos needs USER@REALM (user%40REALM in a target), not ${user}`);
      const principal = principalOfUser(user) ?? user;
      const logon = { kind: 'kerberos', tickets: createTicketSource({ principal, password }) } as const;
      return { logon, schemes: undefined, account: { user: principal, password } };
    }
    case 'basic':
      return { logon: account, schemes: ['basic'], account };
    case 'ntlm':
      return { logon: account, schemes: ['negotiate', 'ntlm'], account };
    case 'negotiate':
    case 'certificate':
    case undefined: {
      const principal = principalOfUser(user);
      const tickets = principal === undefined ? undefined : createTicketSource({ principal, password, optional: true });
      return { logon: { ...account, tickets }, schemes: undefined, account };
    }
  }
}

function keytabLogon(file: string, user: string | undefined): MachineLogon {
  const entries = readKeytab(file);
  const [first] = entries;
  if (first === undefined) throw unreadable(file, 'it has no keys');
  const principal = user ?? formatPrincipal(first.principal);
  const logon = { kind: 'kerberos', tickets: createTicketSource({ principal, keytab: file }) } as const;
  return { logon, schemes: undefined, account: undefined };
}

async function certificateLogon(
  { file, keyFile }: Extract<Secret, { kind: 'certificate' }>,
  target: Target,
): Promise<MachineLogon> {
  if (target.transport !== 'wsmans') throw invalid('a client certificate needs wsmans://');
  const [certificate, privateKey] = await Promise.all([readText(file), readText(keyFile)]);
  if (/ENCRYPTED/.test(privateKey))
    throw unreadable(keyFile, 'the key has a passphrase, which is not supported; "openssl pkey" takes it off');
  try {
    new X509Certificate(certificate);
  } catch (cause) {
    throw unreadable(file, 'it has no certificate in PEM form', cause);
  }
  try {
    createSecureContext({ cert: certificate, key: privateKey });
  } catch (cause) {
    throw unreadable(keyFile, 'it has no key in PEM form that belongs to the certificate', cause);
  }
  return { logon: { kind: 'certificate', certificate, privateKey }, schemes: undefined, account: undefined };
}

/** A ticket that is there already, else whoever sits at the terminal. */
async function logonWithoutSecret(auth: AuthKind | undefined, target: Target): Promise<MachineLogon> {
  if (auth === 'certificate') throw invalid('--auth certificate needs --client-certificate FILE');
  const cache = auth === undefined || auth === 'kerberos' ? lookAtCache(target.user) : undefined;
  const canAsk = target.user !== undefined && process.stdin.isTTY;
  if (cache !== undefined && useCache(cache, auth, canAsk)) {
    const logon = { kind: 'kerberos', tickets: createTicketSource({ ccache: cache.path }) } as const;
    return { logon, schemes: undefined, account: undefined };
  }
  if (auth === 'kerberos' && !canAsk) throw noTicket(cache, target);
  if (target.user === undefined && cache !== undefined) throw invalid(noUser(target, cache));
  const user = userOf(target);
  return passwordLogon(auth, user, await readPassword({ prompt: `Password of ${user} on ${target.name}: ` }));
}

/** One that has ended is worth its error where nobody can be asked for a password. */
function useCache({ kind }: CacheState, auth: AuthKind | undefined, canAsk: boolean): boolean {
  return kind === 'valid' || (kind === 'ended' && (auth === 'kerberos' || !canAsk));
}

function noTicket(cache: CacheState | undefined, { user }: Target): CarmineError {
  const reason =
    cache?.kind === 'other'
      ? `${cache.path} belongs to ${cache.principal}, not to ${user}: kinit ${user}`
      : `${cache?.kind === 'unusable' ? cache.reason : `${cache?.path} has no ticket-granting ticket`}: kinit first`;
  return new CarmineError('auth/no-ticket', { context: { reason } });
}

function noUser(target: Target, cache: CacheState): string {
  const why = cache.kind === 'unusable' ? `: ${cache.reason}` : '';
  return `${target.name} names no user, and there is no ticket${why}; write ${target.transport}://USER@… or kinit first`;
}

function userOf(target: Target): string {
  if (target.user === undefined) throw invalid(`${target.name} names no user: ${target.transport}://USER@…`);
  return target.user;
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw unreadable(file, (cause as Error).message, cause);
  }
}

function unreadable(file: string, reason: string, cause?: unknown): CarmineError {
  return new CarmineError('configuration/unreadable', { context: { file, reason }, cause });
}

/** What each kind can be proved with. */
const secretKinds: Readonly<Record<AuthKind, readonly Secret['kind'][]>> = {
  negotiate: ['passwordFile', 'passwordStdin'],
  ntlm: ['passwordFile', 'passwordStdin'],
  basic: ['passwordFile', 'passwordStdin'],
  kerberos: ['passwordFile', 'passwordStdin', 'keytab'],
  certificate: ['certificate'],
};

const optionNames: Readonly<Record<Secret['kind'], string>> = {
  passwordFile: 'password-file',
  passwordStdin: 'password-stdin',
  keytab: 'keytab',
  certificate: 'client-certificate',
};
