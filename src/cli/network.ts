/** The system's or fetch's code of a failed connection; '' when it has none. */
export function networkCode(error: unknown): string {
  if (!(error instanceof Error)) return '';
  if ('code' in error && typeof error.code === 'string') return error.code;
  return networkCode('errors' in error && Array.isArray(error.errors) ? error.errors[0] : error.cause);
}

const reasons: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there (connection refused)',
  ENOTFOUND: 'its name is unknown',
  EAI_AGAIN: 'its name could not be looked up',
  ECONNRESET: 'the connection was reset',
  UND_ERR_SOCKET: 'the connection was closed',
  UND_ERR_CONNECT_TIMEOUT: 'it did not answer in time',
};

/** The other end does not speak TLS, or none that we do. A certificate that is not trusted has codes of its own. */
export function isTlsFailure(code: string): boolean {
  return code === 'EPROTO' || code.startsWith('ERR_SSL_');
}

/** Why a fetch failed, for people. fetch itself only says "fetch failed". */
export function networkReason(error: unknown): string {
  const known = reasons[networkCode(error)];
  if (known !== undefined) return known;
  // OpenSSL's own words are lines of hexadecimal digits and names of C files.
  if (isTlsFailure(networkCode(error))) return 'no TLS connection comes about (it may speak http there)';
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
