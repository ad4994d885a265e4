/** Why a workspace cannot be used. `code` is stable; `message` is for people and says what to do next; it holds no secret. */
export class WorkspaceFailure extends Error {
  override readonly name: string = 'WorkspaceFailure';

  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}
