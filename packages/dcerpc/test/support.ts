import {
  type Account,
  createNtlmAcceptor,
  createNtlmInitiator,
  createSpnegoAcceptor,
  createSpnegoInitiator,
  ntlmAcceptorMechanism,
  ntlmInitiatorMechanism,
  ntOwfV1,
  type RpcSecurityContext,
} from '@carmine/auth';
import { wellKnownSids } from '@carmine/security';
import { SeededRandom } from '@carmine/testkit';
import {
  authTypes,
  createMemoryDialer,
  createRpcClient,
  createRpcServer,
  type RpcClientOptions,
  type RpcClientSecurity,
  type RpcInterface,
  type RpcServerOptions,
  sameSyntax,
} from '../src/index.ts';

const random = new SeededRandom(7);
const environment = { now: () => Date.UTC(2026, 0, 1), randomBytes: (length: number) => random.bytes(length) };

const accounts = new Map<string, Account>(
  [
    { user: 'admin', groupSids: [wellKnownSids.administrators] },
    { user: 'user', groupSids: [wellKnownSids.users] },
  ].map(({ user, groupSids }, index) => [
    user,
    { name: `HOST\\${user}`, userSid: `S-1-5-21-1-2-3-${1000 + index}`, groupSids, ntHash: ntOwfV1('secret') },
  ]),
);

export function accept(type: number): RpcSecurityContext | undefined {
  const ntlm = {
    accounts: (user: string) => accounts.get(user.toLowerCase()),
    environment,
    hostName: 'HOST',
    requireMic: false,
  };
  if (type === authTypes.ntlm) return createNtlmAcceptor(ntlm);
  if (type === authTypes.negotiate) return createSpnegoAcceptor({ mechanisms: [ntlmAcceptorMechanism(ntlm)] });
  return undefined;
}

export function security(
  type: number,
  level: 'integrity' | 'privacy',
  user = 'admin',
  password = 'secret',
): RpcClientSecurity {
  const ntlm = { credentials: { user, password }, environment, signOnly: level === 'integrity' };
  const context =
    type === authTypes.ntlm
      ? createNtlmInitiator(ntlm)
      : createSpnegoInitiator({ mechanisms: [ntlmInitiatorMechanism(ntlm)] });
  return { type, level, context };
}

export const echoSyntax = { uuid: '11111111-2222-3333-4444-555555555555', major: 0, minor: 0 };
export const otherSyntax = { uuid: '21111111-2222-3333-4444-555555555555', major: 1, minor: 0 };

export function testServer(interfaces: readonly RpcInterface[], options: Partial<RpcServerOptions> = {}) {
  return createRpcServer({
    find: (syntax) => interfaces.find((each) => sameSyntax(each.syntax, syntax)),
    accept,
    firstAssociation: 100,
    ...options,
  });
}

export async function testClient(server: ReturnType<typeof testServer>, options: RpcClientOptions = {}) {
  const dial = createMemoryDialer(new Map([[135, server]]));
  return createRpcClient(await dial({ host: 'host', port: 135 }), options);
}
