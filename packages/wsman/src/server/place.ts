import { CarmineError } from '@carmine/errors';
import { type FaultPlace, faultFromError } from '../protocol/fault-mapping.ts';
import { carriedFault, faultError } from '../protocol/faults.ts';

/**
 * Runs a step and turns what it throws into the fault that fits this place of the message: the same type mismatch is
 * another fault in a selector than in a parameter.
 */
export function place<T>(where: FaultPlace, step: () => Promise<T>): Promise<T>;
export function place<T>(where: FaultPlace, step: () => T): T;
export function place<T>(where: FaultPlace, step: () => T | Promise<T>): T | Promise<T> {
  try {
    const result = step();
    return result instanceof Promise ? result.catch((error: unknown) => raise(where, error)) : result;
  } catch (error) {
    return raise(where, error);
  }
}

function raise(where: FaultPlace, error: unknown): never {
  if (carriedFault(error) !== undefined) throw CarmineError.from(error);
  const { name, ...fault } = faultFromError(error, where);
  throw faultError(name, fault);
}
