export { openGroupStore, type SqliteGroupStore } from './group-store.ts';
export { createUrlServer, type UrlServer, type UrlServerClock, type UrlServerOptions } from './url-server.ts';
