import { CarmineError } from '@carmine/errors';
import { type DcomObject, implement, type OrpcCall, type RequestOf } from 'node-dcom-lite';
import { wbem, wbemFlags } from '../protocol/constants.ts';
import { putProperties } from '../protocol/context.ts';
import { hresultOf } from '../protocol/errors.ts';
import { callResult, enumClassObject, services } from '../protocol/interfaces.ts';
import { marshalObject, unmarshalObject } from '../protocol/marshal.ts';
import type { WmioObject } from '../wmio/types.ts';
import { type CallOutcome, createCallResult } from './call-result.ts';
import type { Source } from './cursor.ts';
import { Enumerator } from './enumerator.ts';
import type { Operations } from './operations.ts';
import type { SinkCalls } from './sinks.ts';
import type { WmiEnvironment } from './types.ts';

export interface ServicesOptions {
  readonly operations: Operations;
  readonly environment: WmiEnvironment;
  readonly sinks: SinkCalls;
  /** IWbemServices of a namespace below or beside; throws `cim/invalid-namespace`. */
  readonly open: (namespace: string) => DcomObject;
}

type Methods = (typeof services)['methods'];
/** undefined: the caller gave no place for it. */
type Place = Uint8Array | null | undefined;

/** IWbemServices, [MS-WMI] 3.1.4.3, in the three ways of each method: synchronous, semi-synchronous and asynchronous. */
export function createServices(options: ServicesOptions): DcomObject {
  const { operations, environment, sinks } = options;

  /** An enumeration: what is wrong shows at once, or with WBEM_FLAG_RETURN_IMMEDIATELY at the first Next. */
  async function enumerate(flags: number, call: OrpcCall, open: () => Source<WmioObject>) {
    try {
      const immediately = (flags & wbemFlags.returnImmediately) !== 0;
      const enumerator = new Enumerator({
        source: immediately ? deferred(open) : open(),
        environment,
        forwardOnly: (flags & wbemFlags.forwardOnly) !== 0,
        deliver: (sink, from, source) => sinks.start(sink, from, source),
      });
      if (!immediately) await enumerator.start(call.signal);
      return { enum: call.marshal(enumerator.toObject(), enumClassObject.iid), hresult: 0 };
    } catch (error) {
      return { enum: null, hresult: hresultOf(error) };
    }
  }

  /**
   * A call with one result ([MS-WMI] 3.1.1.1.1, 3.1.1.1.2): `first` is the place of the object, `result` that of IWbemCallResult.
   * Whoever gave a place for it gets an IWbemCallResult, also of a call that is over.
   */
  async function single(
    flags: number,
    call: OrpcCall,
    result: Place,
    work: (signal: AbortSignal) => Promise<CallOutcome>,
  ): Promise<{ readonly outcome: CallOutcome | undefined; readonly result: Place; readonly hresult: number }> {
    const refused = (hresult: number) => ({
      outcome: undefined,
      result: result === undefined ? undefined : null,
      hresult,
    });
    const hand = (outcome: Promise<CallOutcome>, cancel: () => void) =>
      call.marshal(createCallResult(outcome, environment, cancel), callResult.iid);
    try {
      if ((flags & wbemFlags.returnImmediately) !== 0) {
        if (result === undefined) return refused(wbem.invalidParameter);
        const controller = new AbortController();
        const outcome = work(controller.signal);
        return { outcome: undefined, result: hand(outcome, () => controller.abort()), hresult: 0 };
      }
      const outcome = await work(call.signal);
      return {
        outcome,
        result: result === undefined ? undefined : hand(Promise.resolve(outcome), () => {}),
        hresult: 0,
      };
    } catch (error) {
      return refused(hresultOf(error));
    }
  }

  async function oneResult(
    flags: number,
    call: OrpcCall,
    place: Place,
    work: (signal: AbortSignal) => Promise<CallOutcome>,
  ) {
    const { result, hresult } = await single(flags, call, place, work);
    return { result, hresult };
  }

  async function later(
    sink: Uint8Array | null,
    call: OrpcCall,
    work: (signal: AbortSignal) => AsyncIterable<WmioObject>,
  ) {
    return { hresult: await sinks.start(sink, call, work) };
  }

  const amended = (flags: number) => (flags & wbemFlags.useAmendedQualifiers) !== 0;
  const shallow = (flags: number) => (flags & wbemFlags.shallow) !== 0;

  const getObject = (
    { objectPath, flags }: Pick<RequestOf<Methods['GetObject']>, 'objectPath' | 'flags'>,
    call: OrpcCall,
    signal: AbortSignal,
  ) => operations.getObject(limited(objectPath, maxPath), amended(flags), call.token, signal);
  const instances = (request: { readonly class: string | null }, call: OrpcCall) =>
    operations.instances(required(request.class, maxName), call.token);
  const classes = ({ superclass, flags }: { readonly superclass: string | null; readonly flags: number }) =>
    operations.classes(limited(superclass, maxName) ?? '', shallow(flags), amended(flags));
  const query = (
    request: { readonly language: string | null; readonly query: string | null; readonly flags: number },
    call: OrpcCall,
  ) => {
    const text = required(request.query, maxQuery);
    const locatable = (request.flags & ensureLocatable) !== 0;
    return operations.query(required(request.language, maxName), text, locatable, amended(request.flags), call.token);
  };
  const events = (
    request: { readonly language: string | null; readonly query: string | null },
    call: OrpcCall,
    signal: AbortSignal,
  ) => operations.events(required(request.language, maxName), required(request.query, maxQuery), call.token, signal);
  const put = async (
    request: Pick<RequestOf<Methods['PutInstance']>, 'instance' | 'flags' | 'context'>,
    call: OrpcCall,
    signal: AbortSignal,
  ) => {
    if (request.instance === null) throw invalidParameter('pInst');
    // UNSPECIFIED: only what exists can be put; jobs and groups are created by methods.
    if ((request.flags & createOnlyMask) === wbemFlags.createOnly)
      throw new CarmineError('cim/not-supported', { context: { operation: 'Create', className: 'instances' } });
    const object = unmarshalObject(request.instance);
    return await operations.putInstance(object, putProperties(request.context), call.token, signal);
  };
  const remove = (request: { readonly objectPath: string | null }, call: OrpcCall, signal: AbortSignal) =>
    operations.deleteInstance(required(request.objectPath, maxPath), call.token, signal);
  const exec = (
    request: Pick<RequestOf<Methods['ExecMethod']>, 'objectPath' | 'method' | 'inParameters'>,
    call: OrpcCall,
    signal: AbortSignal,
  ) => {
    const input = request.inParameters === null ? undefined : unmarshalObject(request.inParameters);
    const path = required(request.objectPath, maxPath);
    const sealed = call.token.protectedChannel;
    return operations.execMethod(path, required(request.method, maxName), input, sealed, call.token, signal);
  };

  return {
    interfaces: [
      implement(services, {
        async OpenNamespace({ namespace, flags, workingNamespace, result }, call) {
          const done = await single(flags, call, result, async () => ({
            services: options.open(`${operations.namespace.name}\\${required(namespace, maxNamespace)}`),
          }));
          const opened = done.outcome?.services;
          return {
            workingNamespace:
              workingNamespace === undefined
                ? undefined
                : opened === undefined
                  ? null
                  : call.marshal(opened, services.iid),
            result: done.result,
            hresult: done.hresult,
          };
        },
        CancelAsyncCall: ({ sink }, call) => ({ hresult: sinks.cancel(sink, call) }),
        QueryObjectSink: () => ({ sink: null, hresult: wbem.notSupported }),
        async GetObject(request, call) {
          const done = await single(request.flags, call, request.result, async (signal) => ({
            object: await getObject(request, call, signal),
          }));
          return { object: filled(request.object, done.outcome?.object), result: done.result, hresult: done.hresult };
        },
        GetObjectAsync: (request, call) => later(request.sink, call, (signal) => one(getObject(request, call, signal))),
        PutClass: ({ flags, result }, call) => oneResult(flags, call, result, () => Promise.reject(classesStay())),
        PutClassAsync: ({ sink }, call) => later(sink, call, () => one(Promise.reject(classesStay()))),
        DeleteClass: (request, call) =>
          oneResult(request.flags, call, request.result, async () =>
            operations.deleteClass(required(request.class, maxName)),
          ),
        DeleteClassAsync: (request, call) =>
          later(request.sink, call, () => none(async () => operations.deleteClass(required(request.class, maxName)))),
        CreateClassEnum: (request, call) => enumerate(request.flags, call, () => classes(request)),
        CreateClassEnumAsync: (request, call) =>
          later(
            request.sink,
            call,
            deferred(() => classes(request)),
          ),
        PutInstance: (request, call) =>
          oneResult(request.flags, call, request.result, async (signal) => ({
            text: await put(request, call, signal),
          })),
        PutInstanceAsync: (request, call) =>
          later(request.sink, call, (signal) => none(() => put(request, call, signal))),
        DeleteInstance: (request, call) =>
          oneResult(request.flags, call, request.result, async (signal) => {
            await remove(request, call, signal);
            return {};
          }),
        DeleteInstanceAsync: (request, call) =>
          later(request.sink, call, (signal) => none(() => remove(request, call, signal))),
        CreateInstanceEnum: (request, call) => enumerate(request.flags, call, () => instances(request, call)),
        CreateInstanceEnumAsync: (request, call) =>
          later(
            request.sink,
            call,
            deferred(() => instances(request, call)),
          ),
        ExecQuery: (request, call) => enumerate(request.flags, call, () => query(request, call)),
        ExecQueryAsync: (request, call) =>
          later(
            request.sink,
            call,
            deferred(() => query(request, call)),
          ),
        async ExecNotificationQuery(request, call) {
          const both = wbemFlags.returnImmediately | wbemFlags.forwardOnly;
          if ((request.flags & both) !== both) return { enum: null, hresult: wbem.invalidParameter };
          const controller = new AbortController();
          try {
            const told = await events(request, call, controller.signal);
            // The enumeration ends with the object; the subscription with it.
            const source: Source<WmioObject> = (signal) => {
              signal.addEventListener('abort', () => controller.abort(), { once: true });
              return told;
            };
            const enumerator = new Enumerator({ source, environment, forwardOnly: true });
            return { enum: call.marshal(enumerator.toObject(), enumClassObject.iid), hresult: 0 };
          } catch (error) {
            controller.abort();
            return { enum: null, hresult: hresultOf(error) };
          }
        },
        ExecNotificationQueryAsync: async (request, call) =>
          later(request.sink, call, async function* (signal) {
            yield* await events(request, call, signal);
          }),
        async ExecMethod(request, call) {
          const done = await single(request.flags, call, request.result, async (signal) => ({
            object: await exec(request, call, signal),
          }));
          return {
            outParameters: filled(request.outParameters, done.outcome?.object),
            result: done.result,
            hresult: done.hresult,
          };
        },
        ExecMethodAsync: (request, call) => later(request.sink, call, (signal) => one(exec(request, call, signal))),
      }),
    ],
  };
}

/** What a place gets: nothing where there is none. */
function filled(place: Place, object: WmioObject | undefined): Place {
  if (place === undefined) return undefined;
  return object === undefined ? null : marshalObject(object);
}

/** A source whose making may fail: then its first item does. */
function deferred(open: () => Source<WmioObject>): Source<WmioObject> {
  return async function* (signal) {
    yield* open()(signal);
  };
}

async function* one(object: Promise<WmioObject>): AsyncIterable<WmioObject> {
  yield await object;
}

/** There is nothing to tell but how it ended. */
async function* none(work: () => Promise<unknown>): AsyncIterable<WmioObject> {
  await work();
  yield* [];
}

function required(text: string | null, most: number): string {
  if (text === null || text === '') throw invalidParameter('a string');
  return limited(text, most) ?? '';
}

function limited(text: string | null, most: number): string | null {
  if (text !== null && text.length > most)
    throw new CarmineError('cim/invalid-parameter', {
      context: { name: 'a string', reason: 'too long' },
      hresult: wbem.quotaViolation,
    });
  return text;
}

function invalidParameter(name: string): CarmineError {
  return new CarmineError('cim/invalid-parameter', { context: { name, reason: 'it is missing' } });
}

function classesStay(): CarmineError {
  return new CarmineError('cim/not-supported', { context: { operation: 'PutClass', className: 'any class' } });
}

/** Notes <38> to <53> of [MS-WMI]. */
const maxName = 4096;
const maxPath = 8192;
const maxQuery = 16_384;
const maxNamespace = 8173;
const ensureLocatable = 0x100;
const createOnlyMask = 0x3;
