/** Internal: a KDC that listens, for tests of several packages. Nothing that ships imports it. */
export { type KdcBehaviour, type ListeningKdc, listenKdc } from './listening-kdc.ts';
export { systemKdc } from './system-kdc.ts';
