import type { Response } from 'express';

/**
 * Aborted when the caller hangs up, so that nobody is waited for in vain. A caller may have gone while the guard still asked who they are: the event of that is
 * over, so the state is asked as well.
 */
export function whenGone(response: Response): AbortController {
  const gone = new AbortController();
  if (response.destroyed) gone.abort();
  else response.once('close', () => gone.abort());
  return gone;
}
