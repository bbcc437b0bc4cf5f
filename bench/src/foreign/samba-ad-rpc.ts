import { setTimeout as sleep } from 'node:timers/promises';
import {
  createKerberosInitiator,
  createNtlmInitiator,
  createSpnegoInitiator,
  kerberosInitiatorMechanism,
  ntlmInitiatorMechanism,
  type RpcSecurityContext,
  type ServiceTicket,
} from '@carmine/auth';
import { systemEnvironment as environment, obtainServiceTicket } from '@carmine/auth/node';
import {
  authTypes,
  createRpcClient,
  lookUpEndpoints,
  managementSyntax,
  mapEndpoints,
  type RpcClientConnection,
} from '@carmine/dcerpc';
import { createTcpDialer } from '@carmine/dcerpc/node';
import { isCarmineError } from '@carmine/errors';
import { ByteWriter } from '@carmine/wire';

interface Facts {
  readonly user: string;
  readonly password: string;
  readonly domain: string;
  readonly realm: string;
  readonly host: string;
}

type Check = (name: string, work: () => Promise<string>) => Promise<void>;
type Level = 'integrity' | 'privacy';

/** [MS-SAMR] 1.9. */
const samr = { uuid: '12345778-1234-abcd-ef00-0123456789ac', major: 1, minor: 0 };

/** Our RPC client against Samba's endpoint mapper, management interface and account database, in every way to log on. */
export async function rpcChecks(report: Check, facts: Facts): Promise<void> {
  /** A server that is gone must not hold up the rest. */
  const check: Check = (name, work) =>
    report(name, () =>
      Promise.race([
        work(),
        sleep(patience, undefined, { ref: false }).then(() => {
          throw new Error('no answer');
        }),
      ]),
    );
  const dial = createTcpDialer();
  const kinds: readonly (readonly [string, number, (level: Level, wrong: boolean) => Promise<RpcSecurityContext>])[] = [
    ['NTLM', authTypes.ntlm, async (level, wrong) => createNtlmInitiator(ntlmOf(facts, level, wrong))],
    [
      'SPNEGO with NTLM',
      authTypes.negotiate,
      async (level, wrong) =>
        createSpnegoInitiator({ mechanisms: [ntlmInitiatorMechanism(ntlmOf(facts, level, wrong))] }),
    ],
    [
      'Kerberos',
      authTypes.kerberos,
      async (level) => createKerberosInitiator(kerberosOf(await ticketFor(facts), level)),
    ],
    [
      'SPNEGO with Kerberos',
      authTypes.negotiate,
      async (level) =>
        createSpnegoInitiator({ mechanisms: [kerberosInitiatorMechanism(kerberosOf(await ticketFor(facts), level))] }),
    ],
  ];
  const open = async (
    port: number,
    [, type, create]: (typeof kinds)[number],
    level: Level,
    wrong = false,
  ): Promise<RpcClientConnection> => {
    const stream = await dial({ host: '127.0.0.1', port });
    return createRpcClient(stream, { security: { type, level, context: await create(level, wrong) } });
  };
  for (const kind of kinds)
    for (const level of ['integrity', 'privacy'] as const)
      await check(`RPC, ${kind[0]}, packet ${level}`, async () => {
        const mapper = await open(135, kind, level);
        const [port] = await mapEndpoints(mapper, samr);
        const entries = await lookUpEndpoints(mapper);
        // A second interface on the same connection.
        await mapper.call({ syntax: managementSyntax, opnum: 0, stub: new Uint8Array(0) });
        mapper.close();
        if (port === undefined) throw new Error('no port of samr');
        const accounts = await open(port, kind, level);
        for (let round = 0; round < 3; round++) await connectAndClose(accounts);
        accounts.close();
        return `${entries.length} endpoints, samr at ${port}`;
      });
  await check('RPC, a wrong password is refused', async () => {
    const connection = await open(135, kinds[1]!, 'privacy', true);
    try {
      await mapEndpoints(connection, samr);
    } catch (error) {
      if (isCarmineError(error, 'auth/failed')) return error.message;
      throw error;
    }
    throw new Error('accepted');
  });
}

/** SamrConnect2 and SamrCloseHandle ([MS-SAMR] 3.1.5.1.3, 3.1.5.13.1): a handle comes and goes back. */
async function connectAndClose(connection: RpcClientConnection): Promise<void> {
  const request = new ByteWriter().u32(0).u32(maximumAllowed).toBytes();
  const { stub } = await connection.call({ syntax: samr, opnum: 57, stub: request });
  if (stub.length !== 24 || stub.subarray(20).some((octet) => octet !== 0)) throw new Error('SamrConnect2 failed');
  const closed = await connection.call({ syntax: samr, opnum: 1, stub: stub.slice(0, 20) });
  if (closed.stub.some((octet) => octet !== 0)) throw new Error('SamrCloseHandle failed');
}

function ntlmOf({ user, password, domain, host }: Facts, level: Level, wrong: boolean) {
  const credentials = { user, password: wrong ? 'wrong' : password, domain };
  return { credentials, environment, targetName: `host/${host}`, signOnly: level === 'integrity' };
}

function kerberosOf(ticket: ServiceTicket, level: Level) {
  return { ticket, environment, dceStyle: true, signOnly: level === 'integrity' };
}

function ticketFor({ user, password, realm, host }: Facts) {
  return obtainServiceTicket({
    principal: `${user}@${realm}`,
    password,
    kdc: ['127.0.0.1'],
    service: 'host',
    host,
    serviceRealm: realm,
  });
}

const maximumAllowed = 0x0200_0000;
/** Milliseconds. */
const patience = 60_000;
