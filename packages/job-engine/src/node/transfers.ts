import type { ProxySettings } from '@carmine/core';
import {
  createFileTransfer,
  createRangesFactory,
  createSmallSet,
  nameWholeFiles,
  type PlannerOptions,
  type ProxyChoice,
  parseRatePeriod,
} from '@carmine/transfer';
import {
  type AgentTickets,
  createHttpReceiverFactory,
  createRateLimit,
  credentialAuthenticators,
  type HttpReceiverFactory,
  nodePlatform,
  smallSetPlatform,
} from '@carmine/transfer/node';
import type { SmallTransfers, TransferFactory, TransferRequest } from '../options.ts';

export interface NodeTransferOptions
  extends Pick<PlannerOptions, 'connections' | 'checkpointBytes' | 'checkpointTime' | 'largeFile'> {
  /** Directories below which jobs may write; nothing else is allowed. */
  readonly roots: readonly string[];
  /** PEM certificates of authorities that are trusted besides the system's. */
  readonly trust?: readonly string[] | undefined;
  readonly userAgent?: string | undefined;
  /** Jobs below foreground priority give way to whatever else uses their path; default false. */
  readonly backgroundYields?: boolean | undefined;
  /** How fast bytes may come for all jobs together: bytes per second, and lines of a timetable (`parseRatePeriod`). */
  readonly rate?:
    | { readonly bytesPerSecond?: number | undefined; readonly timetable?: readonly string[] | undefined }
    | undefined;
  /** Lets jobs log on with Kerberos. */
  readonly tickets?: AgentTickets | undefined;
}

/** Transfers over HTTP to the operating system's files. */
export function createNodeTransfers(options: NodeTransferOptions): TransferFactory {
  const platform = nodePlatform();
  const { bytesPerSecond, timetable = [] } = options.rate ?? {};
  const limited = bytesPerSecond !== undefined || timetable.length > 0;
  const rateLimits = limited
    ? [createRateLimit({ bytesPerSecond, periods: timetable.map(parseRatePeriod) })]
    : undefined;
  const jobs = new JobReceivers(options);
  const { roots, connections, backgroundYields } = options;
  const small: SmallTransfers = {
    fetch(files, onHead) {
      const [first] = files;
      // What has to be slow is not done by halves.
      if (first === undefined || limited || (backgroundYields === true && first.background)) return undefined;
      return createSmallSet(smallSetPlatform(), { files, roots, connections, receivers: jobs.of(first), onHead });
    },
    finish: (files) => nameWholeFiles(platform, files, roots),
  };
  const one = (request: TransferRequest) =>
    createFileTransfer(platform, {
      ...options,
      url: request.url,
      path: request.path,
      temporaryName: request.temporaryName,
      expectedSha256: request.expectedSha256,
      computeSha256: request.computeSha256,
      onProgress: request.onProgress,
      rateLimits,
      background: options.backgroundYields === true && request.background,
      receivers:
        request.ranges === undefined ? jobs.of(request) : createRangesFactory(jobs.of(request), request.ranges),
    });
  return Object.assign(one, { small });
}

/**
 * The connections of each job: a file takes over those of the one before, as who they were opened for. Never those of another job, and none that was opened
 * with other credentials, another certificate or another proxy.
 */
class JobReceivers {
  readonly #options: NodeTransferOptions;
  readonly #jobs = new Map<string, { readonly identity: string; readonly receivers: HttpReceiverFactory }>();

  constructor(options: NodeTransferOptions) {
    this.#options = options;
  }

  of(request: TransferRequest): HttpReceiverFactory {
    const { jobId, credentials, clientCertificate, proxy } = request;
    if (jobId === undefined) return this.#create(request);
    const identity = JSON.stringify([credentials, clientCertificate ?? null, proxy]);
    const known = this.#jobs.get(jobId);
    if (known?.identity === identity) return known.receivers;
    known?.receivers.close();
    for (const [id, { receivers }] of this.#jobs) if (receivers.isIdle()) this.#jobs.delete(id);
    const receivers = this.#create(request);
    this.#jobs.set(jobId, { identity, receivers });
    return receivers;
  }

  #create({ credentials, clientCertificate, proxy }: TransferRequest): HttpReceiverFactory {
    const { userAgent, trust, tickets } = this.#options;
    return createHttpReceiverFactory({
      userAgent,
      trust,
      clientCertificate,
      authenticator: credentialAuthenticators(credentials, tickets),
      proxy: proxyChoice(proxy),
      proxyAuthenticator: credentialAuthenticators(credentials, tickets, 'proxy'),
      idle: idleTime,
    });
  }
}

/** Milliseconds; servers that close early do so after five seconds. */
const idleTime = 4_000;

/** UNSPECIFIED: nobody has settings of their own here, as users of Windows do; `preconfig` means the agent's environment. */
function proxyChoice({ usage, proxyList, bypassList }: ProxySettings): ProxyChoice {
  switch (usage) {
    case 'override':
      return { usage: 'list', list: proxyList ?? '', bypass: bypassList };
    case 'preconfig':
      return { usage: 'environment', variables: process.env };
    case 'noProxy':
    case 'autodetect':
      return { usage: 'none' };
  }
}
