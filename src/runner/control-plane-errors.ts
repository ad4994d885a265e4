/** This runner is not wanted any more: its token was refused (401), or another runner took its place. End. */
export class RunnerDismissed extends Error {
  override readonly name = 'RunnerDismissed';
}

/** The control plane could not be reached, or could not answer now. Try again. */
export class ControlPlaneUnavailable extends Error {
  override readonly name = 'ControlPlaneUnavailable';
}
