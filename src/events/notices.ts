/**
 * The channel on which all processes are told that something changed. What is told is its topic: a workspace's id, `credentialTopic`, or the id of the API key or session that is gone, by
 * which somebody may read a workspace.
 */
export const WORKSPACE_CHANNEL = 'berth_workspace';

const CREDENTIAL = 'credential/';

/** What is told when a credential changed: its secret, or whether it serves. */
export function credentialTopic(credentialId: string): string {
  return CREDENTIAL + credentialId;
}

/** The credential that a topic is of; null for another's. */
export function credentialOfTopic(topic: string): string | null {
  return topic.startsWith(CREDENTIAL) ? topic.slice(CREDENTIAL.length) : null;
}

const FOLLOWED = 'followed/';

/** A workspace that conversations at other systems are told of. */
export interface Followed {
  organizationId: string;
  workspaceId: string;
}

/** What is told when a workspace with conversations has new events. */
export function followedTopic({ organizationId, workspaceId }: Followed): string {
  return `${FOLLOWED}${organizationId}/${workspaceId}`;
}

/** The workspace that a topic is of; null for another's. */
export function followedOfTopic(topic: string): Followed | null {
  if (!topic.startsWith(FOLLOWED)) return null;
  const [organizationId = '', workspaceId = ''] = topic.slice(FOLLOWED.length).split('/');
  return { organizationId, workspaceId };
}

export interface Listener {
  /** Something about this topic changed. */
  heard(topic: string): void;
  /** Notices may have been lost: whatever may have changed. */
  missed(): void;
}

/** The receiving end of what a tenant's `tell` sends, whatever carries it. */
export interface Notices {
  /** Begins to listen; throws when there is no connection. One that is lost later is made anew, and then the listener hears that it missed something. */
  listen(listener: Listener): Promise<void>;
  close(): Promise<void>;
}
