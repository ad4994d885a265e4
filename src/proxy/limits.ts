/** Every bound of the proxy in one place. Tests pass smaller ones. */
export interface Limits {
  /** Longest path of a Unix socket, in bytes. The kernel's own limit is 107; beyond it bind() fails without saying why. */
  maxSocketPathBytes: number;
  /** Largest request head; also bounds header bombs. */
  maxHeaderBytes: number;
  /** Largest body of a model call. */
  maxBodyBytes: number;
  /** A larger body of a model call waits in a file. */
  spillBytes: number;
  /** Sum of the bodies that are held for one workspace at a time, so that one agent cannot starve the others. */
  maxWorkspaceBodyBytes: number;
  /** Connections of one workspace; the process's file descriptors are shared by all. */
  maxConnections: number;
  /** Time for a request's head to arrive. */
  headTimeoutSeconds: number;
  /** Time for the whole body of a model call to arrive; for git the longest pause within a body. */
  bodyTimeoutSeconds: number;
  /** Longest silence of an upstream, before its head or within its stream. Claude Code announces 600 s itself. */
  upstreamSilenceSeconds: number;
  /** Time to reach an upstream. */
  connectTimeoutSeconds: number;
  /** Time for the control plane to answer; a lease may have to wait for a refresh. */
  controlPlaneTimeoutSeconds: number;
  /** How long an error answer that is not passed on may take to arrive. */
  withheldTimeoutSeconds: number;
  /** How long a call may wait for credentials in all: its own was refused, or none can be had for the moment. */
  holdSeconds: number;
  /** How often one call is sent at most, each time with another credential or a newer one. */
  maxSends: number;
  /** Pause before a lease is asked for again that was the refused one once more; also the shortest of all pauses. */
  notYetSeconds: number;
  /** How often it is asked whether calls under way may go on. */
  withdrawnSeconds: number;
  /** How long it is known which hosts are allowed, before it is asked again. */
  allowedHostsSeconds: number;
  /** Longest silence of a tunnel, in both directions. */
  tunnelIdleSeconds: number;
  /** How long a blocked host is not told again, and how many are told in that time. */
  blockedSeconds: number;
  maxBlocked: number;
  /** How much of an error answer is read to learn its type. */
  maxErrorBytes: number;
  /** Undelivered reports of one workspace. */
  maxReports: number;
  /** First pause after a failed delivery; doubles up to `maxRetrySeconds`. */
  firstRetrySeconds: number;
  maxRetrySeconds: number;
  /** Time to deliver what is left when a workspace is closed. */
  flushSeconds: number;
}

export const defaultLimits: Limits = {
  maxSocketPathBytes: 100,
  maxHeaderBytes: 64 * 1024,
  maxBodyBytes: 32 * 1024 * 1024,
  spillBytes: 1024 * 1024,
  maxWorkspaceBodyBytes: 128 * 1024 * 1024,
  maxConnections: 512,
  headTimeoutSeconds: 30,
  bodyTimeoutSeconds: 120,
  upstreamSilenceSeconds: 660,
  connectTimeoutSeconds: 15,
  controlPlaneTimeoutSeconds: 60,
  withheldTimeoutSeconds: 5,
  holdSeconds: 300,
  maxSends: 5,
  notYetSeconds: 1,
  withdrawnSeconds: 5,
  allowedHostsSeconds: 3,
  tunnelIdleSeconds: 300,
  blockedSeconds: 60,
  maxBlocked: 30,
  maxErrorBytes: 64 * 1024,
  maxReports: 10_000,
  firstRetrySeconds: 0.25,
  maxRetrySeconds: 15,
  flushSeconds: 3,
};
