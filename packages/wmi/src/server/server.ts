import { CarmineError } from '@carmine/errors';
import { type DcomObject, implement, type OrpcCall } from 'node-dcom-lite';
import { WmioSchema } from '../protocol/cim-classes.ts';
import { clsidLevel1Login, wbem } from '../protocol/constants.ts';
import { hresultOf } from '../protocol/errors.ts';
import { level1Login, loginClientId, services, wmiInterfaces } from '../protocol/interfaces.ts';
import { Namespaces } from './namespaces.ts';
import { Operations } from './operations.ts';
import { createServices } from './services.ts';
import { SinkCalls } from './sinks.ts';
import type { WmiServer, WmiServerOptions } from './types.ts';

/** WMI over a CIM dispatcher: what clients activate to log in ([MS-WMI] 3.1.4.1, 3.1.4.2), and the namespaces behind it. */
export function createWmiServer(options: WmiServerOptions): WmiServer {
  const { dispatcher, environment, machine } = options;
  const schema = new WmioSchema(dispatcher.schema, machine);
  const namespaces = new Namespaces(dispatcher.schema);
  const sinks = new SinkCalls(options);

  function open(text: string): DcomObject {
    const namespace = namespaces.find(text);
    if (namespace === undefined) throw new CarmineError('cim/invalid-namespace', { context: { namespace: text } });
    const operations = new Operations({ dispatcher, schema, namespace });
    return createServices({ operations, environment, sinks, open });
  }

  /** Who may not manage learns nothing, not even which namespaces there are. */
  function requireManager({ token }: OrpcCall): void {
    if (!dispatcher.mayManage(token)) throw new CarmineError('auth/access-denied');
  }

  function login(): DcomObject {
    return {
      interfaces: [
        implement(level1Login, {
          EstablishPosition: () => ({ localeVersion: 1, hresult: 0 }),
          RequestChallenge: () => ({ reserved3: { items: new Array<number>(16).fill(0) }, hresult: wbem.notSupported }),
          WBEMLogin: () => ({ services: null, hresult: wbem.notImplemented }),
          NTLMLogin({ networkResource, flags }, call) {
            try {
              requireManager(call);
              if ((flags & ~allowedFlags) !== 0 || networkResource === null)
                return { services: null, hresult: wbem.invalidParameter };
              if (networkResource.length > maxNamespace) return { services: null, hresult: wbem.quotaViolation };
              return { services: call.marshal(open(networkResource), services.iid), hresult: 0 };
            } catch (error) {
              return { services: null, hresult: hresultOf(error) };
            }
          },
        }),
        implement(loginClientId, { SetClientInfo: () => ({ hresult: 0 }) }),
      ],
    };
  }

  return {
    interfaces: wmiInterfaces,
    classes: [
      {
        clsid: clsidLevel1Login,
        create(call) {
          requireManager(call);
          return login();
        },
      },
    ],
  };
}

/** What Windows lets through besides 0: note <33> of [MS-WMI]. */
const allowedFlags = 0x140;
const maxNamespace = 8173;
