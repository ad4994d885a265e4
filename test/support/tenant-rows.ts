import { escapeIdentifier } from 'pg';
import { shortId, systemIds } from '../../src/kernel/index.js';
import type { TestOrganization } from './app.js';
import { withClient } from './tables.js';

/** A row in every tenant table, written as the owner from a sample of each, so that "sees nothing" cannot mean "there is nothing". */
export async function fillTenantTables(
  ownerUrl: string,
  { id: organization, owner }: TestOrganization,
): Promise<void> {
  const [workspace, turn, credential] = [systemIds.next(), systemIds.next(), systemIds.next()];
  const budget = systemIds.next();
  const at = new Date();
  const rows: Record<string, Record<string, unknown>> = {
    credential: {
      id: credential,
      scope: 'organization',
      subject: 'organization',
      kind: 'anthropic_api_key',
      status: 'active',
      hint: '…',
      generation: 1,
      sealed: 'sealed',
      key_id: 'test-key',
      settings: {},
      connected_at: at,
      created_at: at,
      updated_at: at,
    },
    credential_rotation: {
      id: systemIds.next(),
      credential_id: credential,
      lineage: systemIds.next(),
      generation: 1,
      reason: 'due',
      state: 'succeeded',
      owner: systemIds.next(),
      heartbeat_at: at,
      started_at: at,
    },
    login_attempt: {
      id: systemIds.next(),
      user_id: owner.userId,
      subject: 'organization',
      scope: 'organization',
      kind: 'claude_oauth',
      state: 'pending',
      sealed: 'sealed',
      key_id: 'test-key',
      created_at: at,
      expires_at: at,
    },
    invitation: {
      id: systemIds.next(),
      email: 'a@example.com',
      role: 'member',
      hash: `hash of an invitation to ${organization}`,
      invited_by: owner.userId,
      created_at: at,
      expires_at: at,
    },
    workspace: {
      id: workspace,
      owner_id: owner.userId,
      name: 'w',
      repository: 'a/b',
      source: {},
      branch: `berth/${shortId(workspace)}`,
      agent: 'claude',
      model: 'm',
      state: 'running',
      desired_state: 'running',
      authentication: 'ok',
      origin: {},
      idle_timeout_minutes: 30,
      last_activity_at: at,
      state_changed_at: at,
      created_at: at,
    },
    minted_token: {
      credential_id: credential,
      workspace_id: workspace,
      lineage: systemIds.next(),
      generation: 1,
    },
    lease: {
      workspace_id: workspace,
      credential_id: credential,
      generation: 1,
      scope: 'organization',
      kind: 'anthropic_api_key',
      reason: 'r',
      expires_at: at,
    },
    operation: {
      id: systemIds.next(),
      workspace_id: workspace,
      kind: 'provision',
      state: 'succeeded',
      reason: 'r',
      initiator: {},
      created_at: at,
    },
    machine_token: {
      hash: `hash of ${workspace}`,
      workspace_id: workspace,
      identity: 'runner',
      created_at: at,
    },
    message: {
      id: turn,
      workspace_id: workspace,
      seq: 1,
      author_type: 'user',
      author_name: 'A',
      text: 't',
      created_at: at,
    },
    turn: { id: turn, workspace_id: workspace, seq: 1, state: 'completed', created_at: at },
    receipt: {
      turn_id: turn,
      credential_id: credential,
      generation: 1,
      scope: 'organization',
      kind: 'anthropic_api_key',
      reason: 'r',
      at,
    },
    event: { workspace_id: workspace, seq: 1, at, type: 'workspace.state', data: {} },
    idempotent_answer: {
      id: `answer of ${workspace}`,
      sealed: 'sealed',
      key_id: 'test-key',
      created_at: at,
      expires_at: at,
    },
    audit_head: { seq: 0, hash: '0'.repeat(64) },
    audit_entry: {
      seq: 1,
      at,
      action: 'workspace.created',
      actor_type: 'system',
      details: {},
      previous_hash: '0'.repeat(64),
      hash: 'h',
    },
    usage_entry: {
      id: systemIds.next(),
      at,
      workspace_id: workspace,
      workspace_name: 'w',
      repository: 'github.com/a/b',
      credential_id: credential,
      generation: 1,
      scope: 'organization',
      kind: 'anthropic_api_key',
      billed: true,
      weight_nano: 0,
      weight_tokens: 0,
    },
    budget: {
      id: budget,
      scope: 'organization',
      limit_tokens: 1,
      period: 'month',
      alert_percent: 80,
      created_at: at,
      updated_at: at,
    },
    budget_sum: {
      budget_id: budget,
      period_start: at,
      nano: 0,
      tokens: 0,
      calls: 0,
      unknown_calls: 0,
      estimated_nano: 0,
    },
    runner_cursor: { workspace_id: workspace, runner_id: systemIds.next(), acknowledged: 1 },
  };
  await withClient(ownerUrl, async (client) => {
    for (const [table, columns] of Object.entries(rows)) {
      const row: Record<string, unknown> = { organization_id: organization, ...columns };
      const places = Object.keys(row).map((_, at) => `$${at + 1}`);
      await client.query(
        `INSERT INTO ${escapeIdentifier(table)} (${Object.keys(row).join(', ')}) VALUES (${places.join(', ')})`,
        Object.values(row),
      );
    }
  });
}
