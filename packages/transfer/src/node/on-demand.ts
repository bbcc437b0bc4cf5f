/**
 * Node's larger modules, loaded when they are needed: together they take a third of the start of a program that fetches
 * over http and wants no digest.
 */
export function tls(): typeof import('node:tls') {
  return process.getBuiltinModule('node:tls');
}

export function crypto(): typeof import('node:crypto') {
  return process.getBuiltinModule('node:crypto');
}

export function threads(): typeof import('node:worker_threads') {
  return process.getBuiltinModule('node:worker_threads');
}
