import express, { type NextFunction, type Request, type Response } from 'express';
import { BerthError } from '../kernel/index.js';

/** What people do comes in some kilobytes, and a comment has 65,536 characters at most. GitHub would send up to 25 MB; what is larger than this, nobody here waits for. */
const LIMIT = 5 * 2 ** 20;

/** Reads what other systems tell as the bytes that they signed: nothing of it is looked into before the signature is known to be good. */
export function readDeliveries() {
  const read = express.raw({ limit: LIMIT, type: () => true, inflate: false });
  return (request: Request, response: Response, next: NextFunction): void => {
    read(request, response, (error?: unknown) => {
      const { type } = (error ?? {}) as { type?: unknown };
      next(type === 'entity.too.large' ? tooLarge(error) : error);
    });
  };
}

function tooLarge(cause: unknown): BerthError {
  return new BerthError('payload-too-large', 'The delivery is larger than 5 MiB, the limit of this server.', {
    cause,
  });
}
