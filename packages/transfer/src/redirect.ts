import { CarmineError } from '@carmine/errors';

const maximumRedirects = 10;

/** RFC 9110, section 15.4: the redirects that keep what is asked for; 300, 304 and 305 are final answers to us. */
export function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

/** Where a redirect leads, or `transfer/redirect`: https leads to http only with `downgrade`, and nothing leads elsewhere than http(s). */
export function redirectTarget(from: string, location: string | undefined, count: number, downgrade = false): string {
  const refuse = (reason: string): never => {
    throw new CarmineError('transfer/redirect', { context: { reason } });
  };
  if (count >= maximumRedirects) return refuse(`more than ${maximumRedirects} in a row`);
  if (location === undefined || !URL.canParse(location, from)) return refuse('it has no usable Location');
  const target = new URL(location, from);
  if (target.protocol !== 'https:' && target.protocol !== 'http:') return refuse(`it leads to ${target.protocol}`);
  if (!downgrade && target.protocol === 'http:' && new URL(from).protocol === 'https:')
    return refuse('it leads from https to http');
  target.username = '';
  target.password = '';
  target.hash = '';
  return target.href;
}
