import type { Authorization, AuthorizationStatus, CredentialView, Scope } from '../../src/contracts/index.js';
import type { Answered, Api } from './api.js';

export type Paste = Extract<Authorization, { method: 'paste' }>;
export type Device = Extract<Authorization, { method: 'device' }>;

/** The route by which a login is connected. */
export const connectPath = (api: Api, kind: string, scope: Scope = 'user'): string =>
  api.path(`/credentials/${scope}/${kind}/authorization`);

export async function beginConnect<T extends Authorization>(
  api: Api,
  kind: string,
  scope: Scope = 'user',
): Promise<T> {
  return (await api.post<T>(connectPath(api, kind, scope), undefined, 201)).body;
}

export async function connectStatus(
  api: Api,
  kind: string,
  scope: Scope = 'user',
): Promise<AuthorizationStatus> {
  return (await api.get<AuthorizationStatus>(connectPath(api, kind, scope))).body;
}

export function completeConnect(
  api: Api,
  code: string,
  scope: Scope = 'user',
): Promise<Answered<CredentialView>> {
  return api.call('POST', `${connectPath(api, 'claude_oauth', scope)}/complete`, { code });
}

/** The caller's own credential of a kind, if there is one. */
export async function ownCredential(api: Api, kind: string): Promise<CredentialView | undefined> {
  const { body } = await api.get<{ items: CredentialView[] }>(api.path('/credentials'));
  return body.items.find((each) => each.kind === kind && each.scope === 'user');
}
