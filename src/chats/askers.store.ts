import type { TurnState } from '../contracts/index.js';
import type { Tenant } from '../database/index.js';
import type { Cause } from '../kernel/index.js';
import type { Askers } from './asker.js';
import { under } from './chats.store.js';

/** What caused a turn, and the attempt at it. */
export type TurnCause = Cause & { attemptId: string | null };

/** With the turn under way; null when none is. */
export type AskersFound = Askers & { turn: TurnCause | null };

interface AskerRow extends TurnCause {
  workspaceId: string;
  /** The last one that was begun, and not the next in the queue. */
  begun: boolean;
  state: TurnState;
  authorId: string | null;
}

/**
 * For whom each of these workspaces works: who wrote the turn under way, or else the last one that was begun. With the author of the next in the queue, and what caused the turn under way. One where
 * nobody asked for anything yet is missing. Reads alone.
 */
export async function askersIn(
  { db, organizationId }: Tenant,
  workspaceIds: string[],
): Promise<Map<string, AskersFound>> {
  const rows = await db.$queryRaw<AskerRow[]>`
    select workspace.id as "workspaceId", found.begun, found.state, message.author_id as "authorId", found.attempt_id as "attemptId",
           found.request_id as "requestId", found.trace_parent as "traceParent"
      from unnest(${workspaceIds}::uuid[]) as workspace (id)
     cross join lateral (
        (select true as begun, id, state, attempt_id, request_id, trace_parent from turn
          where organization_id = ${organizationId}::uuid and workspace_id = workspace.id and started_at is not null
          order by seq desc limit 1)
        union all
        (select false, id, state, attempt_id, request_id, trace_parent from turn
          where organization_id = ${organizationId}::uuid and workspace_id = workspace.id and state = 'queued'
          order by seq limit 1)
      ) as found
      left join message on message.organization_id = ${organizationId}::uuid and message.id = found.id`;
  const of = new Map<string, AskerRow[]>();
  for (const row of rows) of.set(row.workspaceId, [...(of.get(row.workspaceId) ?? []), row]);
  return new Map([...of].map(([id, found]) => [id, askersOf(found)]));
}

function askersOf(rows: AskerRow[]): AskersFound {
  const [current, queued] = [rows.find(({ begun }) => begun), rows.find(({ begun }) => !begun)];
  const turn = current && under.includes(current.state) ? current : null;
  const next = turn ? undefined : queued;
  return { underWay: turn !== null, current: current?.authorId ?? null, next: next?.authorId ?? null, turn };
}
