import {
  createKerberosInitiator,
  createNtlmInitiator,
  createSpnegoInitiator,
  kerberosInitiatorMechanism,
  ntlmInitiatorMechanism,
  type SecurityContext,
} from '@carmine/auth';
import { systemEnvironment as environment, obtainServiceTicket } from '@carmine/auth/node';
import { LdapClient, type Protection } from './ldap-client.ts';
import { rpcChecks } from './samba-ad-rpc.ts';

/**
 * Runs inside the network namespace of a Samba AD: our initiators against its LDAP service. Arguments: a JSON object with
 * user, password, domain, realm, host. Prints one JSON object per check.
 */
const facts = JSON.parse(process.argv[2] ?? '{}') as {
  user: string;
  password: string;
  domain: string;
  realm: string;
  host: string;
};
const credentials = { user: facts.user, password: facts.password, domain: facts.domain };

async function check(name: string, work: () => Promise<string>): Promise<void> {
  try {
    process.stdout.write(`${JSON.stringify({ check: name, ok: true, detail: await work() })}\n`);
  } catch (error) {
    process.stdout.write(`${JSON.stringify({ check: name, ok: false, detail: (error as Error).message })}\n`);
  }
}

/** Binds, asks for our SID over the sealed connection, twice so that sequence numbers move. */
async function ownSid(context: SecurityContext, protection?: Protection): Promise<string> {
  const client = await LdapClient.open('127.0.0.1', 389);
  try {
    await client.bind(context, protection);
    const [first, second] = [await client.ownSid(), await client.ownSid()];
    // 500 is the Administrator of every domain.
    if (first !== second || !/^S-1-5-21-\d+-\d+-\d+-500$/.test(first)) throw new Error(`we are ${first}`);
    return first;
  } finally {
    client.close();
  }
}

async function refused(context: SecurityContext): Promise<string> {
  try {
    return await ownSid(context).then((who) => Promise.reject(new Error(`accepted as ${who}`)));
  } catch (error) {
    const { message } = error as Error;
    if (message.startsWith('LDAP result 49')) return 'invalidCredentials';
    throw error;
  }
}

const targetName = `ldap/${facts.host}`;
const ticket = () =>
  obtainServiceTicket({
    principal: `${facts.user}@${facts.realm}`,
    password: facts.password,
    kdc: ['127.0.0.1'],
    service: 'ldap',
    host: facts.host,
    serviceRealm: facts.realm,
  });

await check('NTLM', () => ownSid(createNtlmInitiator({ credentials, environment, targetName })));
await check('SPNEGO with NTLM', () =>
  ownSid(createSpnegoInitiator({ mechanisms: [ntlmInitiatorMechanism({ credentials, environment, targetName })] })),
);
await check('NTLM with a wrong password is refused', () =>
  refused(createNtlmInitiator({ credentials: { ...credentials, password: 'wrong' }, environment })),
);
await check('SPNEGO with Kerberos', async () => {
  const options = { ticket: await ticket(), environment };
  let inner: ReturnType<typeof createKerberosInitiator> | undefined;
  const mechanism = kerberosInitiatorMechanism(options);
  const context = createSpnegoInitiator({
    mechanisms: [
      {
        ...mechanism,
        create: () => {
          inner = createKerberosInitiator(options);
          return inner;
        },
      },
    ],
  });
  const use = () => {
    if (inner === undefined) throw new Error('Kerberos was not chosen');
    return inner;
  };
  return ownSid(context, {
    seal: (plaintext) => use().wrapToken(plaintext),
    open: (buffer) => use().unwrapToken(buffer),
  });
});
await check('a ticket for a wrong password is refused', async () => {
  try {
    await obtainServiceTicket({
      principal: `${facts.user}@${facts.realm}`,
      password: 'wrong',
      kdc: ['127.0.0.1'],
      service: 'ldap',
      host: facts.host,
      serviceRealm: facts.realm,
    });
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
  throw new Error('a ticket was given');
});

await rpcChecks(check, facts);
