export {
  type AuthenticationScheme,
  anonymousToken,
  isAdministrator,
  nobody,
  type Token,
  tokenHasSid,
  wellKnownSids,
} from './token.ts';
