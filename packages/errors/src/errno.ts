/** Maps an operating system error name (`ENOSPC`) to the HRESULT that BITS reports for it; undefined when there is none. */
export function errnoToHresult(errno: string): number | undefined {
  return Object.hasOwn(table, errno) ? table[errno] : undefined;
}

/** spec: BITS result codes, section 5.4, column "portable cause". */
const table: Readonly<Record<string, number>> = {
  ENOENT: 0x80070002,
  ENOTDIR: 0x80070003,
  EACCES: 0x80070005,
  EPERM: 0x80070005,
  EROFS: 0x80070005,
  EBUSY: 0x80070020,
  ETXTBSY: 0x80070020,
  EINVAL: 0x80070057,
  ENAMETOOLONG: 0x8007007b,
  ENOSPC: 0x80070070,
  EDQUOT: 0x80070070,
  EFBIG: 0x80070070,
  EEXIST: 0x800700b7,
  EIO: 0x8007045d,
  EMFILE: 0x80070004,
  ENFILE: 0x80070004,
  ETIMEDOUT: 0x80072ee2,
  ENOTFOUND: 0x80072ee7,
  EAI_AGAIN: 0x80072ee7,
  ECONNREFUSED: 0x80072efd,
  EHOSTUNREACH: 0x80072efd,
  ENETUNREACH: 0x80072efd,
  EADDRNOTAVAIL: 0x80072efd,
  ECONNRESET: 0x80072efe,
  EPIPE: 0x80072efe,
  EADDRINUSE: 0x80072740,
};
