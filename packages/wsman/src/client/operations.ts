import {
  bitsClientFileClass,
  bitsClientJobClass,
  bitsCompactServerUrlGroupClass,
  type CimClass,
  type CimElement,
  type CimInstance,
  CimSchema,
  type CimValue,
  carmineEndedJobClass,
  carmineJobFileClass,
  carmineTransferClass,
  carmineUrlClass,
  carmineUrlGroupClass,
  findByName,
  isInstance,
  type MethodResult,
  type ObjectPath,
  outParameters,
  returnValueElement,
  userAccountClass,
} from '@carmine/cim';
import type { CallOptions } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import { completeProperties, decodeElements, decodeUntyped, instanceClassName } from '../protocol/decode-cim.ts';
import { encodeParameters } from '../protocol/encode-cim.ts';
import { actions, dialects } from '../protocol/names.ts';
import { parseResourceUri, type ResourceUri, wmiUri } from '../protocol/resource-uri.ts';
import type { XmlElement } from '../xml/element.ts';
import { encodeText } from '../xml/encoding.ts';
import { XmlWriter } from '../xml/writer.ts';
import type { Ask } from './ask.ts';
import { enumerateItems } from './enumerate.ts';
import { readReference } from './read-reference.ts';
import { readResponse } from './read-response.ts';
import { subscribeByPull } from './subscribe.ts';
import type { IdentifyResult, WsmanOperations, WsmanOperationsOptions } from './types.ts';
import { writeIdentifyRequest, writeRequest } from './write-request.ts';

/** The CIM calls of a machine behind `exchange`. Knows nothing of HTTP but status codes. */
export function createWsmanOperations(options: WsmanOperationsOptions): WsmanOperations {
  const schema = options.schema ?? defaultSchema;
  const operationTimeout = options.operationTimeout ?? 60_000;
  const batchSize = options.batchSize ?? 1000;

  const ask: Ask = async (message, callOptions) => {
    const messageId = `uuid:${options.uuid().toUpperCase()}`;
    const { action, resourceUri, selectors = [], identifier } = message;
    const text = writeRequest(
      { to: options.to, action, resourceUri, selectors, identifier, messageId, operationTimeout },
      message.body,
    );
    return send(text, message.idempotent, messageId, callOptions);
  };

  async function send(
    text: string,
    idempotent: boolean,
    messageId: string | undefined,
    callOptions: CallOptions | undefined,
  ): Promise<XmlElement | undefined> {
    const signal = callOptions?.signal;
    if (signal?.aborted === true) throw new CarmineError('internal/aborted');
    const body = encodeText(text, 'utf-8');
    const response = await options.exchange({ body, contentType, idempotent, signal });
    return readResponse(response, messageId, operationTimeout);
  }

  function findClass(namespace: string, className: string): CimClass | undefined {
    return schema.findClass(namespace, className);
  }

  function decodeInstance(namespace: string, className: string, node: XmlElement, complete: boolean): CimInstance {
    const cls = findClass(namespace, className);
    if (cls === undefined) return { namespace, className, properties: decodeUntyped(node.children) };
    const given = decodeElements({ schema, namespace }, cls.properties, node.children, () => {});
    const properties = complete ? completeProperties(cls.properties, given) : given;
    return { namespace, className: cls.name, properties };
  }

  async function getInstance(path: ObjectPath, callOptions?: CallOptions): Promise<CimInstance> {
    const resourceUri = wmiUri(path.namespace, path.className);
    const message = { action: actions.get, resourceUri, selectors: path.keys, body: '', idempotent: true };
    const node = requireContent(await ask(message, callOptions));
    return decodeInstance(path.namespace, instanceClassName(node), node, true);
  }

  async function* enumerateInstances(
    namespace: string,
    className: string,
    callOptions?: CallOptions,
  ): AsyncIterable<CimInstance> {
    for await (const node of enumerateItems(ask, wmiUri(namespace, className), '', batchSize, callOptions))
      yield decodeInstance(namespace, instanceClassName(node), node, true);
  }

  async function* enumerateReferences(
    namespace: string,
    className: string,
    callOptions?: CallOptions,
  ): AsyncIterable<ObjectPath> {
    const mode = new XmlWriter().element('w:EnumerationMode', 'EnumerateEPR').toString();
    const cls = findClass(namespace, className);
    for await (const node of enumerateItems(ask, wmiUri(namespace, className), mode, batchSize, callOptions))
      yield { namespace, className: cls?.name ?? className, keys: readReference(cls, node) };
  }

  async function* executeQuery(
    namespace: string,
    query: string,
    callOptions?: CallOptions,
  ): AsyncIterable<CimInstance> {
    const filter = new XmlWriter().element('w:Filter', query, { Dialect: dialects.wql }).toString();
    // The class of a projection stands only in the query (spec: section 7.8).
    const queried = /\sfrom\s+([A-Za-z_]\w*)/i.exec(query)?.[1] ?? '';
    for await (const node of enumerateItems(ask, wmiUri(namespace, '*'), filter, batchSize, callOptions)) {
      const projection = node.local === 'XmlFragment';
      yield decodeInstance(namespace, projection ? queried : instanceClassName(node), node, !projection);
    }
  }

  async function subscribe(
    namespace: string,
    query: string,
    callOptions?: CallOptions,
  ): Promise<AsyncIterable<CimInstance>> {
    const filter = new XmlWriter().element('w:Filter', query, { Dialect: dialects.wql }).toString();
    return await subscribeByPull(
      {
        ask,
        now: options.now,
        resourceUri: wmiUri(namespace, '*'),
        filter,
        batchSize,
        decode: (node) => decodeInstance(namespace, instanceClassName(node), node, false),
      },
      callOptions,
    );
  }

  async function modifyInstance(
    path: ObjectPath,
    changes: ReadonlyMap<string, CimValue>,
    callOptions?: CallOptions,
  ): Promise<CimInstance> {
    const resourceUri = wmiUri(path.namespace, path.className);
    const cls = findClass(path.namespace, path.className) ?? unknownClass(path);
    const values = [...changes].map(([name, value]) => [elementFor(cls.properties, name, value), value] as const);
    const body = encodeParameters(encodingFor(resourceUri), cls, cls.name, values);
    // Setting the same values again changes nothing more.
    const message = { action: actions.put, resourceUri, selectors: path.keys, body, idempotent: true };
    const node = await ask(message, callOptions);
    if (node === undefined) return getInstance(path, callOptions);
    return decodeInstance(path.namespace, instanceClassName(node), node, true);
  }

  async function deleteInstance(path: ObjectPath, callOptions?: CallOptions): Promise<void> {
    const resourceUri = wmiUri(path.namespace, path.className);
    const message = { action: actions.delete, resourceUri, selectors: path.keys, body: '', idempotent: false };
    await ask(message, callOptions);
  }

  async function invokeMethod(
    path: ObjectPath,
    methodName: string,
    parameters: ReadonlyMap<string, CimValue>,
    callOptions?: CallOptions,
  ): Promise<MethodResult> {
    const resourceUri = wmiUri(path.namespace, path.className);
    const cls = findClass(path.namespace, path.className) ?? unknownClass(path);
    const method = findByName(cls.methods, methodName);
    const name = method?.name ?? methodName;
    const known = method?.parameters ?? [];
    const values = [...parameters].map(([key, value]) => [elementFor(known, key, value), value] as const);
    const body = encodeParameters(encodingFor(resourceUri), cls, `${name}_INPUT`, values);
    const message = { action: `${resourceUri}/${name}`, resourceUri, selectors: path.keys, body, idempotent: false };
    // OMI names the element after the method alone (spec: section 6.6): any name will do.
    const node = await ask(message, callOptions);
    const children = node?.children ?? [];
    const decoding = { schema, namespace: path.namespace };
    const returned = decodeElements(decoding, [returnValueElement], children, () => {}).get(returnValueElement.name);
    const returnValue = typeof returned === 'number' ? returned : 0;
    if (method === undefined) {
      const out = decodeUntyped(children.filter((item) => item.local !== returnValueElement.name));
      return { returnValue, out };
    }
    const given = decodeElements(decoding, outParameters(method), children, () => {});
    return { returnValue, out: completeProperties(outParameters(method), given) };
  }

  async function identify(callOptions?: CallOptions): Promise<IdentifyResult> {
    const node = requireContent(await send(writeIdentifyRequest(), true, undefined, callOptions));
    // OMI puts the response element into the SOAP namespace: only local names count.
    const text = (local: string): string => node.children.find((item) => item.local === local)?.text.trim() ?? '';
    return {
      vendor: text('ProductVendor'),
      version: text('ProductVersion'),
      protocolVersion: text('ProtocolVersion'),
    };
  }

  function encodingFor(resourceUri: string) {
    return { schema, uri: requireUri(resourceUri), preciseArrays: false };
  }

  return {
    getInstance,
    enumerateInstances,
    enumerateReferences,
    executeQuery,
    subscribe,
    modifyInstance,
    deleteInstance,
    invokeMethod,
    identify,
  };
}

/** The known element of that name, or one made up for the value, so that the server can say what is wrong with it. */
function elementFor(known: readonly CimElement[], name: string, value: CimValue): CimElement {
  const found = findByName(known, name);
  if (found !== undefined) return found;
  const array = Array.isArray(value) || value instanceof Uint8Array;
  return { name, type: isInstance(value) ? 'object' : 'string', array, description: '' };
}

function unknownClass(path: ObjectPath): CimClass {
  const { namespace, className: name } = path;
  return { namespace, name, provider: '', description: '', properties: [], methods: [] };
}

function requireUri(resourceUri: string): ResourceUri {
  const uri = parseResourceUri(resourceUri);
  if (uri === undefined) throw new CarmineError('cim/invalid-class', { context: { className: resourceUri } });
  return uri;
}

function requireContent(node: XmlElement | undefined): XmlElement {
  if (node === undefined) throw new CarmineError('wsman/unexpected', { context: { reason: 'an empty body' } });
  return node;
}

const contentType = 'application/soap+xml;charset=UTF-8';
const defaultSchema = new CimSchema([
  bitsClientFileClass,
  bitsClientJobClass,
  bitsCompactServerUrlGroupClass,
  carmineEndedJobClass,
  carmineJobFileClass,
  carmineTransferClass,
  carmineUrlClass,
  carmineUrlGroupClass,
  userAccountClass,
]);
