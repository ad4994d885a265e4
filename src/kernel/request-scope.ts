import { AsyncLocalStorage } from 'node:async_hooks';

/** What belongs to the request under way, for records that name it. It decides nothing: who acts is an argument everywhere. */
export interface RequestScope {
  /** The id that a person can quote and the log has. */
  requestId: string;
  /** Where the request came from, as the server sees it. */
  address: string | null;
}

const scopes = new AsyncLocalStorage<RequestScope>();

/** Runs what a request causes, so that records made on the way can name it. */
export function withinRequest<T>(scope: RequestScope, work: () => T): T {
  return scopes.run(scope, work);
}

/** The request under way; null in a job, at the start, or in a sweep. */
export function currentRequest(): RequestScope | null {
  return scopes.getStore() ?? null;
}
