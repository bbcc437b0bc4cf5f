import type { Socket } from 'node:net';
import type { HttpScheme } from '@carmine/auth';
import type { RequestHead } from '@carmine/http1';
import type { UrlGroup } from '../group.ts';
import { decodePath, originForm, route } from '../router.ts';
import { suffixKey } from '../suffix.ts';
import type { DataAcceptor } from './data-acceptor.ts';
import type { PortContext } from './port-listener.ts';

/** What a request asks for. */
export interface Target {
  readonly group: UrlGroup;
  /** Of the URL in its group; undefined when no URL can have it. */
  readonly key: string | undefined;
}

/** A connection: its addresses, who is logged on, and what it asked for last, as it mostly asks for the same again. */
export class Visitor {
  readonly source: string;
  /** One acceptor for each set of schemes: groups on one port may differ. */
  readonly acceptors = new Map<readonly HttpScheme[], DataAcceptor>();
  readonly #localAddress: string;
  #last: Found | undefined;

  constructor(socket: Socket) {
    this.source = socket.remoteAddress ?? '';
    this.#localAddress = (socket.localAddress ?? '').replace(/^::ffff:/, '');
  }

  /**
   * Undefined for a target that does not decode, and where no group is.
   *
   * @param groups another array when a group has come or gone.
   */
  find({ target, fields }: RequestHead, port: PortContext, groups: readonly UrlGroup[]): Target | undefined {
    const host = fields.get('host');
    const last = this.#last;
    if (last !== undefined && last.groups === groups && last.target === target && last.host === host) return last.found;
    const found = this.#find(target, host, port, groups);
    this.#last = { groups, target, host, found };
    return found;
  }

  #find(target: string, host: string | undefined, port: PortContext, groups: readonly UrlGroup[]): Target | undefined {
    const origin = originForm(target, port.scheme);
    const path = origin && decodePath(origin.target);
    if (path === undefined) return undefined;
    const found = route(groups, {
      port: port.port,
      scheme: port.scheme,
      host: hostOf(origin?.authority ?? host),
      localAddress: this.#localAddress,
      path,
    });
    return found && { group: found.group, key: keyOf(found.suffix) };
  }
}

interface Found {
  readonly groups: readonly UrlGroup[];
  readonly target: string;
  readonly host: string | undefined;
  readonly found: Target | undefined;
}

function hostOf(header: string | undefined): string {
  return (header ?? '').replace(/:\d*$/, '').toLowerCase();
}

function keyOf(suffix: string): string | undefined {
  try {
    return suffixKey(suffix);
  } catch {
    return undefined;
  }
}
