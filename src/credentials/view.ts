import type { CredentialView, Kind, RotationView, Scope } from '../contracts/index.js';
import type { CredentialRow } from './credentials.store.js';
import type { CredentialSettings } from './kinds.js';
import { loginEndOf } from './login-end.js';
import type { rotationsStore } from './renewal/rotations.store.js';

/** A credential as people see it; never its secret. */
export function credentialView(row: CredentialRow): CredentialView {
  const settings = row.settings as CredentialSettings;
  return {
    id: row.id,
    scope: row.scope as Scope,
    kind: row.kind as Kind,
    status: row.status as CredentialView['status'],
    hint: row.hint,
    generation: row.generation,
    expiresAt: row.expiresAt?.toISOString() ?? null,
    limitedUntil: row.limitedUntil?.toISOString() ?? null,
    lastRotatedAt: row.lastRotatedAt?.toISOString() ?? null,
    lastError: row.lastError,
    connectedAt: row.connectedAt.toISOString(),
    connectedBy: row.connector,
    loginEndsAt: loginEndOf(row)?.toISOString() ?? null,
    account: settings.account ?? null,
    fallback: settings.fallback ?? null,
  };
}

type RotationRow = Awaited<ReturnType<typeof rotationsStore.list>>[number];

export function rotationView(row: RotationRow): RotationView {
  return {
    id: row.id,
    generation: row.generation,
    nextGeneration: row.nextGeneration,
    reason: row.reason as RotationView['reason'],
    state: row.state as RotationView['state'],
    message: row.message,
    workspaceId: row.workspaceId,
    startedAt: row.startedAt.toISOString(),
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
}
