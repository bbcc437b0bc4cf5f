import type { RpcSecurityContext } from '@carmine/auth';
import type { CimDispatcher } from '@carmine/cim';
import {
  authTypes,
  createEndpointMapper,
  createManagementInterface,
  createRpcServer,
  endpointMapperSyntax,
  managementSyntax,
  type RpcConnectionInfo,
  type RpcInterface,
  type RpcLimits,
  type RpcPeer,
  type RpcServer,
  sameSyntax,
} from '@carmine/dcerpc';
import type { Token } from '@carmine/security';
import { guidOf } from '@carmine/wire';
import {
  createDcomServer,
  type DcomClass,
  type DcomLimits,
  iids,
  type OrpcCall,
  type RemoteObject,
} from 'node-dcom-lite';
import { createWmiServer } from './server.ts';
import type { WmiEnvironment } from './types.ts';

export interface WmiHostEnvironment extends WmiEnvironment {
  /** Milliseconds; only differences matter. */
  now(): number;
}

export interface WmiHostOptions {
  readonly dispatcher: CimDispatcher;
  readonly environment: WmiHostEnvironment;
  /** Name of this machine, as objects tell it. */
  readonly machine: string;
  /** Names and addresses by which the client of a connection reaches this machine, the likeliest first. */
  readonly hosts: (connection: RpcConnectionInfo) => readonly string[];
  readonly resolverPort: () => number;
  readonly exporterPort: () => number;
  /** A security context for an authentication type, or undefined: not offered. */
  readonly accept: (authType: number, peer: RpcPeer) => RpcSecurityContext | undefined;
  /** The types that `accept` may offer, as clients are told. */
  readonly authentication?: readonly number[] | undefined;
  /** The least level of calls; packet integrity unless told privacy. Clients are told to use privacy in any case. */
  readonly minimumLevel?: 'integrity' | 'privacy' | undefined;
  /** The level that clients are told to use; 6, packet privacy, unless told 5. */
  readonly authnHint?: number | undefined;
  readonly limits?: { readonly rpc?: Partial<RpcLimits>; readonly dcom?: Partial<DcomLimits> } | undefined;
  readonly connectSink?: ((objref: Uint8Array, call: OrpcCall) => Promise<RemoteObject>) | undefined;
  /** Classes besides WMI's; for tests of the object layer by foreign programs. */
  readonly classes?: readonly DcomClass[] | undefined;
  readonly onAuthentication?: ((token: Token, succeeded: boolean) => void) | undefined;
  /** Told of callers who authenticated and may not manage. */
  readonly onDenied?: ((token: Token) => void) | undefined;
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** A machine that is managed by WMI over DCOM, without sockets: one server for the resolver's port and one for the exporter's. */
export interface WmiHost {
  readonly resolver: RpcServer;
  readonly exporter: RpcServer;
  /** Objects that clients hold. */
  readonly objects: number;
  /** Reclaims what nobody holds any longer; to be called every now and then. */
  sweep(): void;
  close(): void;
}

export function createWmiHost(options: WmiHostOptions): WmiHost {
  const { dispatcher, environment, accept, minimumLevel, onAuthentication, onDenied, onError } = options;
  const { now, randomBytes } = environment;
  const { authentication = [authTypes.negotiate, authTypes.ntlm] } = options;
  const wmi = createWmiServer({
    dispatcher,
    environment,
    machine: options.machine,
    connectSink: options.connectSink,
    onError,
  });
  const dcom = createDcomServer({
    classes: [...wmi.classes, ...(options.classes ?? [])],
    interfaces: [...wmi.interfaces, ...testInterfaces(options.classes)],
    hosts: options.hosts,
    exporterPort: options.exporterPort,
    resolverPort: options.resolverPort,
    securities: authentication.map((authnService) => ({ authnService, principal: '' })),
    authnHint: options.authnHint,
    now,
    randomBytes,
    limits: options.limits?.dcom,
    onError,
  });
  const newGuid = () => guidOf(randomBytes(16));
  const exporterEndpoints = () =>
    [iids.remUnknown, iids.remUnknown2, ...wmi.interfaces].map((uuid) => ({
      syntax: { uuid, major: 0, minor: 0 },
      port: options.exporterPort(),
      annotation: 'object exporter',
    }));
  const resolverInterfaces: RpcInterface[] = [
    ...dcom.resolver,
    createEndpointMapper(exporterEndpoints, newGuid),
    createManagementInterface(() => [endpointMapperSyntax, managementSyntax]),
  ];
  const exporterManagement = createManagementInterface(() => [managementSyntax]);
  const shared = {
    accept,
    mayCall: (token: Token) => dispatcher.mayManage(token),
    minimumLevel,
    limits: options.limits?.rpc,
    onAuthentication,
    onDenied,
    onError,
  };
  const firstAssociation = () => new DataView(randomBytes(4).slice().buffer).getUint32(0);
  return {
    resolver: createRpcServer({
      ...shared,
      firstAssociation: firstAssociation(),
      find: (syntax) => resolverInterfaces.find((each) => sameSyntax(each.syntax, syntax)),
    }),
    exporter: createRpcServer({
      ...shared,
      firstAssociation: firstAssociation(),
      find: (syntax) => (sameSyntax(syntax, managementSyntax) ? exporterManagement : dcom.exporter(syntax)),
      onClose: (connection) => dcom.connectionClosed(connection),
    }),
    get objects() {
      return dcom.objects;
    },
    sweep: () => dcom.sweep(),
    close: () => dcom.close(),
  };
}

/** What further classes say of themselves. */
function testInterfaces(classes: readonly DcomClass[] = []): readonly string[] {
  return classes.flatMap(({ interfaces = [] }) => interfaces);
}
