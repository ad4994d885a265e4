/**
 * The channel on which all processes are told that something about a workspace changed. What is told is the workspace's id; or that of the API key or session that is gone, by which somebody may
 * read one.
 */
export const WORKSPACE_CHANNEL = 'berth_workspace';

export interface Listener {
  /** Something about the workspace (or what else has this id) changed. */
  heard(id: string): void;
  /** Notices may have been lost: whatever may have changed. */
  missed(): void;
}

/** The receiving end of what a tenant's `tell` sends, whatever carries it. */
export interface Notices {
  /** Begins to listen; throws when there is no connection. One that is lost later is made anew, and then the listener hears that it missed something. */
  listen(listener: Listener): Promise<void>;
  close(): Promise<void>;
}
