/**
 * node:ffi, on Linux (in Node from 26 on, without a flag); undefined elsewhere. That it is experimental is the business of those who use it
 * here, where everything goes on without it, and not of who calls `download` and would read so on his stderr. It stands alone: its text is part of a
 * thread's.
 */
export function loadFfi(): typeof import('node:ffi') | undefined {
  if (process.platform !== 'linux') return undefined;
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return process.getBuiltinModule('node:ffi');
  } finally {
    process.emitWarning = emitWarning;
  }
}
