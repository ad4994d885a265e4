import type { MessageView, TurnState } from '../contracts/index.js';
import type { MessageRow, TurnRow } from './chats.store.js';

/** A message as the outside sees it. An agent's answer has no turn of its own: it is completed by being there. */
export function messageView(message: MessageRow, turn: TurnRow | null): MessageView {
  return {
    id: message.id,
    seq: message.seq,
    author: {
      type: message.authorType as MessageView['author']['type'],
      ...(message.authorId ? { id: message.authorId } : {}),
      name: message.authorName,
    },
    text: message.text,
    state: turn ? (turn.state as TurnState) : 'completed',
    attempts: turn?.attempts ?? 0,
    receipts: (turn?.receipts ?? []).map(({ credentialId, scope, kind, generation, reason, at }) => ({
      credentialId,
      scope: scope as MessageView['receipts'][number]['scope'],
      kind: kind as MessageView['receipts'][number]['kind'],
      generation,
      reason,
      at: at.toISOString(),
    })),
    ...(turn?.error ? { error: turn.error as { code: string; message: string } } : {}),
    createdAt: message.createdAt.toISOString(),
  };
}
