import { createHash, createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** Signature Version 4 as AWS describes it, computed here once more: what signs in the product is held against this. */

/** A request as it arrived. */
export interface SignedRequest {
  method: string;
  /** As on the wire, with its query. */
  url: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** What stands in an `authorization` header of this kind. */
export interface Authorization {
  accessKeyId: string;
  /** `20150830` of the scope. */
  day: string;
  region: string;
  service: string;
  signedHeaders: string[];
  signature: string;
}

const HEADER =
  /^AWS4-HMAC-SHA256 Credential=([^/,\s]+)\/(\d{8})\/([^/,\s]+)\/([^/,\s]+)\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/;

/** Null for a header that is none. */
export function authorizationOf(header: string | undefined): Authorization | null {
  const found = HEADER.exec(header ?? '');
  if (!found) return null;
  const [, accessKeyId = '', day = '', region = '', service = '', names = '', signature = ''] = found;
  return { accessKeyId, day, region, service, signedHeaders: names.split(';'), signature };
}

/** The signature that a request must have with this secret, and the text that it is of. */
export function signatureOf(
  request: SignedRequest,
  { day, region, service, signedHeaders }: Authorization,
  secretAccessKey: string,
): { signature: string; canonicalRequest: string } {
  const canonicalRequest = canonicalRequestOf(request, signedHeaders);
  const time = String(request.headers['x-amz-date']);
  const scope = `${day}/${region}/${service}/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', time, scope, sha256(canonicalRequest)].join('\n');
  const key = [day, region, service, 'aws4_request'].reduce<Buffer | string>(
    (before, part) => hmac(before, part),
    `AWS4${secretAccessKey}`,
  );
  return { signature: hmac(key, text).toString('hex'), canonicalRequest };
}

function canonicalRequestOf({ method, url, headers, body }: SignedRequest, signedHeaders: string[]): string {
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const query = mark < 0 ? '' : url.slice(mark + 1);
  const lines = signedHeaders.map((name) => `${name}:${trimmed(headers[name])}\n`).join('');
  // All services but S3: the path is encoded once more than on the wire.
  return [method, encoded(path), sorted(query), lines, signedHeaders.join(';'), sha256(body)].join('\n');
}

function encoded(path: string): string {
  const strict = (part: string): string =>
    encodeURIComponent(part).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
  return path.split('/').map(strict).join('/');
}

function sorted(query: string): string {
  if (query === '') return '';
  const pairs = query.split('&').map((pair) => (pair.includes('=') ? pair : `${pair}=`));
  return pairs.sort().join('&');
}

function trimmed(value: string | string[] | undefined): string {
  return String(value ?? '')
    .trim()
    .replace(/ +/g, ' ');
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

function hmac(key: string | Buffer, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest();
}
