import {
  type BindBody,
  type ContextElement,
  type ContextResult,
  contextResults,
  rejectionReasons,
} from '../pdu/bind.ts';
import { features, featuresOf, ndrSyntax, noSyntax, sameSyntax } from '../pdu/syntax.ts';
import type { RpcInterface, Shared } from './types.ts';

/** The presentation contexts of one connection (C706 12.6.3): which interface a request means. */
export class PresentationContexts {
  readonly #shared: Shared;
  readonly #contexts = new Map<number, RpcInterface>();
  #keepOnOrphan = false;

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  /** Agreed: the connection goes on when a call was orphaned. */
  get keepOnOrphan(): boolean {
    return this.#keepOnOrphan;
  }

  find(contextId: number): RpcInterface | undefined {
    return this.#contexts.get(contextId);
  }

  /** The answer to one element of bind or alter_context. */
  negotiate(element: ContextElement, index: number, body: BindBody): ContextResult {
    const reject = (reason: number): ContextResult => ({
      result: contextResults.providerRejection,
      reason,
      transferSyntax: noSyntax,
    });
    const [only] = element.transferSyntaxes;
    const mask = element.transferSyntaxes.length === 1 && only !== undefined ? featuresOf(only) : undefined;
    if (mask !== undefined && index > 0) {
      const known = mask & (features.securityContextMultiplexing | features.keepConnectionOnOrphan);
      this.#keepOnOrphan = (known & features.keepConnectionOnOrphan) !== 0;
      return { result: contextResults.negotiateAck, reason: known, transferSyntax: noSyntax };
    }
    const service = this.#shared.options.find(element.abstractSyntax);
    if (service === undefined) return reject(rejectionReasons.abstractSyntax);
    if (!element.transferSyntaxes.some((syntax) => sameSyntax(syntax, ndrSyntax)))
      return reject(rejectionReasons.transferSyntaxes);
    // The same abstract syntax may be offered twice, with one transfer syntax each; NDR is there once.
    const known = this.#contexts.get(element.contextId);
    if (known !== undefined && known !== service) return reject(rejectionReasons.abstractSyntax);
    if (known === undefined && this.#contexts.size >= this.#shared.limits.presentationContexts)
      return reject(rejectionReasons.localLimit);
    if (body.contexts.findIndex(({ contextId }) => contextId === element.contextId) !== index)
      return reject(rejectionReasons.abstractSyntax);
    this.#contexts.set(element.contextId, service);
    return { result: contextResults.acceptance, reason: 0, transferSyntax: ndrSyntax };
  }
}
