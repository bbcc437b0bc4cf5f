import { type DcomObject, implement, type OrpcCall } from 'node-dcom-lite';
import { infinite, wbem } from '../protocol/constants.ts';
import { hresultOf } from '../protocol/errors.ts';
import { callResult, services } from '../protocol/interfaces.ts';
import { marshalObject } from '../protocol/marshal.ts';
import type { WmioObject } from '../wmio/types.ts';
import type { WmiEnvironment } from './types.ts';

/** What a semi-synchronous call comes to. */
export interface CallOutcome {
  readonly object?: WmioObject | undefined;
  readonly text?: string | undefined;
  readonly services?: DcomObject | undefined;
}

/** IWbemCallResult, [MS-WMI] 3.1.4.5: the result of a call that was answered at once. */
export function createCallResult(
  outcome: Promise<CallOutcome>,
  environment: WmiEnvironment,
  cancel: () => void,
): DcomObject {
  // Nobody need ask how it ended.
  outcome.catch(() => {});

  async function settled(timeout: number, { signal }: OrpcCall): Promise<CallOutcome | number> {
    let stop: () => void = () => {};
    let end: () => void = () => {};
    const late = new Promise<number>((resolve) => {
      end = () => resolve(wbem.timedOut);
      if (timeout !== infinite) stop = environment.after(timeout, end);
      signal.addEventListener('abort', end, { once: true });
    });
    try {
      return await Promise.race([outcome, late]);
    } catch (error) {
      return hresultOf(error);
    } finally {
      stop();
      signal.removeEventListener('abort', end);
    }
  }

  return {
    interfaces: [
      implement(callResult, {
        async GetResultObject({ timeout }, call) {
          const done = await settled(timeout, call);
          if (typeof done === 'number') return { object: null, hresult: done };
          return done.object === undefined
            ? { object: null, hresult: wbem.invalidOperation }
            : { object: marshalObject(done.object), hresult: 0 };
        },
        async GetResultString({ timeout }, call) {
          const done = await settled(timeout, call);
          if (typeof done === 'number') return { text: null, hresult: done };
          return done.text === undefined
            ? { text: null, hresult: wbem.invalidOperation }
            : { text: done.text, hresult: 0 };
        },
        async GetResultServices({ timeout }, call) {
          const done = await settled(timeout, call);
          if (typeof done === 'number') return { services: null, hresult: done };
          return done.services === undefined
            ? { services: null, hresult: wbem.invalidOperation }
            : { services: call.marshal(done.services, services.iid), hresult: 0 };
        },
        async GetCallStatus({ timeout }, call) {
          const done = await settled(timeout, call);
          if (done === wbem.timedOut) return { status: 0, hresult: wbem.timedOut };
          return { status: typeof done === 'number' ? done : 0, hresult: 0 };
        },
      }),
    ],
    released: cancel,
  };
}
