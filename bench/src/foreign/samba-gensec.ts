import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Account,
  createKerberosAcceptor,
  createKerberosInitiator,
  createKerberosService,
  createNtlmInitiator,
  createSpnegoAcceptor,
  createSpnegoInitiator,
  type KerberosContext,
  kerberosAcceptorMechanism,
  kerberosInitiatorMechanism,
  ntlmAcceptorMechanism,
  ntlmInitiatorMechanism,
  ntOwfV1,
  type SecurityContext,
} from '@carmine/auth';
import { obtainServiceTicket, readKeytab, systemEnvironment } from '@carmine/auth/node';
import { equalBytes } from '@carmine/wire';
import type { Checks } from './checks.ts';
import { Gensec, type GensecStart, python } from './gensec.ts';
import {
  accept,
  exchange,
  initiate,
  kerberosMessages,
  mics,
  mustFail,
  mustHaveMics,
  mustRefuseChanges,
  ntlmMessages,
  signatures,
} from './gensec-exchange.ts';
import { type MitRealm, mitRealmIsThere, mitRealmNeeds, realm, startMitRealm } from './mit-realm.ts';
import { isThere, runPeer } from './peers.ts';

const user = 'Administrator';
const password = 'Pässw0rd-1';
const domain = 'FILES';
const environment = systemEnvironment;
const settings = { realm: 'FILES.EXAMPLE', workgroup: domain };

const account: Account = {
  name: `${domain}\\${user}`,
  userSid: 'S-1-5-21-1-2-3-500',
  groupSids: [],
  ntHash: ntOwfV1(password),
};

/**
 * Samba's security library, the code behind smbclient, against our acceptors, and its server side, with a stand-alone account
 * database, against our initiators: who logs on, and messages in both directions.
 */
export async function sambaGensecChecks(checks: Checks, folder: string): Promise<void> {
  if (!(await isThere(python, '-c', 'import samba.gensec, samba.auth'))) {
    checks.add('samba gensec', 'not run', 'python3-samba is not installed');
    return;
  }
  await ntlmClients(checks);
  const smbConf = await standaloneDatabase(checks, join(folder, 'standalone'));
  if (smbConf !== undefined) await ntlmServers(checks, smbConf);
  if (!(await mitRealmIsThere())) {
    checks.add('samba gensec with Kerberos', 'not run', mitRealmNeeds);
    return;
  }
  let kdc: MitRealm | undefined;
  try {
    await mkdir(join(folder, 'gensec'));
    kdc = await startMitRealm(join(folder, 'gensec'), [`cifs/${host}`]);
    await kerberosClients(checks, kdc);
    if (smbConf !== undefined) await kerberosServers(checks, kdc, smbConf);
  } catch (error) {
    checks.add('samba gensec with Kerberos: set up', 'failed', (error as Error).message);
  } finally {
    await kdc?.close();
  }
}

const ntlmClient = {
  role: 'client',
  host: 'files.example',
  service: 'cifs',
  user,
  password,
  domain,
  settings,
} as const;

async function ntlmClients(checks: Checks): Promise<void> {
  const acceptor = () =>
    createSpnegoAcceptor({ mechanisms: [ntlmAcceptorMechanism({ accounts: lookUp, environment, hostName: domain })] });
  for (const [name, mechanism] of [
    ['SPNEGO with NTLM', 'spnego'],
    ['raw NTLMSSP', 'ntlmssp'],
  ] as const) {
    for (const seal of [true, false]) {
      await checks.run(`smbclient's ${name}, ${seal ? 'sealed' : 'signed'}`, async () => {
        const facts = { ...ntlmClient, mechanism, features: seal ? (['SIGN', 'SEAL'] as const) : (['SIGN'] as const) };
        return withGensec(facts, {}, async (gensec) => {
          const server = acceptor();
          const tokens = await accept(gensec, server);
          if (server.peer?.name !== account.name) throw new Error(`${server.peer?.name} logged on`);
          if (!equalBytes(server.sessionKey, await gensec.sessionKey())) throw new Error('different session keys');
          const mics = mechanism === 'spnego' ? mustHaveMics(tokens) : '';
          await exchange(gensec, ntlmMessages(server, seal));
          await mustRefuseChanges(gensec, ntlmMessages(server, seal));
          return mics;
        });
      });
    }
    for (const [what, changes] of [
      ['a wrong password', { password: 'wrong' }],
      ['an unknown user', { user: 'somebody' }],
    ] as const) {
      await checks.run(`smbclient's ${name}: ${what} is refused`, () =>
        withGensec({ ...ntlmClient, mechanism, features: ['SIGN', 'SEAL'], ...changes }, {}, async (gensec) => {
          const server = acceptor();
          await mustFail(() => accept(gensec, server), /authentication failed/);
          if (server.complete || server.peer !== undefined) throw new Error('somebody logged on');
          return undefined;
        }),
      );
    }
  }
}

/** Samba's server side needs no running Samba, only a database as `samba-tool` makes it for a machine without a domain. */
async function standaloneDatabase(checks: Checks, target: string): Promise<string | undefined> {
  const args = [`--realm=${settings.realm}`, `--domain=${domain}`, '--server-role=standalone', '--host-name=files'];
  const ran = await runPeer('samba-tool', [
    'domain',
    'provision',
    ...args,
    `--targetdir=${target}`,
    `--adminpass=${password}`,
  ]).catch(() => undefined);
  if (ran?.code === 0) return join(target, 'etc', 'smb.conf');
  checks.add('samba gensec as a server', 'not run', 'needs samba and samba-ad-provision');
  return undefined;
}

async function ntlmServers(checks: Checks, smbConf: string): Promise<void> {
  const start = { role: 'server', host: 'files', service: 'cifs', smb_conf: smbConf } as const;
  const options = { environment, targetName: 'cifs/files' };
  for (const [name, mechanism] of [
    ['SPNEGO with NTLM', 'spnego'],
    ['raw NTLMSSP', 'ntlmssp'],
  ] as const) {
    const initiator = (secret: string, signOnly: boolean): SecurityContext => {
      const own = { ...options, credentials: { user, password: secret, domain }, signOnly };
      return mechanism === 'ntlmssp'
        ? createNtlmInitiator(own)
        : createSpnegoInitiator({ mechanisms: [ntlmInitiatorMechanism(own)] });
    };
    for (const seal of [true, false]) {
      await checks.run(`our ${name} at Samba's server side, ${seal ? 'sealed' : 'signed'}`, () => {
        const features = seal ? (['SIGN', 'SEAL'] as const) : (['SIGN'] as const);
        return withGensec({ ...start, mechanism, features }, {}, async (gensec) => {
          const client = initiator(password, !seal);
          await initiate(gensec, client);
          if (!equalBytes(client.sessionKey, await gensec.sessionKey())) throw new Error('different session keys');
          await exchange(gensec, ntlmMessages(client, seal));
          await mustRefuseChanges(gensec, ntlmMessages(client, seal));
          return undefined;
        });
      });
    }
    await checks.run(`our ${name} at Samba's server side: a wrong password is refused`, () =>
      withGensec({ ...start, mechanism, features: ['SIGN', 'SEAL'] }, {}, async (gensec) => {
        const client = initiator('wrong', false);
        // NT_STATUS_WRONG_PASSWORD
        await mustFail(() => initiate(gensec, client), /3221225578/);
        return undefined;
      }),
    );
  }
}

async function kerberosClients(checks: Checks, kdc: MitRealm): Promise<void> {
  const keytab = readKeytab(kdc.keytab);
  const facts: GensecStart = {
    role: 'client',
    mechanism: 'spnego',
    host,
    service: 'cifs',
    features: ['SIGN', 'SEAL'],
    ccache: `FILE:${kdc.ccache}`,
    settings: { ...settings, realm },
  };
  const newServer = (keys = keytab) => {
    const accounts = (principal: string, of: string) =>
      principal === 'alice' && of === realm ? { name: 'alice', userSid: account.userSid, groupSids: [] } : undefined;
    const service = createKerberosService({ keytab: keys, environment, accounts, services: ['cifs'] });
    let kerberos: KerberosContext | undefined;
    const mechanism = kerberosAcceptorMechanism({ service });
    const create = () => (kerberos = createKerberosAcceptor({ service }));
    const server = createSpnegoAcceptor({ mechanisms: [{ ...mechanism, create }] });
    return { server, kerberos: () => kerberos! };
  };
  await checks.run("smbclient's SPNEGO with Kerberos, sealed and signed", () =>
    withGensec(facts, kdc.environment, async (gensec) => {
      const { server, kerberos } = newServer();
      const tokens = await accept(gensec, server);
      if (server.chosen !== 'kerberos' || server.peer?.name !== 'alice')
        throw new Error(`${server.peer?.name} logged on`);
      await exchange(gensec, kerberosMessages(kerberos()));
      await signatures(gensec, server);
      await mustRefuseChanges(gensec, kerberosMessages(kerberos()));
      return mics(tokens);
    }),
  );
  await checks.run("smbclient's SPNEGO with Kerberos in DCE style, signed", () =>
    withGensec({ ...facts, features: ['SIGN', 'SEAL', 'DCE_STYLE'] }, kdc.environment, async (gensec) => {
      const { server } = newServer();
      const tokens = await accept(gensec, server);
      if (server.peer?.name !== 'alice') throw new Error(`${server.peer?.name} logged on`);
      await signatures(gensec, server);
      return mics(tokens);
    }),
  );
  await checks.run("smbclient's SPNEGO with Kerberos: a ticket for a key that is not ours is refused", () =>
    withGensec(facts, kdc.environment, async (gensec) => {
      const keys = keytab.map((entry) => ({
        ...entry,
        key: { ...entry.key, value: new Uint8Array(entry.key.value.length) },
      }));
      const { server } = newServer(keys);
      await mustFail(() => accept(gensec, server), /authentication failed/);
      return undefined;
    }),
  );
}

async function kerberosServers(checks: Checks, kdc: MitRealm, smbConf: string): Promise<void> {
  const ticket = await obtainServiceTicket({
    service: 'cifs',
    host,
    ccache: kdc.ccache,
    serviceRealm: realm,
    configuration: kdc.environment['KRB5_CONFIG'],
  });
  const facts: GensecStart = {
    role: 'server',
    mechanism: 'spnego',
    host,
    service: 'cifs',
    features: ['SIGN', 'SEAL'],
    keytab: `FILE:${kdc.keytab}`,
    principal: `cifs/${host}@${realm}`,
    smb_conf: smbConf,
    settings: { ...settings, realm },
  };
  await checks.run("our SPNEGO with Kerberos at Samba's server side, sealed and signed", () =>
    withGensec(facts, kdc.environment, async (gensec) => {
      let kerberos: KerberosContext | undefined;
      const mechanism = kerberosInitiatorMechanism({ ticket, environment });
      const create = () => (kerberos = createKerberosInitiator({ ticket, environment }));
      const client = createSpnegoInitiator({ mechanisms: [{ ...mechanism, create }] });
      await initiate(gensec, client);
      await exchange(gensec, kerberosMessages(kerberos!));
      await signatures(gensec, client);
      await mustRefuseChanges(gensec, kerberosMessages(kerberos!));
      return undefined;
    }),
  );
}

async function withGensec<T>(
  facts: GensecStart,
  variables: Record<string, string>,
  work: (gensec: Gensec) => Promise<T>,
): Promise<T> {
  const gensec = await Gensec.start(facts, variables);
  try {
    return await work(gensec);
  } finally {
    await gensec.close();
  }
}

function lookUp(name: string): Account | undefined {
  return name.toLowerCase() === user.toLowerCase() ? account : undefined;
}

/** Samba asks no ticket for localhost. Nobody looks it up: it is a part of a name. */
const host = 'files.carmine.test';
