/** node:tls, loaded when it is needed: that takes milliseconds, and a thread that parses the system's authorities. */
export function loadTls(): typeof import('node:tls') {
  return process.getBuiltinModule('node:tls');
}
