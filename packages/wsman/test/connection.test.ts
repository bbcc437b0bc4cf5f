import type { HttpAcceptor, HttpAuthOutcome, SecurityContext } from '@carmine/auth';
import { CarmineError } from '@carmine/errors';
import { describe, expect, it } from 'vitest';
import { createWsmanConnection, type HttpHead } from '../src/index.ts';
import { parseContentType } from '../src/protocol/content-type.ts';
import { openSealed, sealMessage, spnegoProtocol } from '../src/protocol/sealed.ts';
import { admin, envelope, readAnswer, testServer } from './support.ts';

const unused = (): never => {
  throw new Error('must not be called');
};
const context: SecurityContext = {
  mechanism: 'spnego',
  complete: true,
  step: unused,
  sign: unused,
  verify: unused,
  sessionKey: new Uint8Array(16),
  peer: undefined,
  wrap: (plaintext) => ({ header: new Uint8Array(16), data: plaintext.map((byte) => byte ^ 0x55) }),
  unwrap: ({ header, data }) => {
    if (header.length !== 16) throw new CarmineError('auth/bad-signature');
    return data.map((byte) => byte ^ 0x55);
  },
};

/** Accepts `Good`, goes on after `Half`, and challenges everything else; remembers like a real connection. */
function acceptor(withContext = true): HttpAcceptor {
  let accepted = false;
  return {
    get context() {
      return accepted && withContext ? context : undefined;
    },
    authenticate(authorization): HttpAuthOutcome {
      const token = { ...admin, protectedChannel: false };
      if (authorization === undefined && accepted) return { kind: 'accepted', token };
      accepted = authorization === 'Good';
      if (accepted) return { kind: 'accepted', token, responseHeader: 'Negotiate last' };
      if (authorization === 'Half') return { kind: 'continue', headers: ['Negotiate half'] };
      return { kind: 'challenge', headers: ['Negotiate', 'Basic realm="WSMAN"'] };
    },
  };
}

const head = (changes: Partial<HttpHead> = {}): HttpHead => ({
  method: 'POST',
  url: '/wsman',
  authorization: 'Good',
  contentType: 'application/soap+xml;charset=UTF-8',
  contentLength: 0,
  soapAction: undefined,
  identify: undefined,
  ...changes,
});
const request = new TextEncoder().encode(envelope({ selectors: { JobId: 'x' } }));

function connection(options: { secureTransport?: boolean; anonymousIdentify?: boolean; withContext?: boolean } = {}) {
  return createWsmanConnection({
    server: testServer().server,
    acceptor: acceptor(options.withContext),
    secureTransport: options.secureTransport ?? false,
    anonymousIdentify: options.anonymousIdentify ?? false,
  });
}

async function run(target: ReturnType<typeof connection>, changes: Partial<HttpHead>, body?: Uint8Array) {
  const decision = target.begin(head({ contentLength: body?.length ?? 0, ...changes }));
  if (decision.kind === 'reply') return decision.reply;
  return decision.finish(body ?? new Uint8Array(0), new AbortController());
}

describe('an HTTP connection', () => {
  it.each([
    ['/', 404],
    ['/wsman2', 404],
    ['/wsman/x', 404],
    ['//wsman', 404],
    ['/wsman', 200],
    ['/WSMan/', 200],
    ['/wsman?PSVersion=5.1', 200],
    ['/WSMAN/?x', 200],
  ])('%s is %i', async (url, status) => {
    expect((await run(connection(), { url })).status).toBe(status);
  });

  it.each(['GET', 'PUT', 'OPTIONS', 'CONNECT'])('%s is not allowed', async (method) => {
    expect((await run(connection(), { method })).status).toBe(405);
  });

  it('challenges, goes on, accepts, and knows the caller from then on', async () => {
    const target = connection();
    const first = await run(target, { authorization: undefined }, request);
    expect([first.status, first.wwwAuthenticate, first.close]).toEqual([
      401,
      ['Negotiate', 'Basic realm="WSMAN"'],
      false,
    ]);
    const half = await run(target, { authorization: 'Half' });
    expect([half.status, half.wwwAuthenticate, half.close]).toEqual([401, ['Negotiate half'], false]);
    const last = await run(target, {});
    expect([last.status, last.wwwAuthenticate, last.body.length]).toEqual([200, ['Negotiate last'], 0]);
    const style = { protocol: spnegoProtocol, tab: false };
    const sealed = sealMessage(context, request, 'application/soap+xml;charset=UTF-8', style);
    const answer = await run(target, { authorization: undefined, contentType: sealed.contentType }, sealed.body);
    expect(answer.status).toBe(500);
    expect(answer.wwwAuthenticate).toEqual([]);
    const opened = openSealed(context, answer.body, parseContentType(answer.contentType));
    expect(opened.style).toEqual(style);
    expect(readAnswer({ status: 500, contentType: opened.contentType, body: opened.body }).text).toContain(
      'DestinationUnreachable',
    );
  });

  it.each([true, false])('answers a sealed message on the last leg, in its style (TAB %s)', async (tab) => {
    const sealed = sealMessage(context, request, 'application/soap+xml;charset=UTF-8', {
      protocol: spnegoProtocol,
      tab,
    });
    const answer = await run(connection(), { contentType: sealed.contentType }, sealed.body);
    expect(answer.wwwAuthenticate).toEqual(['Negotiate last']);
    expect(openSealed(context, answer.body, parseContentType(answer.contentType)).style.tab).toBe(tab);
  });

  it('looks at no body before it knows who sent it', async () => {
    const target = connection();
    for (const authorization of [undefined, 'Half', 'Bad']) {
      const decision = target.begin(head({ authorization, contentLength: 1000 }));
      expect(decision.kind).toBe('reply');
    }
  });

  it('refuses what is not sealed over http, and takes it over TLS', async () => {
    const plain = await run(connection(), {}, request);
    expect([plain.status, plain.body.length]).toEqual([500, 0]);
    const secure = await run(connection({ secureTransport: true }), {}, request);
    expect(readAnswer(secure).text).toContain('DestinationUnreachable');
    const sealed = sealMessage(context, request, 'application/soap+xml', { protocol: spnegoProtocol, tab: true });
    const inKind = await run(connection({ secureTransport: true }), { contentType: sealed.contentType }, sealed.body);
    expect(inKind.contentType).toMatch(/^multipart\/encrypted/);
  });

  it('ends with a seal that is broken or has no context', async () => {
    const sealed = sealMessage(context, request, 'application/soap+xml', { protocol: spnegoProtocol, tab: true });
    const broken = await run(connection(), { contentType: sealed.contentType }, sealed.body.subarray(0, 300));
    expect([broken.status, broken.close]).toEqual([400, true]);
    const alone = await run(connection({ withContext: false }), { contentType: sealed.contentType }, sealed.body);
    expect([alone.status, alone.close]).toEqual([400, true]);
  });

  it('refuses a body that is too large before it is read', () => {
    const decision = connection().begin(head({ contentLength: 10_000_000, authorization: undefined }));
    expect(decision).toMatchObject({ kind: 'reply', reply: { status: 413, close: true } });
  });

  it('identifies itself to strangers only when told to', async () => {
    const changes = { authorization: undefined, identify: 'unauthenticated' };
    expect((await run(connection(), changes)).status).toBe(401);
    const answer = await run(connection({ anonymousIdentify: true }), changes);
    expect(readAnswer(answer).text).toContain('OS: 0.0.0');
    expect((await run(connection({ anonymousIdentify: true }), { authorization: undefined })).status).toBe(401);
  });

  it('answers an empty chunked body like an empty one', async () => {
    expect((await run(connection(), { contentLength: undefined })).status).toBe(200);
  });
});
